"""Datasets read from where people have them."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from raysel.errors import RayselError
from raysel.finetune import Data, read
from raysel.models import ImageFiles
from raysel.models.images import ImageTransform


def picture(path: Path, shade: int, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 255 - shade)).convert(mode).save(path)
    return path


def photos(folder: Path, counts: dict[str, int]) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for index in range(count):
            picture(folder / name / f"{index}.png", 40 * number + index)
    return folder


def table(path: Path, **columns: Any) -> Path:
    frame = pd.DataFrame(columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    return path


TEXTS = [f"text {i}" for i in range(20)]
LABELS = ["yes", "no"] * 10


def sizes(data: Data) -> tuple[int, int, int]:
    return len(data.train), len(data.val), len(data.test)


def test_a_folder_a_class(tmp_path: Path) -> None:
    data = read(photos(tmp_path / "pets", {"dog": 20, "cat": 20}))
    assert (data.name, data.task, data.class_names, data.modality) == (
        "pets",
        "classification",
        ("cat", "dog"),
        "images",
    )
    assert sizes(data) == (28, 6, 6)
    for split in (data.train, data.val, data.test):
        assert isinstance(split.inputs, ImageFiles)
        assert [Path(path).parent.name == "dog" for path in split.inputs.paths] == split.labels.astype(bool).tolist()
    assert np.bincount(data.val.labels).tolist() == [3, 3], "of every class its share"
    parts = [set(split.inputs.paths.tolist()) for split in (data.train, data.val, data.test)]
    assert len(set.union(*parts)) == 40, "no image is in two splits"


def test_a_folder_in_splits(tmp_path: Path) -> None:
    for split, count in {"train": 6, "valid": 2, "test": 3}.items():
        photos(tmp_path / split, {"cat": count, "dog": count})
    assert sizes(read(tmp_path)) == (12, 4, 6)


def test_a_missing_split_is_drawn_from_training(tmp_path: Path) -> None:
    for split, count in {"train": 10, "test": 3}.items():
        photos(tmp_path / split, {"cat": count, "dog": count})
    assert sizes(read(tmp_path, val=0.2)) == (16, 4, 6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_table_of_texts(tmp_path: Path, suffix: str) -> None:
    data = read(table(tmp_path / f"reviews{suffix}", text=TEXTS, label=LABELS, stars=range(20)))
    assert (data.name, data.task, data.class_names, data.modality) == (
        "reviews",
        "classification",
        ("no", "yes"),
        "texts",
    )
    told = dict(zip(TEXTS, LABELS, strict=True))
    for split in (data.train, data.val, data.test):
        assert [told[text] for text in split.inputs] == [("no", "yes")[label] for label in split.labels]


def test_pairs_of_texts_and_other_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "nli.csv", premise=TEXTS, hypothesis=TEXTS[::-1], gold=LABELS, note=TEXTS)
    data = read(path, inputs=("premise", "hypothesis"), label="gold")
    assert data.train.inputs.shape == (14, 2)
    assert all(int(a.split()[1]) + int(b.split()[1]) == 19 for a, b in data.train.inputs)
    with pytest.raises(RayselError, match="inputs"):
        read(path, label="gold")


def test_a_table_of_images(tmp_path: Path) -> None:
    paths = [str(picture(tmp_path / "a" / f"{i}.jpg", i).relative_to(tmp_path)) for i in range(10)]
    data = read(table(tmp_path / "images.csv", image=paths, label=[i / 10 for i in range(10)]))
    assert (data.task, data.modality, data.classes, data.metric) == ("regression", "images", None, "rmse")
    assert all(Path(path).is_file() for path in data.train.inputs.paths)


def test_splits_in_a_column_or_in_files(tmp_path: Path) -> None:
    named = (["train"] * 6 + ["dev"] * 2 + ["test"] * 2) * 2
    column = read(table(tmp_path / "one.csv", text=TEXTS, label=LABELS, split=named))
    for split in ("train", "dev", "test"):
        kept = [i for i, name in enumerate(named) if name == split]
        (tmp_path / "many").mkdir(exist_ok=True)
        table(tmp_path / "many" / f"{split}.csv", text=[TEXTS[i] for i in kept], label=[LABELS[i] for i in kept])
    files = read(tmp_path / "many")
    assert sizes(column) == sizes(files) == (12, 4, 4)
    assert column.fingerprint == files.fingerprint


@pytest.mark.parametrize(
    ("labels", "task", "names"),
    [
        ([0, 1] * 10, "classification", ("0", "1")),
        ([10, 9] * 10, "classification", ("9", "10")),
        ([True, False] * 10, "classification", ("False", "True")),
        ([1.0, 2.0] * 10, "classification", ("1", "2")),
        ([0.5, 2.0] * 10, "regression", None),
        ([i / 3 for i in range(20)], "regression", None),
    ],
)
def test_the_task_is_guessed(tmp_path: Path, labels: list[Any], task: str, names: tuple[str, ...] | None) -> None:
    data = read(table(tmp_path / "t.csv", text=TEXTS, label=labels))
    assert (data.task, data.class_names) == (task, names)


def test_many_whole_numbers_are_quantities(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", text=[f"t{i}" for i in range(99)], label=range(99))
    assert read(path).task == "regression"
    assert read(table(tmp_path / "t2.csv", text=TEXTS, label=[0, 1] * 10), task="regression").classes is None


class Pairs:
    """As a torch dataset: a length, and items by number."""

    def __init__(self, *items: tuple[Any, Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.items[index]


@pytest.mark.parametrize(
    ("make_input", "modality"),
    [
        (lambda i: f"text {i}", "texts"),
        (lambda i: ("a", f"text {i}"), "texts"),
        (lambda i: np.full((3, 4, 5), i, np.uint8), "images"),
        (lambda i: Image.new("L", (5, 4), i), "images"),
    ],
)
def test_torch_datasets(make_input: Callable[[int], Any], modality: str) -> None:
    def ours() -> Any:
        return Pairs(*((make_input(i), i % 2) for i in range(20))), Pairs((make_input(1), 0), (make_input(2), 1))

    data = read(ours)
    assert (data.name, data.modality, sizes(data)) == ("ours", modality, (17, 2, 3))


def test_the_same_seed_draws_the_same_splits(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", text=TEXTS, label=LABELS)
    assert read(path, seed=1).fingerprint == read(path, seed=1).fingerprint != read(path, seed=2).fingerprint


def test_the_fingerprint_does_not_depend_on_the_place(tmp_path: Path) -> None:
    here, there = (photos(tmp_path / place / "pets", {"cat": 4, "dog": 4}) for place in "ab")
    assert read(here).fingerprint == read(there).fingerprint
    picture(there / "cat" / "0.png", 200)
    assert read(here).fingerprint != read(there).fingerprint


def test_a_rare_class_is_trained_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    data = read(photos(tmp_path / "pets", {"cat": 30, "dog": 1}))
    assert data.balance == {"cat": 20, "dog": 1}
    assert "2 classes, of which cat has 95 % and dog has 5 %; so uneven that `macro_f1`" in caplog.text


@pytest.mark.parametrize(
    ("columns", "options", "says"),
    [
        ({"text": ["a", "", "c"] * 4, "label": LABELS[:12]}, {}, "bad.csv, row 2: column `text` is ''"),
        ({"text": TEXTS, "label": ["yes", None] * 10}, {}, "bad.csv, row 2: column `label` is None"),
        ({"text": TEXTS, "label": ["yes"] * 20}, {}, "column `label` is 'yes', but must be one of several classes"),
        ({"text": TEXTS, "label": LABELS}, {"label": "gold"}, "no column of bad.csv is named 'gold'"),
        ({"text": TEXTS, "label": LABELS}, {"inputs": ("txt",)}, "did you mean text?"),
        ({"number": range(20), "label": LABELS}, {}, "`inputs` is ()"),
        (
            {"text": TEXTS, "label": LABELS},
            {"task": "regression"},
            "column `label` is 'yes', but must be a finite number",
        ),
        ({"text": TEXTS, "label": LABELS, "split": ["train", "tset"] * 10}, {}, "row 2: column `split` is 'tset'"),
        ({"text": TEXTS, "label": LABELS, "split": ["test"] * 20}, {}, "training samples; it has test"),
        ({"text": TEXTS[:3], "label": LABELS[:3]}, {}, "enough different ones to draw val and test from"),
        ({"text": ["a.png", "b.png"], "label": LABELS[:2]}, {}, "an image file"),
        ({"text": TEXTS, "label": LABELS}, {"val": 0.6, "test": 0.5}, "`val` is 0.6"),
        ({"text": TEXTS, "label": LABELS}, {"metric": "rmse"}, "`metric` is 'rmse'"),
        (
            {"text": TEXTS, "label": [*["yes", "no"] * 9, "yes", "maybe"], "split": ["train"] * 19 + ["test"]},
            {},
            "row 20: column `label` is 'maybe', but must be a class that there is training data of",
        ),
        (
            {"text": TEXTS, "label": [*[0, 1] * 9, 0, None], "split": ["train"] * 15 + ["val"] * 5},
            {},
            "row 20: column `label` is None",
        ),
        ({"text": [*TEXTS[1:], "  "], "label": LABELS}, {}, "row 20: column `text` is '  '"),
        ({"text": TEXTS, "label": [*LABELS[1:], ""]}, {}, "row 20: column `label` is None"),
        ({"text": TEXTS, "label": [*[0.5] * 19, "inf"]}, {}, "row 20: column `label` is inf, but must be a finite"),
        ({"text": TEXTS, "label": [0, 0.5] * 10}, {"task": "classification"}, "row 2: column `label` is 0.5"),
        ({"text": TEXTS, "label": LABELS}, {"task": "ranking"}, "`task` is 'ranking'"),
        ({"text": TEXTS, "label": [f"c{i}" for i in range(20)]}, {}, "20 training samples, of single ones"),
        ({"image": [f"{i}.png" for i in range(19)] + ["19"], "label": LABELS}, {}, "row 1: column `image` is"),
        ({"text": TEXTS, "other": TEXTS, "more": TEXTS, "label": LABELS}, {}, "pairs, of text, other, more"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], says: str) -> None:
    with pytest.raises(RayselError) as caught:
        read(table(tmp_path / "bad.csv", **columns), **options)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("t.csv", "text,text,label\na,b,0\n", "'text' comes twice"),
        ("t.csv", "text,label\n", "at least one row"),
        ("t.csv", "", "a table that can be read"),
        ("t.csv", "text,label\na,0\nb,c,d,1\n", "a table that can be read"),
        ("t.jsonl", '{"text": "a", "label": 0}\n[1]\n', "t.jsonl, row 2: column `line` is '[1]'"),
        ("t.jsonl", '{"text": "a"', "row 1: column `line` is"),
        ("t.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": "1"}\n', "row 1: column `label` is 1, but must"),
    ],
)
def test_files_that_are_no_such_tables(tmp_path: Path, file: str, content: str, says: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(RayselError, match=re.escape(says)):
        read(tmp_path / file)
    (tmp_path / file).rename(tmp_path / f"train{Path(file).suffix}")
    with pytest.raises(RayselError):  # in a folder of splits too
        read(tmp_path)


def test_cells_of_a_table_are_as_they_were_written(tmp_path: Path) -> None:
    countries = read(table(tmp_path / "a.csv", text=["null", *TEXTS[1:]], label=["NA", "DE"] * 10))
    assert countries.class_names == ("DE", "NA")
    (tmp_path / "b.jsonl").write_text(
        "\n".join(json.dumps({"date": f"2024-01-{i:02d}", "label": f"0{i % 2}"}) for i in range(1, 21))
    )
    assert read(tmp_path / "b.jsonl").class_names == ("00", "01")


def test_a_class_is_one_however_late_names_come(tmp_path: Path) -> None:
    # pandas reads a long file in blocks, and takes 0 for a number in those in which all labels are.
    labels = [i % 2 for i in range(150_000)] + ["x"] * 20
    path = table(tmp_path / "long.csv", text=[f"a text of some length {i}" for i in range(len(labels))], label=labels)
    assert read(path).class_names == ("0", "1", "x")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize(
    ("columns", "inputs"),
    [
        ({"id": [f"id {i}" for i in range(20)], "text": TEXTS}, TEXTS),
        ({"caption": TEXTS, "image": ["a.png"] * 20}, None),
        ({"number": [f"{i}" for i in range(20)], "text": TEXTS}, TEXTS),
        ({"premise": TEXTS, "hypothesis": TEXTS}, [[text, text] for text in TEXTS]),
    ],
)
def test_the_plain_columns_are_found_and_said(
    tmp_path: Path, columns: dict[str, Any], inputs: Any, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    picture(tmp_path / "a.png", 1)
    caplog.set_level("INFO")
    splits = ["train"] * 16 + ["val", "test"] * 2
    data = read(table(tmp_path / f"t{suffix}", **columns, label=LABELS, split=splits))
    if inputs is None:
        assert isinstance(data.train.inputs, ImageFiles)
        assert "inputs are image (image files), labels label" in caplog.text
    else:
        assert data.train.inputs.tolist() == inputs[:16]


def test_one_column_may_be_named_without_a_list(tmp_path: Path) -> None:
    data = read(table(tmp_path / "t.csv", text=TEXTS, other=TEXTS[::-1], label=LABELS), inputs="other")
    assert data.train.inputs.shape == (14,)


def test_a_tables_own_index_is_let_go(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"text": pd.Categorical(TEXTS), "label": pd.Categorical(LABELS)}, index=[f"r{i}" for i in range(20)]
    )
    frame.to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").class_names == ("no", "yes")


@pytest.mark.parametrize("pairs", [False, True])
def test_copies_stay_together(tmp_path: Path, pairs: bool) -> None:
    texts = [f"text {i // 4}" for i in range(80)]
    columns = {"a": texts, "b": texts} if pairs else {"a": texts}
    data = read(table(tmp_path / "t.csv", **columns, label=["yes"] * 40 + ["no"] * 40))
    assert sizes(data) == (56, 12, 12)
    kept = [set(map(str, split.inputs)) for split in (data.train, data.val, data.test)]
    assert sum(map(len, kept)) == len(set.union(*kept)) == 20


def test_what_is_tested_on_that_was_trained_on_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    splits = ["train"] * 16 + ["val"] * 2 + ["test"] * 2
    read(table(tmp_path / "t.csv", text=[*TEXTS[:18], *TEXTS[:2]], label=LABELS, split=splits))
    assert "2 of 2 inputs of test are trained on as well" in caplog.text
    assert "of val" not in caplog.text


def test_what_systems_hide_in_a_folder_is_no_image(tmp_path: Path) -> None:
    photos(tmp_path, {"cat": 10, "dog": 10})
    (tmp_path / "cat" / "._1.png").write_bytes(b"of another system")
    picture(tmp_path / "cat" / ".thumbnails" / "1.png", 1)
    picture(tmp_path / "cat" / "more" / "1.PNG", 1)
    assert sum(sizes(read(tmp_path))) == 21


def test_a_class_without_images_is_refused(tmp_path: Path) -> None:
    photos(tmp_path, {"cat": 10, "dog": 10})
    (tmp_path / "bird").mkdir()
    with pytest.raises(RayselError, match="bird"):
        read(tmp_path)


def test_a_split_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    for split in ("train", "val", "validation"):
        photos(tmp_path / split, {"cat": 2, "dog": 2})
    with pytest.raises(RayselError, match="each split once; it has train, val, validation"):
        read(tmp_path)


def test_bad_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.parquet").write_text("x")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "dataset_info.json").write_text("{}")
    cases = {"gone": "is there", "empty": "a folder a class", "notes.txt": "ends in", "broken.parquet": "can be read"}
    try:
        import datasets  # noqa: F401
    except ImportError:
        cases["saved"] = "pip install datasets"
    for place, says in cases.items():
        with pytest.raises(RayselError, match=says):
            read(tmp_path / place)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    photos(tmp_path, {"cat": 3, "dog": 3})
    for broken in "12":
        (tmp_path / "dog" / f"{broken}.png").write_bytes(b"no image")
    with pytest.raises(RayselError, match=r"dog.1\.png'.*cannot identify.*so must .*dog.2\.png"):
        read(tmp_path)


def test_files_travel_as_their_names() -> None:
    files = ImageFiles(np.array([f"/data/photos/class {i % 10}/IMG_{i:08d}.jpg" for i in range(10_000)] + ["/" * 200]))
    assert len(pickle.dumps(files)) < 60 * len(files)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_sixteen_bits_are_read_as_eight(tmp_path: Path, mode: str) -> None:
    grey = np.array([[0, 256], [32768, 65535]], np.int32 if mode == "I" else np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    found = ImageFiles(np.array([str(tmp_path / "a.tif")])).decoded((2, 2), 3)
    assert found[0].tolist() == [[[0, 1], [128, 255]]] * 3


def test_fractions_are_refused_before_work_is_lost(tmp_path: Path) -> None:
    photos(tmp_path, {"cat": 3, "dog": 3})
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "cat" / "f.tif")
    with pytest.raises(RayselError, match=r"f\.tif'.*fractions"):
        read(tmp_path)


def test_a_palette_may_be_transparent(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([10, 20, 30] * 256)
    image.save(tmp_path / "a.png", transparency=b"\x10\x20")
    assert ImageFiles(np.array([str(tmp_path / "a.png")])).decoded((1, 1), 3).ravel().tolist() == [10, 20, 30]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1"])
def test_images_of_any_mode_and_size_are_taken(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    paths = [str(picture(tmp_path / f"{w}.{suffix}", 100, (w, 9), mode)) for w in (4, 30)]
    batch = ImageTransform((8, 6), (0.5,) * 3, (0.5,) * 3)(ImageFiles(np.array(paths)))
    assert batch.shape == (2, 3, 8, 6)


def test_images_are_turned_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 2, 0))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.png", exif=exif)
    found = ImageFiles(np.array([str(tmp_path / "a.png")])).decoded((2, 2), 1)
    assert found[0, 0].tolist() == [[255, 0], [255, 0]]


def test_the_middle_is_cut_out(tmp_path: Path) -> None:
    pixels = np.zeros((2, 6), np.uint8)
    pixels[:, 2:4] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert ImageFiles(np.array([str(tmp_path / "wide.png")])).decoded((2, 2), 1).tolist() == [[[[200, 200]] * 2]]
