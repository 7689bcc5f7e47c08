"""Datasets read from where people have them."""

import json
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
        ({"text": ["a", "", "c"] * 4, "label": LABELS[:12]}, {}, "bad.csv, row 1: column `text` is nan"),
        ({"text": TEXTS, "label": ["yes", None] * 10}, {}, "bad.csv, row 1: column `label` is None"),
        ({"text": TEXTS, "label": ["yes"] * 20}, {}, "column `label` is 'yes', but must be one of several classes"),
        ({"text": TEXTS, "label": LABELS}, {"label": "gold"}, "no column of bad.csv is named 'gold'"),
        ({"text": TEXTS, "label": LABELS}, {"inputs": ("txt",)}, "did you mean text?"),
        ({"number": range(20), "label": LABELS}, {}, "`inputs` is ()"),
        (
            {"text": TEXTS, "label": LABELS},
            {"task": "regression"},
            "column `label` is 'yes', but must be a finite number",
        ),
        ({"text": TEXTS, "label": LABELS, "split": ["train", "tset"] * 10}, {}, "row 1: column `split` is 'tset'"),
        ({"text": TEXTS, "label": LABELS, "split": ["test"] * 20}, {}, "training samples; it has test"),
        ({"text": TEXTS[:3], "label": LABELS[:3]}, {}, "enough to draw val and test from"),
        ({"text": ["a.png", "b.png"], "label": LABELS[:2]}, {}, "an image file"),
        ({"text": TEXTS, "label": LABELS}, {"val": 0.6, "test": 0.5}, "`val` is 0.6"),
        ({"text": TEXTS, "label": LABELS}, {"metric": "rmse"}, "`metric` is 'rmse'"),
        (
            {"text": TEXTS, "label": [*["yes", "no"] * 9, "yes", "maybe"], "split": ["train"] * 19 + ["test"]},
            {},
            "`label` is 'maybe', but must be a class that there is training data of",
        ),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], says: str) -> None:
    with pytest.raises(RayselError) as caught:
        read(table(tmp_path / "bad.csv", **columns), **options)
    assert says in str(caught.value)


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
    (tmp_path / "dog" / "1.png").write_bytes(b"no image")
    with pytest.raises(RayselError, match=r"dog.1\.png"):
        read(tmp_path)


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
