"""From the pixels of a dataset to what a model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from raysel.errors import OptionError
from raysel.models.image_files import Inputs, LazyImages


@dataclass(frozen=True)
class ImageTransform:
    """Resize to the model's own input size and normalise by its own mean and deviation.

    Args:
        size: (height, width) that the model takes, in pixels.
        mean: One a channel, of pixels in [0, 1].
        std: One a channel, positive.

    >>> transform = ImageTransform((16, 16), (0.5,) * 3, (0.5,) * 3)
    >>> batch = transform(np.full((2, 3, 8, 8), 255, np.uint8))
    >>> batch.shape, float(batch.max())
    (torch.Size([2, 3, 16, 16]), 1.0)
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, size: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> "ImageTransform":
        """The same from the lists that a JSON file holds."""
        height, width = size
        return cls((height, width), tuple(mean), tuple(std))

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        """(n, channels, height, width) of uint8, or (n,) lazy ones, to (n, channels, *size) of float32.

        Lazy images keep the proportions of what they show: their middle is cut out.

        Raises:
            OptionError: If the inputs are no such images.
            DataError: If one cannot be decoded.
        """
        if isinstance(inputs, LazyImages):
            inputs = inputs.decoded(self.size, len(self.mean))
        if inputs.ndim != 4 or inputs.dtype != np.uint8:
            found = f"{inputs.dtype} of shape {inputs.shape}"
            raise OptionError("inputs", found, "uint8 images of shape (n, channels, height, width)")
        images = torch.from_numpy(inputs).float() / 255
        if tuple(images.shape[2:]) != self.size:
            images = functional.interpolate(images, self.size, mode="bilinear", antialias=True, align_corners=False)
        return (images - torch.tensor(self.mean).view(-1, 1, 1)) / torch.tensor(self.std).view(-1, 1, 1)
