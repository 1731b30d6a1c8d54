"""Work recorded to be run again as it was, and what may be done meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_WARM_UPS = 3
"""Runs before recording, in which libraries choose and load what they need."""


def record(
    work: Callable[[], T], pool: Any, errors: str = "global"
) -> tuple[torch.cuda.CUDAGraph, T]:
    """Work as a CUDA graph, and its result, into whose memory each replay writes.

    Args:
        work: reads and writes the same memory in every run; it is run a few times first.
        pool: of memory; see `torch.cuda.graph`.
        errors: "thread_local" where another thread may use the device meanwhile.
    """
    here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        for _ in range(_WARM_UPS):
            work()
    here.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode=errors):
        return graph, work()


def is_recording() -> bool:
    """Whether a compiler, a trace or a CUDA graph takes what runs now: no value can be seen."""
    if torch.compiler.is_compiling():
        return True
    capturing = torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
    return capturing or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def constants(values: Sequence[float], like: Tensor) -> Tensor:
    """A few numbers as a tensor of one axis, of the type and on the device of `like`.

    Each is filled in there. `torch.tensor` copies them from the processor's memory, for which
    a device is waited for, and which no CUDA graph takes.

    Example:
        >>> constants((0.25, 0.75), torch.zeros(1)).tolist()
        [0.25, 0.75]
    """
    return torch.stack([like.new_full((), value) for value in values])
