"""Forward passes over many samples: the next batch is made while one is looked at, in what memory there is."""

import logging
from collections.abc import Callable
from contextlib import closing

import torch

from raysel.models.adapter import Batch
from raysel.models.ahead import ahead
from raysel.models.devices import out_of_memory

logger = logging.getLogger(__name__)


def passes(
    read: Callable[[slice], Batch],
    look: Callable[[Batch], tuple[torch.Tensor, ...]],
    *,
    samples: int,
    size: int,
    name: str,
) -> tuple[tuple[torch.Tensor, ...], int]:
    """What `look` sees of all samples, batch by batch; where one does not fit the memory, all from there are halved.

    Args:
        read: Makes a batch of some of the samples.
        look: Of a batch, without gradients: tensors with a row a sample.
        samples: How many there are, at least 1.
        size: How many to begin with at once, at least 1.
        name: Of the model, for the warning.

    Returns:
        Those tensors with a row for each of the samples, and how many may go through at once, as far as was seen.

    Raises:
        RuntimeError, MemoryError: If memory does not hold a single sample.

    >>> passes(lambda part: torch.arange(5)[part], lambda batch: (batch * 2,), samples=5, size=2, name="double")
    ((tensor([0, 2, 4, 6, 8]),), 2)
    """
    seen: list[tuple[torch.Tensor, ...]] = []
    done = 0
    while done < samples:
        parts = [slice(start, start + size) for start in range(done, samples, size)]
        try:
            with closing(ahead(read(part) for part in parts)) as made, torch.no_grad():
                for batch in made:
                    seen.append(look(batch))
                    done += size
            break
        except (RuntimeError, MemoryError) as error:
            failed = min(size, samples - done)
            if failed == 1 or not out_of_memory(error):
                raise
        # Out here, since the error holds on to what the pass had made.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        size = failed // 2
        logger.warning("%s runs out of memory with %d inputs at once: on with %d", name, failed, size)
    return tuple(torch.cat(found) for found in zip(*seen, strict=True)), size
