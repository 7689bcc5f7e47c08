"""Running out of memory: how a batch is begun again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Before:
    """What a forward pass changes: the state of the random generators, and a module's buffers (batch statistics).

    Parameters are changed by the optimiser alone.
    """

    generators: tuple[Any, torch.Tensor, torch.Tensor | None]
    buffers: Sequence[torch.Tensor]
    values: Sequence[torch.Tensor]

    @classmethod
    def of(cls, buffers: Sequence[torch.Tensor], device: torch.device) -> "Before":
        """As they are now, on that device."""
        on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls((random.getstate(), torch.get_rng_state(), on_gpu), buffers, [buffer.clone() for buffer in buffers])

    def restore(self) -> None:
        """As they were then."""
        ours, on_cpu, on_gpu = self.generators
        random.setstate(ours)
        torch.set_rng_state(on_cpu)
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu)
            torch.cuda.empty_cache()
        for buffer, value in zip(self.buffers, self.values, strict=True):
            buffer.copy_(value)
