"""What the blocks of a pyramid have found, computed only where the next block reads it.

A block at scale s begins by shrinking its input s times, bilinearly and without
antialiasing: of every s x s pixels it reads the four in the middle. So what comes
before - the flow, and the frames warped by it - is wanted at those points alone, and
the coarse levels cost almost nothing. Two facts make that exact:

- the flow at a point is the sum of all updates so far, each sampled where it lies;
- growing g times and then shrinking s times is growing g / s times, where g / s is even.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import grid_sample
from .specs import BLOCK_STRIDE, FLOW_PLANES, MASK_PLANES
from .warp import warp

CARRIED_FROM = FLOW_PLANES + MASK_PLANES
DENSE_UP_TO = 2
"""At this scale and below a block reads every pixel."""
_BAND = 2**15
"""Pixels that are laid out at once."""


def resize(x: Tensor, factor: float) -> Tensor:
    """Bilinear resizing as the published networks do it: no antialiasing."""
    if factor == 1:
        return x
    traced = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if x.device.type == "cpu" and not traced:
        if factor > 1 and factor == int(factor):
            return _grown(x, int(factor))
        step = round(1 / factor)
        whole = factor * step == 1 and not any(side % step for side in x.shape[-2:])
        if whole and step % 2 == 0:
            return _shrunk(x, step)
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _grown(x: Tensor, times: int) -> Tensor:
    """The same by a whole factor, five times as fast as PyTorch on a CPU.

    Along an axis every pixel becomes `times` new ones, each a fixed mixture of it and the
    neighbour that it is nearer to: so many passes over whole planes.
    """
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for axis in (3, 2):
        count = x.shape[axis] - 2
        before, here, after = (x.narrow(axis, first, count) for first in range(3))
        size = list(here.shape)
        size[axis] = count * times
        grown = x.new_empty(size)
        for phase, place in enumerate(grown.unflatten(axis, (count, times)).unbind(axis + 1)):
            beyond = (phase + 0.5) / times - 0.5
            torch.lerp(here, before if beyond < 0 else after, abs(beyond), out=place)
        x = grown
    return x


def _shrunk(x: Tensor, times: int) -> Tensor:
    """The same by a whole, even factor that divides the size: the mean of each cell's middle."""
    low, high = times // 2 - 1, times // 2
    rows = x[:, :, low::times] + x[:, :, high::times]
    return (rows[..., low::times] + rows[..., high::times]).mul_(0.25)


def join_planes(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Planes joined along channels, in `dtype`; laid out for convolutions where that is faster.

    Shape:
        parts: B C H W each, all but the first perhaps B C 1 1 -> B (sum of C) H W
    """
    batch, _, height, width = parts[0].shape
    on_cpu = parts[0].device.type == "cpu" and dtype is torch.bfloat16
    if not on_cpu or torch.is_grad_enabled():
        return torch.cat([part.to(dtype).expand(-1, -1, height, width) for part in parts], 1)
    # A product with the unit matrix transposes planes to pixels, twice as fast as a copy does;
    # a band of rows at a time, which stays near the processor.
    count = sum(part.shape[1] for part in parts)
    joined = torch.empty((batch, height, width, count), dtype=dtype)
    unit = torch.eye(count, dtype=dtype)
    rows = min(height, max(1, _BAND // width))
    buffer = torch.empty((count, rows, width), dtype=dtype)
    places = buffer.split([part.shape[1] for part in parts])
    for index, pixels in enumerate(joined):
        for top in range(0, height, rows):
            band = pixels[top : top + rows]
            for place, part in zip(places, parts, strict=True):
                flat = part.shape[2] == 1
                place[:, : len(band)] = part[index] if flat else part[index, :, top : top + rows]
            planes = buffer[:, : len(band)].flatten(1)
            torch.mm(planes.t(), unit, out=band.view(-1, count))
    return joined.permute(0, 3, 1, 2)


class Pyramid:
    """Collects the blocks' updates and gives the next block its view of the pair.

    Args:
        sides: what is warped of each source frame: image, then features. B C H W each.
        mask_adds: see `NetworkSpec`.
    """

    def __init__(self, sides: tuple[Tensor, Tensor], mask_adds: bool) -> None:
        self.sides = sides
        self.mask_adds = mask_adds
        self._updates: list[tuple[Tensor, int]] = []
        self._flow: Tensor | None = None
        self._grown = 0

    @staticmethod
    def can_run(scales: Sequence[float], height: int, width: int) -> bool:
        """Whether the two facts above hold: whole scales that halve, at a size they divide."""
        whole = all(scale >= 1 and scale == int(scale) for scale in scales)
        halving = all(a % (2 * b) == 0 for a, b in pairwise(scales))
        fits = not any(side % (BLOCK_STRIDE * scales[0]) for side in (height, width))
        return whole and halving and fits

    def add(self, planes: Tensor, growth: float) -> None:
        """Takes a block's planes as it gave them: flow in full pixels, mask, carried.

        Shape:
            planes: B P H/growth W/growth
        """
        self._updates.append((planes, int(growth)))

    def shrunk(self, scale: float) -> tuple[Tensor, Tensor]:
        """Both sides as they are, at 1/scale."""
        side0, side1 = self.sides
        return resize(side0, 1 / scale), resize(side1, 1 / scale)

    def warped(self, scale: float) -> tuple[Tensor, Tensor]:
        """Both sides warped by the flow so far, at 1/scale."""
        if not self._updates:
            return self.shrunk(scale)
        if scale <= DENSE_UP_TO:
            flow, points = self.flow(1), None
        else:
            points = self._points(int(scale))
            flow = self._flow_at(points)
        flows = flow[:, :2], flow[:, 2:FLOW_PLANES]
        warps = [warp(side, part, points) for side, part in zip(self.sides, flows, strict=True)]
        # Two points a cell along each axis are left: their mean is what the block reads.
        warped0, warped1 = (resize(each, 0.5 if scale > 1 else 1) for each in warps)
        return warped0, warped1

    def flow(self, scale: float) -> Tensor:
        """The flow so far in pixels of the full image, at 1/scale: B 4 H/scale W/scale."""
        if scale > 1:
            return self._sum(slice(FLOW_PLANES), scale)
        for update, growth in self._updates[self._grown :]:
            part = resize(update[:, :FLOW_PLANES], growth)
            self._flow = part if self._flow is None else self._flow + part
        self._grown = len(self._updates)
        return self._sum(slice(FLOW_PLANES), scale) if self._flow is None else self._flow

    def mask(self, scale: float) -> Tensor:
        """The mask's logits so far, at 1/scale."""
        planes = slice(FLOW_PLANES, CARRIED_FROM)
        return self._sum(planes, scale) if self.mask_adds else self._last(planes, scale)

    def carried(self, scale: float, count: int) -> Tensor:
        """The features that the last block hands on, at 1/scale."""
        return self._last(slice(CARRIED_FROM, CARRIED_FROM + count), scale)

    def _sum(self, planes: slice, scale: float) -> Tensor:
        if not self._updates:
            batch, _, height, width = self.sides[0].shape
            count = planes.stop - (planes.start or 0)
            size = (batch, count, int(height / scale), int(width / scale))
            return self.sides[0].new_zeros(size)
        total, *rest = (resize(update[:, planes], g / scale) for update, g in self._updates)
        return sum(rest, total)

    def _last(self, planes: slice, scale: float) -> Tensor:
        update, growth = self._updates[-1]
        return resize(update[:, planes], growth / scale)

    def _points(self, scale: int) -> tuple[Tensor, Tensor]:
        """Rows and columns of the four middle pixels of every cell."""
        height, width = self.sides[0].shape[-2:]
        # Not from a list: copying one to a device waits for it, and cannot go into a CUDA graph.
        middle = torch.arange(scale // 2 - 1, scale // 2 + 1, device=self.sides[0].device)
        rows, columns = (
            (torch.arange(0, length, scale, device=middle.device)[:, None] + middle).flatten()
            for length in (height, width)
        )
        return rows, columns

    def _flow_at(self, points: tuple[Tensor, Tensor]) -> Tensor:
        side = self.sides[0]
        y, x = (
            (2 * place.to(side.dtype) + 1) / length - 1
            for place, length in zip(points, side.shape[-2:], strict=True)
        )
        grid = torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), -1)
        grid = grid.expand(len(side), -1, -1, -1)
        total, *rest = (
            grid_sample(update[:, :FLOW_PLANES], grid, align_corners=False)
            for update, _ in self._updates
        )
        return sum(rest, total)
