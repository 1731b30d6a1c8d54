"""Tensors concatenated along channels, and a convolution that reads them a band at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dispatch import FastForm, uses_cpu_bf16_ops, uses_cpu_conv_forms, wave

_BAND = 2**15
"""Pixels concatenated at a time: few enough to stay in the cache."""
_CHANNELS_FLOAT32, _PIXELS_FLOAT32 = 16, 2**18
"""From how many on it is faster in float32; smaller tensors fit into the cache anyway."""


def concatenate(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Tensors concatenated along channels, in `dtype`.

    Its fast form, for bfloat16 on a CPU, returns the memory layout that convolutions prefer.

    Shape:
        parts: B C H W each, all but the first perhaps B C 1 1 -> B (sum of C) H W
    """
    return _concatenate(parts, dtype)


def _plain(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    height, width = parts[0].shape[-2:]
    return torch.cat([part.to(dtype).expand(-1, -1, height, width) for part in parts], 1)


def _fast(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    return _Bands(parts, dtype, fine=False).joined()


def convolve_concatenated(
    parts: Sequence[Tensor], layer: nn.Sequential, fine: Tensor | None = None
) -> Tensor:
    """A convolution and its activation over concatenated tensors, without concatenating them.

    On a CPU only a band of rows is ever joined: in bfloat16 that takes as long and less memory,
    in float32 less of both, where channels and pixels are many.

    Args:
        parts: see `concatenate`.
        layer: `nn.Conv2d` of 3 x 3, stride 2 and padding 1, then an activation.
        fine: one part more, whose values bfloat16 would cut too short: a flow of 60 pixels to
            quarters of one. There the fast form reads it in two halves, what fits and what
            that leaves.

    Shape:
        parts, fine -> B C' H/2 W/2, rounded up
    """
    return _convolve_concatenated(parts, layer, fine)


def _plain_conv(parts: Sequence[Tensor], layer: nn.Sequential, fine: Tensor | None) -> Tensor:
    parts = parts if fine is None else [*parts, fine]
    return layer(_plain(parts, _dtype_of(layer)))


def _conv_by_bands(parts: Sequence[Tensor], layer: nn.Sequential, fine: Tensor | None) -> Tensor:
    conv, activation = cast(nn.Conv2d, layer[0]), layer[1]
    weight, dtype = conv.weight, conv.weight.dtype
    halves = fine is not None and dtype is torch.bfloat16
    if fine is not None:
        parts = [*parts, fine]
        weight = torch.cat((weight, weight[:, -fine.shape[1] :]), 1) if halves else weight
    batch, _, height, width = parts[0].shape
    bands = _Bands(parts, dtype, halves)
    if height % 2:
        return activation(F.conv2d(bands.joined(), weight, conv.bias, 2, 1))
    result = weight.new_empty((batch, height // 2, (width + 1) // 2, conv.out_channels))
    # Its first row is what lies above the band: padding, then the last row of the band before.
    joined = weight.new_empty((1 + bands.rows, width, bands.count))
    for index, pixels in enumerate(result):
        joined[0] = 0
        for top, out in zip(
            range(0, height, bands.rows), pixels.split(bands.rows // 2), strict=True
        ):
            read = joined[: 1 + 2 * len(out)]
            bands.fill(index, top, read[1:])
            read = read.permute(2, 0, 1)[None]
            rows = activation(F.conv2d(read, weight, conv.bias, 2, (0, 1)))
            out.copy_(rows[0].permute(1, 2, 0))
            joined[0] = joined[2 * len(out)]
    return result.permute(0, 3, 1, 2)


class _Bands:
    """Concatenates channels, pixel by pixel, a band of rows at a time.

    Args:
        fine: the last part is split into two halves; see `convolve_concatenated`.

    Attributes:
        count: of the channels.
        rows: of a band, the last one perhaps excepted; an even number.
    """

    def __init__(self, parts: Sequence[Tensor], dtype: torch.dtype, fine: bool) -> None:
        self._size = height, width = parts[0].shape[-2:]
        channels = [part.shape[1] for part in (*parts, *(parts[-1:] if fine else ()))]
        self.count = sum(channels)
        self.rows = max(2, min(height, _BAND // width) // 2 * 2)
        self._parts, self._fine = parts, fine
        device = parts[0].device
        self._unit = torch.eye(self.count, dtype=dtype, device=device)
        self._planes = torch.empty((self.count, self.rows, width), dtype=dtype, device=device)
        self._places = self._planes.split(channels)

    def joined(self) -> Tensor:
        """All rows of all samples: B count H W."""
        height, width = self._size
        size = (len(self._parts[0]), height, width, self.count)
        joined = self._planes.new_empty(size)
        for index, pixels in enumerate(joined):
            for top, band in zip(range(0, height, self.rows), pixels.split(self.rows), strict=True):
                self.fill(index, top, band)
        return joined.permute(0, 3, 1, 2)

    def fill(self, index: int, top: int, band: Tensor) -> None:
        """Fills `band`, H' W count, with the rows of sample `index` from `top` on."""
        places = [place[:, : len(band)] for place in self._places]
        for place, part in zip(places, self._parts, strict=False):
            flat = part.shape[2] == 1
            place.copy_(part[index] if flat else part[index, :, top : top + len(band)])
        if self._fine:
            rows = self._parts[-1][index, :, top : top + len(band)]
            torch.sub(rows, places[-2], out=places[-1])
        # A product with the unit matrix transposes channels to pixels, twice as fast as a copy.
        planes = self._planes[:, : len(band)].flatten(1)
        torch.mm(planes.t(), self._unit, out=band.view(-1, self.count))


def _sample_parts() -> list[Tensor]:
    return [wave(2, 3, 6, 5), wave(2, 1, 1, 1)]


def _applies(parts: Sequence[Tensor], dtype: torch.dtype) -> bool:
    return uses_cpu_bf16_ops(parts[0].device, dtype)


def _applies_to_conv(parts: Sequence[Tensor], layer: nn.Sequential, fine: Tensor | None) -> bool:
    dtype = _dtype_of(layer)
    if not uses_cpu_conv_forms(parts[0].device, dtype):
        return False  # sizes are not asked for where a compiler records what depends on them
    return dtype is not torch.float32 or (
        sum(part.shape[1] for part in parts) >= _CHANNELS_FLOAT32
        and parts[0].shape[-2:].numel() >= _PIXELS_FLOAT32
    )


def _dtype_of(layer: nn.Sequential) -> torch.dtype:
    return cast(nn.Conv2d, layer[0]).weight.dtype


def _sample_conv(
    parts: Sequence[Tensor], layer: nn.Sequential, fine: Tensor | None
) -> tuple[list[Tensor], nn.Sequential, Tensor]:
    dtype = _dtype_of(layer)
    small = nn.Sequential(nn.Conv2d(6, 4, 3, 2, 1), nn.LeakyReLU(0.2)).to(dtype)
    return _sample_parts(), small, wave(2, 2, 6, 5)


_concatenate = FastForm(
    "concatenation by bands",
    _plain,
    _fast,
    _applies,
    lambda parts, dtype: (_sample_parts(), dtype),
    kind=lambda parts, dtype: dtype,
    near=1e-2,
)

_convolve_concatenated = FastForm(
    "convolution by bands",
    _plain_conv,
    _conv_by_bands,
    _applies_to_conv,
    _sample_conv,
    kind=lambda parts, layer, fine: _dtype_of(layer),
    near=1e-2,
    near_float32=1e-5,
)
