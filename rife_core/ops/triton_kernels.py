"""Triton kernels: all channels of a frame warped at once; both sides warped and blended at once.

On a GPU these networks wait for memory. PyTorch's sampling writes a grid of positions
before it reads a pixel, and widens channels of half precision first. Here positions stay in
registers, channels are read as they lie, and blending takes no pass of its own.

A kernel is compared with PyTorch's way on the first input of each kind that it meets.
"""

# Triton reads the annotations of kernels itself, and knows no other than its own; 3.0 knows
# no strings either, which `from __future__ import annotations` would make of them.
# pyright: reportMissingParameterType=false, reportUnknownParameterType=false
# pyright: reportInvalidTypeForm=false

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import torch
from torch import Tensor

from .dispatch import FastForm
from .grid_sample import sample

_FORMATS = (torch.float32, torch.float16, torch.bfloat16)
_BLOCK = 256
_triton: Any = import_module("triton") if find_spec("triton") else None
tl: Any = import_module("triton.language") if _triton else None
constexpr: Any = tl.constexpr if _triton else int
"""By this name, for the interpreter of Triton 3.9 reads annotations as text."""

Points: TypeAlias = tuple[Tensor, Tensor] | None
Blended: TypeAlias = tuple[Tensor, Tensor, Tensor]


def _jit(function: Callable[..., Any]) -> Any:
    return _triton.jit(function) if _triton else function


def warp(input: Tensor, flow: Tensor, points: Points = None) -> Tensor:
    """See `warp.warp`, of which this is the one for devices; without gradients."""
    return _warp(input, flow, points)


def blend(img0: Tensor, img1: Tensor, flow: Tensor, mask: Tensor) -> Blended:
    """Both sides warped, and mixed by the mask.

    Shape:
        img0, img1: B C H W; flow: B 4 H W in pixels; mask: B 1 H W, logits
        returns: warped_img0, warped_img1 and the blend, B C H W each, float32
    """
    return _blend(img0, img1, flow, mask)


def _blend_by_pytorch(img0: Tensor, img1: Tensor, flow: Tensor, mask: Tensor) -> Blended:
    warped0, warped1 = sample(img0, flow[:, :2]), sample(img1, flow[:, 2:4])
    return warped0, warped1, torch.lerp(warped1, warped0, torch.sigmoid(mask))


def _applies(input: Tensor, *_: object) -> bool:
    # A compiler fuses by itself, and better what it can look into.
    return _triton is not None and input.dtype in _FORMATS and not torch.compiler.is_compiling()


def _launch_warp(input: Tensor, flow: Tensor, points: Points) -> Tensor:
    batch, channels, height, width = input.shape
    out = input.new_empty((batch, channels, *flow.shape[2:]), dtype=torch.float32)
    pixels = flow.shape[2] * flow.shape[3]
    rows, columns = points or (flow, flow)  # not read where there are none
    _warp_kernel[(_triton.cdiv(pixels, _BLOCK), batch)](
        *(input, flow, rows, columns, out),
        *(channels, height, width, pixels, flow.shape[3]),
        *(*input.stride(), *flow.stride()),
        at_points=points is not None,
        block=_BLOCK,
    )
    return out


def _launch_blend(img0: Tensor, img1: Tensor, flow: Tensor, mask: Tensor) -> Blended:
    batch, channels, height, width = img0.shape
    shape = (3, batch, channels, height, width)
    out = img0.new_empty(shape, dtype=torch.float32)
    _blend_kernel[(_triton.cdiv(height * width, _BLOCK), batch)](
        *(img0, img1, flow, mask, out),
        *(channels, height, width, out.stride(0)),
        *(*img0.stride(), *img1.stride(), *flow.stride()),
        *(mask.stride(0), mask.stride(2), mask.stride(3)),
        block=_BLOCK,
    )
    warped0, warped1, blended = out
    return warped0, warped1, blended


@_jit
def _between(place, length):
    """The pixels on either side of a place on an axis, and how far it is from the first."""
    place = tl.where(place == place, place, 0.0)  # a NaN must not become an address
    place = tl.minimum(tl.maximum(place, 0.0), length - 1.0)
    first = place.to(tl.int32)  # nothing is below 0, so this rounds down
    return first, tl.minimum(first + 1, length - 1), place - first.to(tl.float32)


@_jit
def _fetch(plane, top, bottom, down, left, right, across, inside):
    """Values of a plane between four pixels: offsets of rows and columns, and the shares."""
    a = tl.load(plane + top + left, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(plane + top + right, mask=inside, other=0.0).to(tl.float32)
    c = tl.load(plane + bottom + left, mask=inside, other=0.0).to(tl.float32)
    d = tl.load(plane + bottom + right, mask=inside, other=0.0).to(tl.float32)
    above = a + (b - a) * across
    below = c + (d - c) * across
    return above + (below - above) * down


@_jit
def _warp_kernel(
    source,
    flow,
    rows,
    columns,
    out,
    channels,
    height,
    width,
    pixels,
    out_width,
    source_b,
    source_c,
    source_h,
    source_w,
    flow_b,
    flow_c,
    flow_h,
    flow_w,
    at_points: constexpr,
    block: constexpr,
):
    """One block of output pixels of one sample, all channels."""
    place = tl.program_id(0) * block + tl.arange(0, block)
    sample = tl.program_id(1).to(tl.int64)
    inside = place < pixels
    row = place // out_width
    column = place % out_width
    flow += sample * flow_b + row * flow_h + column * flow_w
    dx = tl.load(flow, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(flow + flow_c, mask=inside, other=0.0).to(tl.float32)
    if at_points:
        row = tl.load(rows + row, mask=inside, other=0)
        column = tl.load(columns + column, mask=inside, other=0)
    left, right, across = _between(column.to(tl.float32) + dx, width)
    top, bottom, down = _between(row.to(tl.float32) + dy, height)
    left, right, top, bottom = (
        left * source_w,
        right * source_w,
        top * source_h,
        bottom * source_h,
    )
    source += sample * source_b
    out += sample * channels * pixels + place
    for _ in range(channels):
        value = _fetch(source, top, bottom, down, left, right, across, inside)
        tl.store(out, value, mask=inside)
        source += source_c
        out += pixels


@_jit
def _blend_kernel(
    img0,
    img1,
    flow,
    mask,
    out,
    channels,
    height,
    width,
    out_kind,
    img0_b,
    img0_c,
    img0_h,
    img0_w,
    img1_b,
    img1_c,
    img1_h,
    img1_w,
    flow_b,
    flow_c,
    flow_h,
    flow_w,
    mask_b,
    mask_h,
    mask_w,
    block: constexpr,
):
    """One block of pixels of one sample: warped side 0, warped side 1 and their blend."""
    place = tl.program_id(0) * block + tl.arange(0, block)
    sample = tl.program_id(1).to(tl.int64)
    inside = place < height * width
    row = place // width
    column = place % width
    x = column.to(tl.float32)
    y = row.to(tl.float32)
    flow += sample * flow_b + row * flow_h + column * flow_w
    x0 = x + tl.load(flow, mask=inside, other=0.0).to(tl.float32)
    y0 = y + tl.load(flow + flow_c, mask=inside, other=0.0).to(tl.float32)
    x1 = x + tl.load(flow + 2 * flow_c, mask=inside, other=0.0).to(tl.float32)
    y1 = y + tl.load(flow + 3 * flow_c, mask=inside, other=0.0).to(tl.float32)
    left0, right0, across0 = _between(x0, width)
    top0, bottom0, down0 = _between(y0, height)
    left1, right1, across1 = _between(x1, width)
    top1, bottom1, down1 = _between(y1, height)
    logits = tl.load(
        mask + sample * mask_b + row * mask_h + column * mask_w, mask=inside, other=0.0
    )
    share = 1.0 / (1.0 + tl.exp(-logits.to(tl.float32)))
    left0, right0, top0, bottom0 = left0 * img0_w, right0 * img0_w, top0 * img0_h, bottom0 * img0_h
    left1, right1, top1, bottom1 = left1 * img1_w, right1 * img1_w, top1 * img1_h, bottom1 * img1_h
    img0 += sample * img0_b
    img1 += sample * img1_b
    out += sample * channels * height * width + place
    for _ in range(channels):
        side0 = _fetch(img0, top0, bottom0, down0, left0, right0, across0, inside)
        side1 = _fetch(img1, top1, bottom1, down1, left1, right1, across1, inside)
        tl.store(out, side0, mask=inside)
        tl.store(out + out_kind, side1, mask=inside)
        tl.store(out + 2 * out_kind, side1 + (side0 - side1) * share, mask=inside)
        img0 += img0_c
        img1 += img1_c
        out += height * width


_warp = FastForm(
    "Triton kernel that warps",
    sample,
    _launch_warp,
    _applies,
    kind=lambda input, flow, points: (input.dtype, points is None),
)
_blend = FastForm("Triton kernel that warps and blends", _blend_by_pytorch, _launch_blend, _applies)
