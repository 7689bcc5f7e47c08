"""Several workers that train one model together: each takes its share of every batch."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Workers:
    """Which of how many workers this process is; torch's process group is up where there are several.

    Args:
        rank: From 0.
        size: How many.

    >>> Workers(rank=1, size=2).share(np.arange(5))
    array([3, 4])
    """

    rank: int = 0
    size: int = 1

    def share(self, samples: NDArray[np.int_]) -> NDArray[np.int_]:
        """Of the samples of a batch, those of this worker."""
        return np.array_split(samples, self.size)[self.rank]

    def together(self, module: nn.Module) -> nn.Module:
        """The module, with gradients that are the mean over the workers."""
        if self.size == 1:
            return module
        # Some models have parameters that no output depends on.
        return DistributedDataParallel(module, find_unused_parameters=True)

    def apart(self, module: nn.Module) -> AbstractContextManager[None]:
        """A context in which gradients stay each worker's own, and add up."""
        return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()

    def total(self, numbers: torch.Tensor) -> torch.Tensor:
        """The sum over the workers."""
        if self.size > 1:
            distributed.all_reduce(numbers)
        return numbers
