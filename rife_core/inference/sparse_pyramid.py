"""The pyramid of blocks, computed only where the next block reads it.

A block at scale s begins by downsampling its input s times, bilinearly and without
antialiasing: of every s x s pixels it reads the four in the middle (an antialiased row reads
the means of its four quarters, which at s / 2 are the four in the middle). So what comes
before - the flow, and the frames warped by it - is needed at those points alone, and
the coarse levels cost almost nothing. Two facts make that exact:

- the flow at a point is the sum of all updates so far, each sampled at that point;
- upsampling g times and then downsampling s times is upsampling g / s times, where g / s is even.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.estimate import IMAGE_CHANNELS, Estimate, FramePair
from ..networks.frame_order import average, frame_orders
from ..networks.ifnet import FlowNetwork
from ..networks.padding import alignment
from ..networks.specs import BLOCK_STRIDE, CARRIED_FROM, FLOW_CHANNELS
from ..ops.dispatch import FastForm, wave
from ..ops.grid_sample import grid_sample
from ..ops.resize import resize
from ..ops.warp import warp

DENSE_UP_TO = 2
"""At this scale and below a block reads every pixel."""


def final_estimate(
    network: FlowNetwork, pair: FramePair, scales: Sequence[float], ensemble: bool = False
) -> Estimate:
    """`FlowNetwork.final_estimate`; of the estimates before, only what the blocks read."""
    return _final_estimate(network, pair, scales, ensemble)


def _dense(
    network: FlowNetwork, pair: FramePair, scales: Sequence[float], ensemble: bool
) -> Estimate:
    return FlowNetwork.final_estimate(network, pair, scales, ensemble)


def _sparse(
    network: FlowNetwork, pair: FramePair, scales: Sequence[float], ensemble: bool
) -> Estimate:
    spec = network.spec
    pyramid = SparsePyramid((pair.frame0.planes, pair.frame1.planes), spec.mask_adds, spec.cell)
    for index, (block, scale) in enumerate(zip(network.blocks, scales, strict=True)):
        wanted = CARRIED_FROM + (spec.carried if index + 1 < len(scales) else 0)
        # What a block reads is let go of before it runs.
        swap = network.swaps(index, ensemble)
        stems = _stems(network, pyramid, index, pair.times, scale, swap)
        updates = [block.body(stems.pop(0), scale, wanted) for _ in range(len(stems))]
        pyramid.add(average(updates), block.growth * scale)
    image0, image1 = pair.frame0.image, pair.frame1.image
    return Estimate.of(pyramid.flow(1), pyramid.mask(1), image0, image1)


def _stems(
    network: FlowNetwork,
    pyramid: SparsePyramid,
    index: int,
    times: Tensor,
    scale: float,
    swap: bool,
) -> list[Tensor]:
    """The stem of block `index`; with `swap` that of the other order too."""
    spec, block = network.spec, network.blocks[index]
    first = index == 0 and not spec.starts_at_zero
    names = spec.first_inputs if first else spec.inputs
    named = {"timestep": times, **_view(pyramid, names, scale, spec.carried, block.dtype)}
    flow = None if first else pyramid.flow(scale)
    return [block.stem(*order, scale) for order in frame_orders(names, named, flow, swap)]


def _view(
    pyramid: SparsePyramid, names: Sequence[str], scale: float, carried: int, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The tensors of the pair that a block at `scale` reads, by name.

    What is made for it alone waits in `dtype`, the block's own, to be joined: it takes
    less memory so.
    """
    view: dict[str, Tensor] = {}
    for index, side in enumerate(pyramid.downsampled(scale) if "img0" in names else ()):
        view.update(_split(side, f"img{index}", f"feat{index}"))
    for index, side in enumerate(pyramid.warped(scale) if "warped_img0" in names else ()):
        view.update(_split(side.to(dtype), f"warped_img{index}", f"warped_feat{index}"))
    if "mask" in names:
        view["mask"] = pyramid.mask(scale)
    if carried and "carried" in names:
        view["carried"] = pyramid.carried(scale, carried).to(dtype)
    return view


def _split(side: Tensor, image: str, features: str) -> dict[str, Tensor]:
    """The parts of a frame's channels under these names; features of no width are absent."""
    parts = {image: side[:, :IMAGE_CHANNELS], features: side[:, IMAGE_CHANNELS:]}
    return {name: part for name, part in parts.items() if part.shape[1]}


class SparsePyramid:
    """Collects the blocks' updates and gives the next block its view of the pair.

    Args:
        sides: what is warped of each source frame: image, then features. B C H W each.
        mask_adds: see `NetworkSpec`.
        cell: see `NetworkSpec.cell`.
    """

    def __init__(
        self, sides: tuple[Tensor, Tensor], mask_adds: bool, cell: Callable[[float], int]
    ) -> None:
        self.sides = sides
        self.mask_adds = mask_adds
        self.cell = cell
        self._means = {1: sides}
        self._updates: list[tuple[Tensor, int]] = []
        self._flow: Tensor | None = None
        self._upsampled = 0

    @staticmethod
    def can_run(scales: Sequence[float], height: int, width: int) -> bool:
        """Whether the two facts above hold: whole scales that halve, at a size they divide."""
        whole = all(scale == int(scale) for scale in scales)
        # By index: torch.compile of 2.4 cannot trace itertools.pairwise.
        halving = all(scales[i] % (2 * scales[i + 1]) == 0 for i in range(len(scales) - 1))
        fits = not any(side % (BLOCK_STRIDE * scales[0]) for side in (height, width))
        return whole and halving and fits

    def add(self, planes: Tensor, growth: float) -> None:
        """Takes a block's output as it gave it: flow in full pixels, mask, carried.

        Shape:
            planes: B P H/growth W/growth
        """
        self._updates.append((planes, int(growth)))

    def downsampled(self, scale: float) -> tuple[Tensor, Tensor]:
        """Both sides as they are, at 1/scale."""
        cell = self.cell(scale)
        side0, side1 = self._averaged(cell)
        return resize(side0, cell / scale), resize(side1, cell / scale)

    def warped(self, scale: float) -> tuple[Tensor, Tensor]:
        """Both sides warped by the flow so far, at 1/scale."""
        if not self._updates:
            return self.downsampled(scale)
        cell = self.cell(scale)
        if cell > 1:
            flow, points = self.flow(cell) / cell, None
        elif scale <= DENSE_UP_TO:
            flow, points = self.flow(1), None
        else:
            points = self._points(int(scale))
            flow = self._flow_at(points)
        sides, flows = self._averaged(cell), (flow[:, :2], flow[:, 2:FLOW_CHANNELS])
        warps = [warp(side, part, points) for side, part in zip(sides, flows, strict=True)]
        # Two points along each axis are left of what becomes one: their mean is what is read.
        warped0, warped1 = (resize(each, 0.5 if scale > 1 else 1) for each in warps)
        return warped0, warped1

    def _averaged(self, cell: int) -> tuple[Tensor, Tensor]:
        """The mean of each square of `cell` pixels of both sides."""
        if cell not in self._means:
            step = cell if cell % 2 else 2  # the means of means are cheap
            side0, side1 = self._averaged(cell // step)
            self._means[cell] = F.avg_pool2d(side0, step), F.avg_pool2d(side1, step)
        return self._means[cell]

    def flow(self, scale: float) -> Tensor:
        """The flow so far in pixels of the full image, at 1/scale: B 4 H/scale W/scale."""
        if scale > 1:
            return self._sum(slice(FLOW_CHANNELS), scale)
        for update, growth in self._updates[self._upsampled :]:
            part = resize(update[:, :FLOW_CHANNELS], growth)
            self._flow = part if self._flow is None else self._flow + part
        self._upsampled = len(self._updates)
        return self._sum(slice(FLOW_CHANNELS), scale) if self._flow is None else self._flow

    def mask(self, scale: float) -> Tensor:
        """The mask's logits so far, at 1/scale."""
        planes = slice(FLOW_CHANNELS, CARRIED_FROM)
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
            grid_sample(update[:, :FLOW_CHANNELS], grid, align_corners=False)
            for update, _ in self._updates
        )
        return sum(rest, total)


def _applies(
    network: FlowNetwork, pair: FramePair, scales: Sequence[float], ensemble: bool
) -> bool:
    size = pair.frame0.planes.shape[-2:]
    spec = network.spec
    if spec.rerun_above or spec.sums_at_half:  # upsampling twice is not upsampling once
        return False
    return SparsePyramid.can_run(scales, *size)


def _sample(
    network: FlowNetwork, pair: FramePair, scales: Sequence[float], ensemble: bool
) -> tuple[FlowNetwork, FramePair, Sequence[float], bool]:
    side = alignment(network.spec, scales[0])
    image = wave(1, 3, side, side).cumsum(-1).sin().abs().to(pair.frame0.planes)
    frame0, frame1 = (network.encode_frame(each) for each in (image, image.roll(3, -1)))
    return network, FramePair(frame0, frame1, pair.times[:1]), scales, ensemble


def _kind(network: FlowNetwork, pair: FramePair, scales: Sequence[float], ensemble: bool) -> object:
    device = pair.times.device.type
    return None if device == "meta" else (network.spec, network.blocks[0].dtype, device)


_final_estimate = FastForm(
    "sparse pyramid",
    _dense,
    _sparse,
    _applies,
    _sample,
    _kind,
    near=0.05,
    compared=lambda estimate: (estimate.flow, torch.sigmoid(estimate.mask)),
)
