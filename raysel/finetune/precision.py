"""Mixed precision: what a forward pass computes in, and the scale that keeps float16's gradients from vanishing."""

from contextlib import AbstractContextManager, nullcontext

import torch

from raysel.finetune.recipe import Precision
from raysel.models.devices import fastest_type


class Arithmetic:
    """What a recipe's precision comes to on a device.

    Args:
        precision: As the recipe has it.
        device: Where the model is.

    >>> Arithmetic("auto", torch.device("cpu")).dtype, Arithmetic("bfloat16", torch.device("cpu")).dtype
    (torch.float32, torch.bfloat16)
    """

    def __init__(self, precision: Precision, device: torch.device) -> None:
        self.device = device
        self.dtype = fastest_type(device) if precision == "auto" else getattr(torch, precision)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)

    def __call__(self) -> AbstractContextManager[None]:
        """A context in which forward passes compute in it."""
        return nullcontext() if self.dtype is torch.float32 else torch.autocast(self.device.type, self.dtype)
