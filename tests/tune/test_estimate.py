"""What a selection may be expected to spend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysel.tune.estimate import estimate, storage_bytes


def test_nothing_is_said_without_a_time() -> None:
    assert estimate(["a", "b"], {"c": 1.0}, epochs=5, first=0.2) is None


def test_ten_models_of_a_minute_an_epoch() -> None:
    found = estimate([f"m{i}" for i in range(10)], {f"m{i}": 60.0 for i in range(10)}, epochs=5, first=0.2)
    assert found is not None
    # 10 epochs and 4 more; 10 + 5 + 2 + 1 + 1; 50
    assert (found.least, found.likely, found.most) == (14 * 60, 19 * 60, 50 * 60)


@given(
    seconds=st.lists(st.floats(0.1, 1e4), min_size=1, max_size=12), unknown=st.integers(0, 5), epochs=st.integers(1, 9)
)
def test_the_likely_lies_between(seconds: list[float], unknown: int, epochs: int) -> None:
    names = [f"m{i}" for i in range(len(seconds) + unknown)]
    found = estimate(names, dict(zip(names, seconds, strict=False)), epochs=epochs, first=1 / epochs)
    assert found is not None
    assert found.measured == len(seconds)
    assert 0 < found.least * (1 - 1e-9) <= found.likely <= found.most


@pytest.mark.parametrize(
    ("parameters", "options", "expected"),
    [
        ([10, 20], {"running": None}, 12 * 60 + 4 * 30),
        ([10, 20], {"running": 1}, 12 * 50 + 4 * 30),
        ([10, 20, 5], {"running": 1, "top_k": 1}, 12 * 40 + 4 * 20),
    ],
)
def test_storage(parameters: list[int], options: dict, expected: int) -> None:
    assert storage_bytes(parameters, **options) == expected
