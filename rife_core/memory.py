"""How much memory making frames takes, and what to do when there is less.

The ladder: several frames at once, one at a time, in tiles that get smaller, and
at last on the CPU. Each rung gives the same picture; a lower one takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import torch
from torch import Tensor

from .ifnet import RIFE
from .padding import alignment

MIB, GIB = 2**20, 2**30
OVERLAP = 320
"""Pixels that neighbouring tiles share at least: a network looks about half as far.

Measured on real clips at 480p: the largest difference from the whole frame is 1.2 of
255 levels with 320, 17 with 256 and 89 with 128.
"""

CROSSFADE = 32
"""Pixels in the middle of an overlap over which the picture changes tiles."""

LEAST_TILE = 640
_BATCH_PIXELS = 2**21
_MAX_BATCH = 8
_CPU_BATCH_PIXELS = 2**22
_CPU_MAX_BATCH = 4

_PLANES = 49
_PLANES_OF_HEAD = 7
_PLANES_OF_CARRIED = 3
_PLANES_OF_REFINEMENT = 75
_FLOAT = 4
_HEADROOM = 2

OUT_OF_MEMORY = torch.OutOfMemoryError


@dataclass(frozen=True)
class Plan:
    """How frames are made.

    Attributes:
        device: where.
        batch_size: how many at once.
        tile: side of a tile in pixels, or None for whole frames.
    """

    device: torch.device
    batch_size: int
    tile: int | None = None

    def smaller(self, height: int, width: int) -> Plan | None:
        """The next rung down the ladder, or None at its foot."""
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        side = self.tile or max(height, width)
        if (tile := max(side // 2, LEAST_TILE)) < side:
            return replace(self, tile=tile)
        if self.device.type != "cpu":
            return Plan(torch.device("cpu"), 1)
        return None

    def __str__(self) -> str:
        size = f", tiles of {self.tile} pixels" if self.tile else ""
        return f"{self.batch_size} at once on {self.device}{size}"


def estimate_memory(network: RIFE, height: int, width: int, batch_size: int = 1) -> int:
    """Bytes that making `batch_size` frames takes on the network's device, besides its weights.

    The number of full-resolution planes that live at once was counted on every row
    of the table (`tests/benchmarks/planes.py`) and is a sum over its parts; twice
    that leaves room for what convolutions work in.

    Example:
        >>> from .ifnet import build_network
        >>> estimate_memory(build_network("4.6"), 480, 720) // MIB
        132
    """
    spec = network.spec
    planes = _PLANES + _PLANES_OF_CARRIED * spec.carried
    planes += _PLANES_OF_HEAD * (spec.head.planes if spec.head else 0)
    planes += _PLANES_OF_REFINEMENT if spec.refine else 0
    pixels = (height + -height % spec.align) * (width + -width % spec.align)
    return _HEADROOM * _FLOAT * planes * pixels * batch_size


def auto_batch_size(device: torch.device, height: int, width: int) -> int:
    """How many frames to make at once: more if they are small; on a CPU, on a core each."""
    if device.type == "cpu":
        most = min(_CPU_MAX_BATCH, torch.get_num_threads())
        return max(1, min(most, _CPU_BATCH_PIXELS // (height * width)))
    return max(1, min(_MAX_BATCH, _BATCH_PIXELS // (height * width)))


def first_plan(
    network: RIFE, height: int, width: int, batch_size: int = 0, max_memory: int = 0
) -> Plan:
    """The highest rung that fits into `max_memory` bytes (0: no limit), the CPU's included.

    Raises:
        ValueError: not even the smallest tile fits.
    """
    device = next(network.parameters()).device
    plan = Plan(device, batch_size or auto_batch_size(device, height, width))
    if not max_memory:
        return plan
    while True:
        side = plan.tile or max(height, width)
        size = min(height, side), min(width, side)
        needed = estimate_memory(network, *size, plan.batch_size)
        if needed <= max_memory:
            return plan
        lower = plan.smaller(height, width)
        if lower is None or lower.device != device:
            raise ValueError(
                f"max_memory is {max_memory // MIB} MiB, but the smallest tile needs "
                f"{needed // MIB + 1} MiB."
            )
        plan = lower


@dataclass(frozen=True)
class Tile:
    """A part of the picture, and how much it counts at each of its pixels."""

    rows: slice
    columns: slice
    weight: Tensor


def tiles(network: RIFE, height: int, width: int, side: int, scale: float) -> Iterator[Tile]:
    """Tiles of about `side` pixels that cover the picture and overlap by `OVERLAP`.

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
    """Overlapping stretches of one axis: begin, end, weight of each pixel."""
    if length <= side:
        return [(0, length, torch.ones(length))]
    stride = max(multiple, (side - OVERLAP) // multiple * multiple)
    last = ceil((length - side) / multiple) * multiple
    starts = [*range(0, last, stride), last]
    stops = [*(start + side for start in starts[:-1]), length]
    stretches: list[tuple[int, int, Tensor]] = []
    for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        place = torch.arange(start, stop) + 0.5
        weight = torch.ones(stop - start)
        if index:
            weight *= _fade((start + stops[index - 1]) / 2, place)
        if stop < length:
            weight *= 1 - _fade((starts[index + 1] + stop) / 2, place)
        stretches.append((start, stop, weight))
    total = torch.zeros(length)
    for start, stop, weight in stretches:
        total[start:stop] += weight
    return [(start, stop, weight / total[start:stop]) for start, stop, weight in stretches]


def _fade(middle: float, place: Tensor) -> Tensor:
    """From 0 to 1 around the middle of an overlap; near its edge a tile sees too little."""
    return ((place - middle) / CROSSFADE + 0.5).clamp(0, 1)
