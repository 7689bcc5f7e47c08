"""Running out of memory: how it is recognised, and how a batch is begun again."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


def out_of_memory(error: RuntimeError) -> bool:
    """Whether a device's memory ran out.

    >>> out_of_memory(RuntimeError("CUDA error: out of memory")), out_of_memory(RuntimeError("shape mismatch"))
    (True, False)
    """
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


@dataclass(frozen=True)
class Before:
    """What a forward pass changes: the state of the random generators, and the module's buffers (batch statistics).

    Parameters are changed by the optimiser alone.
    """

    generators: tuple[Any, torch.Tensor, torch.Tensor | None]
    buffers: list[torch.Tensor]

    @classmethod
    def of(cls, module: nn.Module) -> "Before":
        """As it is now."""
        on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        return cls((random.getstate(), torch.get_rng_state(), on_gpu), [buffer.clone() for buffer in module.buffers()])

    def restore(self, module: nn.Module) -> None:
        """As it was then."""
        ours, on_cpu, on_gpu = self.generators
        random.setstate(ours)
        torch.set_rng_state(on_cpu)
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu)
            torch.cuda.empty_cache()
        for buffer, value in zip(module.buffers(), self.buffers, strict=True):
            buffer.copy_(value)
