"""Lets glibc's allocator keep freed memory for as long as a caller needs it."""

from __future__ import annotations

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_KEEPING = {_MMAP_MAX: 0, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 1 << 26, _ARENA_MAX: 1}
"""One arena: what one thread frees, another one takes."""
_USUAL = {_MMAP_MAX: 1 << 16, _TRIM_THRESHOLD: 1 << 26, _TOP_PAD: 1 << 17, _ARENA_MAX: 0}
"""What a process arrives at by itself that has freed a large tensor once."""


def keep_memory() -> None:
    """Lets the allocator keep freed memory, where it is glibc's.

    By default it returns every large tensor to the system at once, and clearing the
    pages again takes longer than computing on them.
    """
    _set_allocator(_KEEPING)


@contextmanager
def kept_memory() -> Generator[None]:
    """`keep_memory` while the context lasts; then all free memory is returned."""
    keep_memory()
    try:
        yield
    finally:
        _set_allocator(_USUAL)
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
