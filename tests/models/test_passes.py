"""Forward passes in what memory there is."""

import pytest
import torch

from raysel.models.passes import passes

SAMPLES = 11


@pytest.mark.parametrize(
    ("room", "size", "given", "left"),
    [
        (99, 4, [4, 4, 3], 4),
        (99, 50, [11], 50),  # nothing is known of fewer
        (3, 4, [4, 2, 2, 2, 2, 2, 1], 2),
        (2, 50, [11, 5, 2, 2, 2, 2, 2, 1], 2),
        (1, 2, [2, *[1] * SAMPLES], 1),
    ],
)
def test_every_sample_is_looked_at_once_in_order(room: int, size: int, given: list[int], left: int) -> None:
    looked: list[int] = []

    def look(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        looked.append(len(batch))
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA")
        return batch, -batch

    numbers = torch.arange(SAMPLES)
    (first, second), found = passes(lambda part: numbers[part], look, samples=SAMPLES, size=size, name="a")
    assert torch.equal(first, numbers)
    assert torch.equal(second, -numbers)
    assert looked == given
    assert found == left


def test_a_smaller_last_batch_is_halved_by_what_it_holds() -> None:
    looked: list[int] = []

    def look(batch: torch.Tensor) -> tuple[torch.Tensor]:
        looked.append(len(batch))
        if looked == [8, 3]:  # memory that somebody else took meanwhile
            raise MemoryError
        return (batch,)

    passes(lambda part: torch.arange(SAMPLES)[part], look, samples=SAMPLES, size=8, name="a")
    assert looked == [8, 3, 1, 1, 1]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), RuntimeError("shapes")])
def test_what_halving_does_not_help(error: Exception) -> None:
    def look(batch: torch.Tensor) -> tuple[torch.Tensor]:
        raise error

    with pytest.raises(RuntimeError) as raised:
        passes(lambda part: torch.zeros(1)[part], look, samples=1, size=8, name="a")
    assert raised.value is error
