"""Tiles that cover a frame, overlap, and fade into each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from ..inference.rife import RIFE
from ..networks.padding import alignment

OVERLAP = 320
"""Pixels that neighbouring tiles share at least: a network looks about half as far.

Measured on real clips at 480p: the largest difference from the whole frame is 1.2 of
255 levels with 320, 17 with 256 and 89 with 128.
"""

CROSSFADE = 32
"""Pixels in the middle of an overlap over which the picture changes tiles."""


@dataclass(frozen=True)
class Tile:
    """A part of the frame, and its blending weight at each pixel."""

    rows: slice
    columns: slice
    weight: Tensor


def tiles(network: RIFE, height: int, width: int, side: int, scale: float) -> Iterator[Tile]:
    """Tiles of about `side` pixels that cover the frame and overlap by `OVERLAP`.

    The weights of all tiles add up to 1 everywhere. Tiles begin at multiples of the
    network's alignment, so that its grid lies on each tile as on the whole picture.
    """
    multiple = alignment(network.spec, network.spec.scales[0] / scale)
    ranges = [_cover(length, side, multiple) for length in (height, width)]
    for top, bottom, row_weight in ranges[0]:
        for left, right, column_weight in ranges[1]:
            weight = row_weight[:, None] * column_weight
            yield Tile(slice(top, bottom), slice(left, right), weight)


def _cover(length: int, side: int, multiple: int) -> list[tuple[int, int, Tensor]]:
    """Overlapping intervals of one axis: start, stop, weight of each pixel."""
    if length <= side:
        return [(0, length, torch.ones(length, dtype=torch.float32, device="cpu"))]
    stride = max(multiple, (side - OVERLAP) // multiple * multiple)
    last = ceil((length - side) / multiple) * multiple
    starts = [*range(0, last, stride), last]
    stops = [*(start + side for start in starts[:-1]), length]
    stretches: list[tuple[int, int, Tensor]] = []
    for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        place = torch.arange(start, stop, dtype=torch.float32, device="cpu") + 0.5
        weight = torch.ones(stop - start, dtype=torch.float32, device="cpu")
        if index:
            weight *= _fade((start + stops[index - 1]) / 2, place)
        if stop < length:
            weight *= 1 - _fade((starts[index + 1] + stop) / 2, place)
        stretches.append((start, stop, weight))
    total = torch.zeros(length, dtype=torch.float32, device="cpu")
    for start, stop, weight in stretches:
        total[start:stop] += weight
    return [(start, stop, weight / total[start:stop]) for start, stop, weight in stretches]


def _fade(middle: float, place: Tensor) -> Tensor:
    """A ramp from 0 to 1 around the middle of an overlap; tiles lack context near their edges."""
    return ((place - middle) / CROSSFADE + 0.5).clamp(0, 1)
