"""What makes a CPU fast: ways of our own, memory that is kept at hand, and frames side by side."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Barrier
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_KEEPING = {_MMAP_MAX: 0, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 1 << 26, _ARENA_MAX: 1}
"""One arena: what one thread frees, another one takes."""
_USUAL = {_MMAP_MAX: 1 << 16, _TRIM_THRESHOLD: 1 << 26, _TOP_PAD: 1 << 17, _ARENA_MAX: 0}
"""What a process arrives at by itself that has freed a large tensor once."""


def is_traced() -> bool:
    """Whether operations are recorded, for gradients or a compiler: then none may write in place.

    Exporting turns gradients on and counts as well.
    """
    return torch.is_grad_enabled() or torch.compiler.is_compiling()


def is_short(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a CPU computes in bfloat16, untraced: there PyTorch's own ways are not the fastest.

    Example:
        >>> with torch.no_grad():
        ...     is_short(torch.device("cpu"), torch.bfloat16)
        True
    """
    return device.type == "cpu" and dtype is torch.bfloat16 and not is_traced()


def convolve_onto(
    before: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: tuple[int, int],
    groups: int = 1,
) -> Tensor:
    """`before + F.conv2d(x, weight, bias, 1, padding)`, in one pass over memory by oneDNN.

    Shape:
        before: B C' H W, x: B C H W -> B C' H W
    """
    if not torch.backends.mkldnn.is_available():
        return before + F.conv2d(x, weight, bias, 1, padding, 1, groups)
    run: Any = torch.ops.mkldnn._convolution_pointwise.binary
    sides = (padding, (1, 1), (1, 1), groups)
    return run(x, before, weight, bias, *sides, "add", None, None, [], None)


def keep_memory() -> None:
    """Lets the allocator keep what it was given, where it is glibc's.

    By default it returns every large tensor to the system at once, and clearing the
    pages again takes longer than computing on them.
    """
    _set_allocator(_KEEPING)


@contextmanager
def kept_memory() -> Generator[None]:
    """`keep_memory` for as long as the context lasts; then all that is free is returned."""
    keep_memory()
    try:
        yield
    finally:
        _set_allocator(_USUAL)
        return_memory()


def return_memory() -> None:
    """Returns all memory that is free to the system, where the allocator is glibc's."""
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


class SideBySide:
    """Threads that share out the cores PyTorch may use, each for a frame of its own.

    Several frames on a core each are done sooner than one after the other on all cores:
    the small layers of a network do not fill them.

    Args:
        count: of threads.
    """

    def __init__(self, count: int) -> None:
        cores = torch.get_num_threads()
        started = Barrier(count + 1)

        def start(_: int) -> None:
            torch.get_num_threads()  # a thread takes the process's figure when it first asks
            torch.set_num_threads(max(1, cores // count))
            started.wait()

        self._pool = ThreadPoolExecutor(count, "frames")
        starting = self._pool.map(start, range(count))
        started.wait()
        list(starting)
        torch.set_num_threads(cores)  # PyTorch also took the last figure for threads to come

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results, in order; without gradients."""
        return list(self._pool.map(torch.no_grad()(function), items))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()
