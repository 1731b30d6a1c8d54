"""Threads that share the cores, one frame per thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class FramePool:
    """Threads that share the cores PyTorch may use, one frame per thread.

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
        try:
            starting = self._pool.map(start, range(count))
        except RuntimeError:  # the system gives no more threads; those that wait are let go
            started.abort()
            self._pool.shutdown()
            raise
        started.wait()
        list(starting)
        torch.set_num_threads(cores)  # PyTorch also took the last figure for threads to come

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results, in order; without gradients."""
        return list(self._pool.map(torch.no_grad()(function), items))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()
