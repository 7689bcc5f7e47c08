"""Batches made while others train."""

import threading
from collections.abc import Iterator

import pytest

from raysel.models.ahead import ahead


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_the_same_items_in_the_same_order(count: int) -> None:
    assert list(ahead(iter(range(count)))) == list(range(count))


def test_items_are_made_in_advance_but_not_many() -> None:
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    going = ahead(items(), depth=2)
    assert next(going) == 0
    assert third.wait(10)  # while 0 is in use
    assert len(made) == 3
    going.close()
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())


def test_an_error_comes_where_its_item_was_due() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    going = ahead(items())
    assert next(going) == 1
    with pytest.raises(KeyError, match="two"):
        next(going)
