"""Which form of an operation runs here: by device, number format, and whether it is recorded."""

from __future__ import annotations

import torch
from torch import Tensor


def is_traced() -> bool:
    """Whether operations are recorded, for gradients or a compiler: then none may write in place.

    Exporting turns gradients on and counts as well.
    """
    return torch.is_grad_enabled() or torch.compiler.is_compiling()


def uses_cpu_bf16_ops(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a CPU computes in bfloat16, untraced: there PyTorch's own ways are not the fastest.

    Example:
        >>> with torch.no_grad():
        ...     uses_cpu_bf16_ops(torch.device("cpu"), torch.bfloat16)
        True
    """
    return device.type == "cpu" and dtype is torch.bfloat16 and not is_traced()


OUT_OF_MEMORY = torch.OutOfMemoryError


def at_least_float32(
    x: Tensor, memory_format: torch.memory_format = torch.preserve_format
) -> Tensor:
    """Half precision widened to float32; wider types as they are."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    return x.to(dtype, memory_format=memory_format)
