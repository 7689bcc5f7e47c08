"""Images that datasets make one by one."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from raysel.errors import RayselError
from raysel.finetune import Data, read
from raysel.finetune.dataset_images import DatasetImages, picture
from raysel.models.images import ImageTransform

OPENED: list[int] = []
TRANSFORM = ImageTransform((4, 4), (0.5,) * 3, (0.5,) * 3)


class Photos:
    """As a torch dataset: images of many sizes, made when they are asked for."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if index >= len(self):
            raise IndexError
        return Image.new("RGB", (5 + index, 8), (10 * index, 0, 0)), index % 2


def ours() -> Any:
    """What `read` takes."""
    OPENED.append(1)
    return Photos()


def drawn() -> Any:
    """Two splits that are there, and one that is to be drawn."""
    return Photos(), None, Photos()


def test_images_of_any_size_become_a_batch() -> None:
    data = read(ours)
    assert isinstance(data.train.inputs, DatasetImages)
    rows = data.train.inputs.rows
    batch = TRANSFORM(data.train.inputs[np.array([3, 0])])
    assert batch.shape == (2, 3, 4, 4)
    assert torch.allclose(batch[:, 0, 0, 0] * 0.5 + 0.5, torch.tensor([rows[3], rows[0]]) * 10 / 255)
    assert data.train.labels[3] == rows[3] % 2


def test_they_travel_closed_and_are_opened_once() -> None:
    data = read(ours)
    shipped: Data = pickle.loads(pickle.dumps(data))  # noqa: S301  (as Ray ships it)
    OPENED.clear()
    assert shipped.fingerprint == data.fingerprint
    TRANSFORM(shipped.train.inputs[:2])
    assert len(OPENED) == 1  # for all splits, the fingerprint included
    assert len(pickle.dumps(data)) < 10_000


def test_a_split_may_be_left_to_be_drawn() -> None:
    data = read(drawn)
    assert (len(data.train), len(data.val), len(data.test)) == (17, 3, 20)


@pytest.mark.parametrize(
    ("value", "corner", "size"),
    [
        (np.full((3, 4, 5), 7, np.uint8), (7, 7, 7), (5, 4)),
        (np.full((4, 5, 3), 7, np.uint8), (7, 7, 7), (5, 4)),
        (np.full((1, 4, 5), 7, np.uint8), 7, (5, 4)),
        (np.full((4, 5, 1), 7, np.uint8), 7, (5, 4)),
        (np.full((4, 5), 7, np.uint8), 7, (5, 4)),
        (np.full((4, 5, 4), 7, np.uint8), (7, 7, 7, 7), (5, 4)),
        (torch.full((3, 4, 5), 0.2), (51, 51, 51), (5, 4)),
        (Image.new("L", (5, 4), 7), 7, (5, 4)),
    ],
)
def test_what_an_image_may_be(value: Any, corner: Any, size: tuple[int, int]) -> None:
    found = picture(value)
    assert (found.getpixel((0, 0)), found.size) == (corner, size)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.full((3, 4, 5), 1.5), "fractions outside 0 to 1"),
        (np.full((3, 4, 5), np.nan), "fractions outside 0 to 1"),
        (np.zeros((3, 4, 5), np.int64), "of int64"),
        (np.zeros((2, 4, 5), np.uint8), r"shape is \(2, 4, 5\)"),
        (np.zeros((3, 0, 5), np.uint8), "shape is"),
        (3, "shape is"),
        (Image.new("F", (5, 4)), "fractions"),
        ({"bytes": None, "path": None}, "nothing in it"),
    ],
)
def test_what_an_image_may_not_be(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        picture(value)


def _items(*items: Any) -> Any:
    def given() -> Any:
        return list(items)

    return given


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([(np.zeros((3, 4, 5), np.uint8), 0), (np.full((3, 4, 5), -1.0), 1)], "train, row 1: column `input`"),
        (
            [("a", 0), (np.zeros((3, 4, 5), np.uint8), 1)],
            "row 1: column `input` is 'ndarray', but must be an image, a text or a pair of texts (those before",
        ),
        ([(np.zeros((3, 4, 5), np.uint8), 1), ("a", 0)], "row 1: column `input` is 'str'"),
        ([("a", 0), (("a", "b"), 1)], "are of another kind"),
        ([("a", 0), ("", 1)], "(it is empty)"),
        ([(("a", " "), 0)], "row 0: column `input`"),
        ([("a", 0), "b"], "row 1: column `item` is 'str'"),
        ([], "a train set that is empty"),
        ([("a", i % 2) if i < 19 else ("a", None) for i in range(20)], "row 19: column `label` is None"),
    ],
)
def test_bad_items_are_named(items: list[Any], says: str) -> None:
    with pytest.raises(RayselError) as caught:
        read(_items(*items))
    assert says in str(caught.value)


def test_a_function_without_a_name_needs_one() -> None:
    with pytest.raises(RayselError, match="name"):
        read(lambda: Photos())
    assert read(lambda: Photos(), name="ours").name == "ours"


def _saved(folder: Path, images: list[Any]) -> Path:
    import datasets

    datasets.disable_progress_bars()
    label = datasets.ClassLabel(names=["pos", "neg"])
    made = datasets.Dataset.from_dict(
        {"image": images, "label": [i % 2 for i in range(20)]},
        features=datasets.Features({"image": datasets.Image(), "label": label}),
    )
    made.save_to_disk(folder)
    return folder


def test_saved_images_are_read_where_they_lie(tmp_path: Path) -> None:
    images = [Photos()[i][0] for i in range(20)]
    data = read(_saved(tmp_path / "pets", images))
    assert (data.name, data.class_names, data.modality) == ("pets", ("neg", "pos"), "images")
    assert isinstance(data.val.inputs, DatasetImages)
    assert [("pos", "neg")[row % 2] for row in data.val.inputs.rows] == [data.class_names[i] for i in data.val.labels]
    expected = TRANSFORM(read(ours).train.inputs[:3])
    assert torch.equal(TRANSFORM(data.train.inputs[:3]), expected)  # the same seed draws the same samples
    assert data.fingerprint == pickle.loads(pickle.dumps(data)).fingerprint  # noqa: S301


def test_a_saved_image_that_is_broken_is_named(tmp_path: Path) -> None:
    cells = [{"bytes": b"no image", "path": None}] * 20
    with pytest.raises(RayselError, match=r"pets/train, row 1: column `image` is 'pets/train\[0\]'"):
        read(_saved(tmp_path / "pets", cells))


def test_saved_texts_in_splits(tmp_path: Path) -> None:
    import datasets

    texts = datasets.Dataset.from_dict(
        {"text": [f"t{i}" for i in range(20)], "label": [f"c{i % 2}" for i in range(20)]}
    )
    parts = {"train": texts, "unsupervised": texts.select(range(3)), "test": texts.select(range(4))}
    datasets.disable_progress_bars()
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "d")
    data = read(tmp_path / "d")
    assert (len(data.train), len(data.val), len(data.test), data.class_names) == (17, 3, 4, ("c0", "c1"))
