"""Backward warping: every output pixel is fetched from where its flow points."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .grid_sample import sample


def warp(
    input: Tensor,
    flow: Tensor,
    points: tuple[Tensor, Tensor] | None = None,
    mode: Literal["bilinear", "bicubic"] = "bilinear",
) -> Tensor:
    """Samples `input` at `position + flow`; beyond the border the border counts on.

    Runs in float32 whatever comes in: half precision cannot hold the position of
    a pixel beyond column 2048.

    Shape:
        input: B C H W, any range
        flow: B 2 H W, in pixels, dx then dy
        points: the rows (H') and columns (W') to compute; then flow is B 2 H' W'
        mode: "bicubic" reads 4 x 4 pixels in place of 2 x 2: sharper, and up to a fifth
            beyond the range of the input beside steep edges
        returns: B C H W or B C H' W', float32 (float64 where the input is)

    Raises:
        ValueError: the two shapes do not fit each other.

    Example:
        >>> image = torch.arange(4.0).reshape(1, 1, 1, 4)
        >>> one_right = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 4)
        >>> warp(image, one_right).flatten().tolist()
        [1.0, 2.0, 3.0, 3.0]
    """
    _check("input", input)
    _check("flow", flow)
    if input.device != flow.device:
        raise ValueError(
            f"warp: the input is on {input.device}, the flow on {flow.device}; move them together."
        )
    if str(mode) not in ("bilinear", "bicubic"):
        raise ValueError(f"warp: mode is {str(mode)[:60]!r}; it must be bilinear or bicubic.")
    batch, _, height, width = input.shape
    size = (len(points[0]), len(points[1])) if points else (height, width)
    if flow.shape != (batch, 2, *size):
        raise ValueError(
            f"warp: the flow has shape {tuple(flow.shape)}, but the input {tuple(input.shape)} "
            f"needs a flow of shape {(batch, 2, *size)}."
        )
    if mode == "bilinear" and input.is_cuda and not torch.is_grad_enabled():
        from .triton_kernels import warp as warp_at_once  # Triton is loaded only where it can run

        return warp_at_once(input, flow, points)
    return sample(input, flow, points, mode)


def _check(name: str, x: object) -> None:
    if not isinstance(x, Tensor):
        raise ValueError(f"warp: {name} is a {type(x).__name__}; it must be a tensor B C H W.")
    if x.ndim != 4 or x.layout is not torch.strided or not x.is_floating_point():
        raise ValueError(
            f"warp: {name} is {x.dtype}, {x.layout}, of shape {tuple(x.shape)}; it must be dense, "
            "floating point, B C H W."
        )


def warp_both(
    img0: Tensor, img1: Tensor, flow: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Warps two images, and on a device that does it in the same pass blends them.

    Shape:
        img0, img1: B C H W; flow: B 4 H W in pixels, for img0 then for img1;
        mask: B 1 H W, logits, high takes img0
        returns: both warped, B C H W each, and their blend or None
    """
    if img0.is_cuda and not torch.is_grad_enabled():
        from .triton_kernels import blend  # Triton is loaded only where it can run

        return blend(img0, img1, flow, mask)
    return warp(img0, flow[:, :2]), warp(img1, flow[:, 2:]), None
