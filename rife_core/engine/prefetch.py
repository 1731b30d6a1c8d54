"""Computes items in a background thread while earlier ones are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], depth: int = 2) -> Generator[T]:
    """Yields `items` in order and computes up to `depth` of them in advance.

    What making an item raises is raised where the item is asked for. Closing the
    iterator (`contextlib.closing`, or an exception around it) waits for the item
    that is being made; no thread is left behind, and `items` is closed too.

    Args:
        items: anything to iterate over; it is used from one other thread only.
        depth: how many items may wait, 1 or more. They are what memory it takes.

    Example:
        >>> list(prefetch(iter("abc")))
        ['a', 'b', 'c']
    """
    source, end = iter(items), object()
    try:
        with ThreadPoolExecutor(1, "ahead") as pool:
            coming = deque(pool.submit(next, source, end) for _ in range(depth))
            try:
                while (item := coming.popleft().result()) is not end:
                    coming.append(pool.submit(next, source, end))
                    yield item  # pyright: ignore[reportReturnType]
            finally:
                for future in coming:
                    future.cancel()
    finally:
        close = getattr(source, "close", None)
        if close:
            close()
