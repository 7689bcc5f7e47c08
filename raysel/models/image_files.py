"""Images that are decoded when they are looked at: a dataset of them need not fit into memory."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raysel.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What an image file's name ends in, in small letters."""
FRACTIONS = "its pixels are fractions, of which nobody knows the range: 8 or 16 bits are read"


class LazyImages(ABC):
    """Images of any size and mode, indexed as an array of them would be, and decoded batch by batch."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: slice | NDArray[Any]) -> "LazyImages": ...

    @property
    @abstractmethod
    def digest(self) -> str:
        """Sixty-four hexadecimal digits that change with the content of an image, wherever the images lie."""

    @abstractmethod
    def place(self, row: int) -> str:
        """What an error calls an image."""

    @abstractmethod
    def opened(self, row: int) -> "Image":
        """An image of Pillow; its pixels may still be undecoded.

        Raises:
            OSError, ValueError: If it is none.
        """

    def decoded(self, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
        """(n, channels, height, width): each turned upright, its middle cut to the shape, and resized.

        Args:
            size: (height, width) in pixels.
            channels: 3 for colours, 1 for grey.

        Raises:
            DataError: If an image cannot be decoded.
        """
        from PIL import Image, ImageOps

        height, width = size
        found = np.empty((len(self), channels, height, width), np.uint8)
        for row in range(len(self)):
            try:
                with self.opened(row) as image:
                    image.draft(None, (2 * width, 2 * height))  # a large JPEG is decoded at a part of its size
                    upright = _as_bytes(ImageOps.exif_transpose(image)).convert("RGB" if channels == 3 else "L")
                fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                rule = f"an image that can be decoded ({_first_line(error)})"
                raise DataError("image", self.place(row), rule) from error
            pixels = np.asarray(fitted)
            found[row] = pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]
        return found

    def broken(self) -> dict[int, str]:
        """Which are no images, by their place, as far as their heads tell; with the reason."""
        return {row: reason for row in range(len(self)) if (reason := self._problem(row))}

    def _problem(self, row: int) -> str | None:
        from PIL import Image

        try:
            with self.opened(row) as image:
                return None if image.mode != "F" else FRACTIONS
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return _first_line(error)


@dataclass(frozen=True, eq=False)
class ImageFiles(LazyImages):
    """Images by the paths of their files.

    Every node that trains must find the files under these paths, or below a folder of its own.

    Args:
        paths: (n,) paths, absolute ones without `below`.
        below: Says on the node that asks which folder they count from.

    >>> files = ImageFiles(np.array(["/data/a.png", "/data/b.png", "/data/c.png"]))
    >>> len(files[np.array([2, 0])]), str(files[1:].paths[0])
    (2, '/data/b.png')
    """

    paths: NDArray[Any]
    below: Callable[[], Path] | None = None

    def __post_init__(self) -> None:
        # As Python's own texts: an array of fixed width takes four times the bytes, and those of its longest text.
        object.__setattr__(self, "paths", np.asarray(self.paths, object))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: slice | NDArray[Any]) -> "ImageFiles":
        return ImageFiles(self.paths[index], self.below)

    def place(self, row: int) -> str:
        return str(self.paths[row] if self.below is None else self.below() / self.paths[row])

    def opened(self, row: int) -> "Image":
        from PIL import Image

        return Image.open(self.place(row))

    @cached_property
    def digest(self) -> str:
        whole = hashlib.sha256()
        for row in range(len(self)):
            digest = hashlib.sha256()
            with Path(self.place(row)).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            whole.update(digest.digest())
        return whole.hexdigest()


Inputs = NDArray[Any] | LazyImages
"""What models are given: uint8 images (n, channels, height, width), lazy ones, texts (n,) or pairs of texts (n, 2)."""


def _as_bytes(image: "Image") -> "Image":
    """The same with 8 bits a channel."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError(FRACTIONS)
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off at 255
        return Image.fromarray((np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8).astype(np.uint8))
    # A palette with transparency Pillow converts to RGB with a warning, and by way of this without.
    return image.convert("RGBA") if image.mode == "P" and "transparency" in image.info else image


def named(broken: Sequence[str]) -> str:
    """A few of what is broken, and how many there are.

    >>> named(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    return ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")


def _first_line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
