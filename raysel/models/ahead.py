"""The next batches are made while one trains."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], *, depth: int = 2) -> Generator[T, None, None]:
    """The same items in the same order, up to `depth` of them made in advance by a thread.

    An error in making an item is raised where the item was due.

    >>> list(ahead(n * n for n in range(4)))
    [0, 1, 4, 9]
    """
    end: Any = object()
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:  # one thread, so in order
        made = deque(thread.submit(next, source, end) for _ in range(depth))
        while (item := made.popleft().result()) is not end:
            made.append(thread.submit(next, source, end))
            yield item
