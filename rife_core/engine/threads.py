"""Threads that share the cores, one frame per thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Lock
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
        share = max(1, torch.get_num_threads() // count)
        started = Barrier(count)
        self._pool = ThreadPoolExecutor(count, "frames")

        def start(_: int) -> None:
            torch.get_num_threads()  # a thread takes the process's figure when it first asks
            torch.set_num_threads(share)
            started.wait()  # so that no thread starts twice

        with _figure_for_new_threads_kept():
            try:
                starting = self._pool.map(start, range(count))
            except RuntimeError:  # the system gives no more threads; those that wait are let go
                started.abort()
                self._pool.shutdown()
                raise
            list(starting)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The results, in order; without gradients."""
        return list(self._pool.map(torch.no_grad()(function), items))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()


_STARTING = Lock()


@contextmanager
def _figure_for_new_threads_kept() -> Generator[None]:
    """Each thread has its own number of cores; new ones take the last that was set in any."""
    with _STARTING, ThreadPoolExecutor(1) as fresh:
        figure = fresh.submit(torch.get_num_threads).result()
        try:
            yield
        finally:
            fresh.submit(torch.set_num_threads, figure).result()
