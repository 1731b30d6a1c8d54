"""What may be done while work is recorded, to be run again as it was."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


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
