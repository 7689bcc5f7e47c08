"""What a model sees of an image."""

import numpy as np
import pytest
import torch

from raysel.errors import OptionError
from raysel.models import ImageTransform


def test_pixels_are_normalised_channel_by_channel() -> None:
    transform = ImageTransform((2, 2), (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    black, white = np.zeros((1, 3, 2, 2), np.uint8), np.full((1, 3, 2, 2), 255, np.uint8)
    assert transform(black)[0, :, 0, 0].tolist() == [0.0, -1.0, -4.0]
    assert transform(white)[0, :, 0, 0].tolist() == [1.0, 1.0, 0.0]


def test_resizing_keeps_what_is_where() -> None:
    image = np.zeros((1, 3, 4, 4), np.uint8)
    image[..., :2] = 200
    seen = ImageTransform((8, 6), (0.0,) * 3, (1.0,) * 3)(image)
    assert seen.shape == (1, 3, 8, 6)
    assert torch.allclose(seen[..., 0], torch.tensor(200 / 255))
    assert torch.all(seen[..., -1] == 0)


@pytest.mark.parametrize(
    "inputs",
    [np.zeros((2, 3, 4, 4)), np.zeros((3, 4, 4), np.uint8), np.zeros((2, 3, 4, 4), np.int64), np.array(["text"])],
)
def test_inputs_that_are_no_images(inputs: np.ndarray) -> None:
    with pytest.raises(OptionError, match="inputs"):
        ImageTransform((4, 4), (0.5,) * 3, (0.5,) * 3)(inputs)
