"""Transposed convolutions that double the size, computed at the corners between pixels.

The 2 x 2 new pixels around a corner are made of the four old ones that meet there, and of
nothing else. So a transposed convolution (kernel 4, stride 2, padding 1) is a plain one of
2 x 2 over the corners, with four times the channels, whose results are then shuffled into
place: the same products, but processors compute channels by full sixteens, of which the few
that a head gives leave most empty.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dispatch import FastForm, uses_cpu_conv_forms, wave
from .prelu import PReLU, prelu


def conv_transpose2x(
    x: Tensor, deconv: nn.ConvTranspose2d, cell: int = 1, channels: int | None = None
) -> Tensor:
    """`deconv(x)`, then `F.pixel_shuffle` by `cell`.

    Args:
        deconv: kernel 4, stride 2, padding 1.
        channels: how many to compute, from the first on; None: all.

    Shape:
        x: B C H W -> B channels 2*cell*H 2*cell*W
    """
    weight, bias = deconv.weight, cast(Tensor, deconv.bias)
    if channels:
        weight, bias = weight[:, : channels * cell**2], bias[: channels * cell**2]
    return _conv_transpose2x(x, weight, bias, cell)


def _plain(x: Tensor, weight: Tensor, bias: Tensor, cell: int) -> Tensor:
    x = F.conv_transpose2d(x, weight, bias, 2, 1)
    return F.pixel_shuffle(x, cell) if cell > 1 else x


def _at_corners(x: Tensor, weight: Tensor, bias: Tensor, cell: int) -> Tensor:
    corners = _corners(x, weight, bias, cell)
    # Half of what lies around the outermost corners is outside.
    return F.pixel_shuffle(corners, 2 * cell)[..., cell:-cell, cell:-cell]


def conv_transpose2x_then_conv(x: Tensor, layer: nn.Sequential, conv: nn.Conv2d) -> Tensor:
    """`conv(layer(x))`: large inputs of few channels, which the fast form never concatenates.

    Args:
        layer: a transposed convolution as for `conv_transpose2x`, then a PReLU with a slope
            per channel.
        conv: kernel 3, stride 1, padding 1.

    Shape:
        x: B C H W -> B C' 2*H 2*W
    """
    return _conv_transpose2x_then_conv(x, layer, conv)


def _plain_then_conv(x: Tensor, layer: nn.Sequential, conv: nn.Conv2d) -> Tensor:
    return conv(layer(x))


def _at_corners_then_conv(x: Tensor, layer: nn.Sequential, conv: nn.Conv2d) -> Tensor:
    deconv, activation = cast(nn.ConvTranspose2d, layer[0]), cast(nn.PReLU, layer[1])
    corners = _corners(x, deconv.weight, cast(Tensor, deconv.bias), 1)
    corners = prelu(corners, activation.weight.repeat_interleave(4))
    # What lies outside is padding to the second convolution.
    phases = corners.unflatten(1, (-1, 2, 2))
    for axis in (0, 1):
        for phase, end in ((0, 0), (1, -1)):
            phases.select(axis + 4, end).select(axis + 2, phase).zero_()
    weight = torch.stack(
        [F.pad(conv.weight, (q, 1 - q, p, 1 - p)) for p in (0, 1) for q in (0, 1)], 1
    )
    # Its four taps along an axis are two corners of two phases.
    weight = weight.unflatten(-1, (2, 2)).unflatten(-3, (2, 2)).permute(0, 1, 2, 4, 6, 3, 5)
    weight = weight.reshape(4 * conv.out_channels, -1, 2, 2)
    return F.pixel_shuffle(
        F.conv2d(corners, weight, cast(Tensor, conv.bias).repeat_interleave(4)), 2
    )


def _corners(x: Tensor, weight: Tensor, bias: Tensor, cell: int) -> Tensor:
    """The plain convolution; its channels as `F.pixel_shuffle` wants them.

    Shape:
        x: B C H W, weight: C (P cell cell) 4 4, bias: (P cell cell)
        returns: B (P 2 cell 2 cell) H+1 W+1
    """
    channels = len(weight)
    # Along each axis tap 2 * i + phase goes from the old pixel after the corner (i = 0) or
    # before it (i = 1) to the new pixel `phase` of its two.
    taps = weight.reshape(channels, -1, cell, cell, 2, 2, 2, 2).flip(4, 6)
    taps = taps.permute(1, 5, 2, 7, 3, 0, 4, 6).reshape(-1, channels, 2, 2)
    biases = bias.reshape(-1, 1, cell, 1, cell).expand(-1, 2, -1, 2, -1).reshape(-1)
    return F.conv2d(x, taps, biases, padding=1)


def _applies(x: Tensor, *_: Any) -> bool:
    return uses_cpu_conv_forms(x.device, x.dtype)


def _sample_then_conv(
    x: Tensor, layer: nn.Sequential, conv: nn.Conv2d
) -> tuple[Tensor, nn.Sequential, nn.Conv2d]:
    layer = nn.Sequential(nn.ConvTranspose2d(3, 4, 4, 2, 1), PReLU(4)).to(x.dtype)
    return wave(1, 3, 5, 4, dtype=x.dtype), layer, nn.Conv2d(4, 2, 3, 1, 1).to(x.dtype)


_conv_transpose2x = FastForm(
    "transposed convolution at corners",
    _plain,
    _at_corners,
    _applies,
    lambda x, weight, bias, cell: (
        wave(1, 3, 5, 4, dtype=x.dtype),
        wave(3, 2 * cell**2, 4, 4, dtype=x.dtype),
        wave(2 * cell**2, dtype=x.dtype),
        cell,
    ),
    kind=lambda x, weight, bias, cell: (x.dtype, cell),
    near=1e-2,
    near_float32=1e-5,
)

_conv_transpose2x_then_conv = FastForm(
    "transposed convolution and convolution at corners",
    _plain_then_conv,
    _at_corners_then_conv,
    _applies,
    _sample_then_conv,
    near=1e-2,
    near_float32=1e-5,
)
