"""Lets glibc's allocator keep freed memory for as long as anybody needs it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from ..ops.shared import shared


class _Option(NamedTuple):
    """An option of `mallopt`: what it is while memory is kept, and what it is else.

    No call tells what an option is. It is what the environment says, or `usual`: what a process
    arrives at by itself that has freed a large tensor once.
    """

    number: int
    keeping: int | None
    usual: int
    variable: str

    @property
    def before(self) -> int:
        try:
            return int(os.environ[self.variable])
        except (KeyError, ValueError):
            return self.usual


_OPTIONS = (
    _Option(-4, 0, 1 << 16, "MALLOC_MMAP_MAX_"),
    _Option(-1, (1 << 31) - 1, 1 << 26, "MALLOC_TRIM_THRESHOLD_"),
    _Option(-2, 1 << 26, 1 << 17, "MALLOC_TOP_PAD_"),
    _Option(-3, None, 1 << 25, "MALLOC_MMAP_THRESHOLD_"),  # grows no more once an option was set
    _Option(-8, 1, 0, "MALLOC_ARENA_MAX"),  # one arena: what one thread frees, another one takes
)


@shared
@contextmanager
def kept_memory() -> Generator[None]:
    """Lets the allocator keep freed memory until the last user leaves; then returns all of it.

    By default glibc returns every large tensor to the system at once, and clearing the pages
    again takes longer than computing on them. Other allocators are left alone.
    """
    _set_allocator({each.number: each.keeping for each in _OPTIONS if each.keeping is not None})
    try:
        yield
    finally:
        _set_allocator({each.number: each.before for each in _OPTIONS})
        return_memory()


def return_memory() -> None:
    """Returns all free memory to the system, where the allocator is glibc's."""
    if library := _glibc():
        library.malloc_trim(0)


def _set_allocator(options: dict[int, int]) -> None:
    if library := _glibc():
        for option, value in options.items():
            library.mallopt(option, value)


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (AttributeError, OSError, TypeError):
        return None
