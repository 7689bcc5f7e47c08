"""Images on a disk, which are decoded when they are looked at: a folder of them need not fit into memory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raysel.errors import DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""What an image file's name ends in, in small letters."""


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images by the paths of their files, indexed as an array of them would be.

    Every node that trains must find the files under these paths.

    Args:
        paths: (n,) absolute paths.

    >>> files = ImageFiles(np.array(["/data/a.png", "/data/b.png", "/data/c.png"]))
    >>> len(files[np.array([2, 0])]), str(files[1:].paths[0])
    (2, '/data/b.png')
    """

    paths: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: slice | NDArray[Any]) -> "ImageFiles":
        return ImageFiles(self.paths[index])

    @cached_property
    def digest(self) -> str:
        """Sixty-four hexadecimal digits that change with the content of a file, wherever the files lie."""
        whole = hashlib.sha256()
        for path in self.paths:
            digest = hashlib.sha256()
            with Path(str(path)).open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            whole.update(digest.digest())
        return whole.hexdigest()

    def check(self) -> None:
        """Read the head of every file.

        Raises:
            DataError: If one is no image.
        """
        from PIL import Image

        try:
            for path in self.paths:
                Image.open(str(path)).close()
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError("image", str(path), f"an image file ({_first_line(error)})") from error

    def decoded(self, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
        """(n, channels, height, width): each turned upright, its middle cut to the shape, and resized.

        Args:
            size: (height, width) in pixels.
            channels: 3 for colours, 1 for grey.

        Raises:
            DataError: If a file cannot be decoded.
        """
        from PIL import Image, ImageOps

        height, width = size
        found = np.empty((len(self), channels, height, width), np.uint8)
        for row, path in enumerate(self.paths):
            try:
                with Image.open(str(path)) as image:
                    image.draft(None, (2 * width, 2 * height))  # a large JPEG is decoded at a part of its size
                    upright = ImageOps.exif_transpose(image).convert("RGB" if channels == 3 else "L")
                fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                raise DataError("image", str(path), f"an image that can be decoded ({_first_line(error)})") from error
            pixels = np.asarray(fitted)
            found[row] = pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]
        return found


Inputs = NDArray[Any] | ImageFiles
"""What models are given: uint8 images (n, channels, height, width), files, texts (n,) or pairs of texts (n, 2)."""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
