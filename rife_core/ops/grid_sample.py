"""Bilinear and bicubic sampling as PyTorch does it, on every device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import at_least_float32, is_traced

_NO_BORDER_MODE = ("mps",)
_NO_BICUBIC = ("mps",)


def sample(
    input: Tensor,
    flow: Tensor,
    points: tuple[Tensor, Tensor] | None = None,
    mode: str = "bilinear",
) -> Tensor:
    """`warp` as PyTorch does it everywhere; see there. Shapes must fit."""
    batch, _, height, width = input.shape
    size = flow.shape[2:]
    input = at_least_float32(input)
    flow, dtype = flow.to(input.dtype), input.dtype
    x = torch.linspace(-1, 1, width, dtype=dtype, device=flow.device)
    y = torch.linspace(-1, 1, height, dtype=dtype, device=flow.device)
    if points:
        x, y = x[points[1]], y[points[0]]
    # A side of one pixel has no extent to normalise by; its samples clamp to that pixel.
    axes = ((x, flow[:, 0], max(width - 1, 1)), (y[:, None], flow[:, 1], max(height - 1, 1)))
    if is_traced():
        grid = torch.stack([torch.add(at, by, alpha=2 / extent) for at, by, extent in axes], 1)
    else:  # the same in one pass over memory
        grid = flow.new_empty(batch, 2, *size)
        for place, (at, by, extent) in zip(grid.unbind(1), axes, strict=True):
            torch.add(at, by, alpha=2 / extent, out=place)
    return grid_sample(input, grid.permute(0, 2, 3, 1), align_corners=True, mode=mode)


def grid_sample(input: Tensor, grid: Tensor, align_corners: bool, mode: str = "bilinear") -> Tensor:
    """`F.grid_sample`, "bilinear" or "bicubic"; beyond the border the border counts on.

    Where the grid is NaN, so is the result.
    """
    if mode == "bicubic" and input.device.type in _NO_BICUBIC:
        return grid_sample(input.cpu(), grid.cpu(), align_corners, mode).to(input.device)
    if input.device.type == "cpu" and not _is_finite(grid.detach()):
        lost = grid.detach().isnan().any(-1)[:, None]
        inside = grid.nan_to_num(0.0, 2.0, -2.0)
        result = F.grid_sample(input, inside, mode, "border", align_corners)
        return result.masked_fill(lost, math.nan)
    if input.device.type not in _NO_BORDER_MODE:
        return F.grid_sample(input, grid, mode, "border", align_corners)
    height, width = input.shape[-2:]
    ends = [1.0 if align_corners else 1 - 1 / length for length in (width, height)]
    axes = zip(grid.unbind(-1), ends, strict=True)
    inside = torch.stack([place.clamp(-end, end) for place, end in axes], -1)
    return F.grid_sample(input, inside, "bilinear", "zeros", align_corners)


def _is_finite(grid: Tensor) -> bool:
    """Whether a grid can be sampled; a graph that is recorded cannot ask, and trusts it.

    Where a coordinate is NaN, PyTorch's backward pass on a CPU reads outside of its memory, and
    its forward pass takes the first pixel. A sum finds it in one look.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return True
    return bool(grid.sum().isfinite())
