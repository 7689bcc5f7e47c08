"""Images that somebody's dataset makes one by one, whatever their sizes."""

import hashlib
import io
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raysel.models.image_files import FRACTIONS, LazyImages

if TYPE_CHECKING:
    from PIL.Image import Image


class Opener:
    """A dataset that each process opens for itself when it first needs it; pickled closed.

    Args:
        open_it: Opens it; picklable (Ray ships it).
        what: Under what each item has its image.
        name: What an error calls it.
    """

    def __init__(self, open_it: Callable[[], Any], what: Hashable, name: str) -> None:
        self._open, self._what, self.name = open_it, what, name

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "items"}

    @cached_property
    def items(self) -> Any:
        """What is opened."""
        return self._open()

    def value(self, row: int) -> Any:
        """What one item has for an image."""
        return self.items[row][self._what]


@dataclass(frozen=True, eq=False)
class DatasetImages(LazyImages):
    """Images of a dataset, made anew each time that they are looked at.

    Args:
        opener: The dataset.
        rows: (n,) which of its items.
    """

    opener: Opener
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | NDArray[Any]) -> "DatasetImages":
        return DatasetImages(self.opener, self.rows[index])

    def place(self, row: int) -> str:
        return f"{self.opener.name}[{self.rows[row]}]"

    def opened(self, row: int) -> "Image":
        return picture(self.opener.value(int(self.rows[row])))

    @cached_property
    def digest(self) -> str:
        # Of pixels and not of files: what makes an image need not have one.
        whole = hashlib.sha256()
        for row in range(len(self)):
            with self.opened(row) as image:
                whole.update(f"{image.mode}{image.size}".encode() + hashlib.sha256(image.tobytes()).digest())
        return whole.hexdigest()


def picture(value: Any) -> "Image":
    """An image as Pillow has it.

    Args:
        value: One of Pillow's already; an array or a tensor of uint8, or of fractions from 0 to 1, that is (height,
            width), or has 1 or 3 channels first, or 1, 3 or 4 last; or a mapping with the `bytes` or the `path` of a
            file.

    Raises:
        OSError, ValueError: If it is none of these.

    >>> picture(np.zeros((3, 4, 5), np.uint8)).size, picture(np.full((4, 5), 0.5)).getpixel((0, 0))
    ((5, 4), 128)
    """
    from PIL import Image

    if isinstance(value, Image.Image):
        if value.mode == "F":
            raise ValueError(FRACTIONS)
        return value
    if isinstance(value, dict):
        if value.get("bytes") is not None:
            return Image.open(io.BytesIO(value["bytes"]))
        if value.get("path"):
            return Image.open(value["path"])
        raise ValueError("there is nothing in it")
    pixels = np.asarray(value)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)) or not pixels.size:
        raise ValueError(f"its shape is {np.shape(value)}")
    if np.issubdtype(pixels.dtype, np.floating):
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError("fractions outside 0 to 1: models normalise for themselves")
        pixels = np.round(pixels * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ValueError(f"it is of {pixels.dtype}, not of uint8")
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))
