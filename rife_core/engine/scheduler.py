"""Frames made by a network: in batches, on the rung that memory allows, at the scale that fits.

A frame that was asked for is a task: begun in a batch, ended once it has come home. On the
way what will not do is made again: what overflowed in half precision, and what was estimated
at a scale that its motion is too large for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from fractions import Fraction
from itertools import groupby, islice
from math import isfinite
from typing import TypeVar, cast

import torch
from torch import Tensor

from ..inference.halving import nearest_halving
from ..inference.rife import RIFE
from ..networks.estimate import EncodedFrame
from ..networks.padding import crop
from ..ops.dispatch import is_out_of_memory, undisturbed
from .allocator import kept_memory
from .memory_plan import Plan, estimate_memory, first_plan
from .options import AUTO, SCALES, Settings
from .pixel_formats import ImageAlpha
from .report import Report
from .tasks import DeviceFrame, InterpolatedFrame, NetworkCall, Pair, Request, SourceFrame, Task
from .threads import FramePool
from .tiling import tiles
from .transfers import Transfers, transfers_for

T = TypeVar("T")

COARSER = (0.5, 0.25)
"""Scales that follow larger motion."""

AGREED = 0.03
"""Mean difference of the two warped sides up to which coarser scales are not tried.

On one triplet each of 172 clips, choosing by the least difference gained 0.07 dB over scale 1
in the mean, trying always 0.08; the best choice would gain 0.21 (`tests/benchmarks/scales.py`).
"""

_FIRST = 1.0
_SEEN = 4
"""Every so many pixels of a row and a column are looked at to see whether the sides agree."""


class FrameScheduler:
    """Runs tasks through the network, on the rung of the ladder that memory allows."""

    def __init__(
        self,
        network: RIFE,
        settings: Settings,
        first: Tensor,
        report: Report,
        wants_disagreement: bool,
    ) -> None:
        self.network = network
        self.settings = settings
        self.report = report
        self.wants_disagreement = wants_disagreement
        self.height, self.width = first.shape[:2]
        if settings.scale not in SCALES:
            known = ", ".join(map(str, SCALES))
            raise ValueError(f"scale is {settings.scale}; it must be one of {known}.")
        if settings.keep is not None and settings.keep.shape[-2:] != first.shape[:2]:
            raise ValueError(
                f"keep is {tuple(settings.keep.shape)}, but the frames are {self.height} high and "
                f"{self.width} wide; give a mask of their size."
            )
        self.plan = first_plan(
            network, self.height, self.width, settings.batch_size, settings.max_memory
        )
        side = self.plan.tile or max(self.height, self.width)
        report.memory = estimate_memory(
            network, min(self.height, side), min(self.width, side), self.plan.batch_size
        )
        report.plans.append(str(self.plan))
        self.transfers = transfers_for(self.plan.device)
        self._in_float32: RIFE | None = None
        self._threads: FramePool | None = None
        self._memory = kept_memory() if self.plan.device.type == "cpu" else nullcontext()

    def __enter__(self) -> FrameScheduler:
        self._memory.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._threads:
            self._threads.close()
        self._memory.__exit__(None, None, None)

    def upload(self, source: SourceFrame) -> None:
        """Lets a source frame travel to the device before it is needed there."""
        if self.transfers.ahead and self.plan.tile is None:
            source.upload(self.transfers)

    @torch.no_grad()
    @undisturbed()
    def begin(self, tasks: list[Task]) -> None:
        """Lets the network make these frames; on some devices they are still being made then."""
        by = self._make if self.network.spec.arbitrary_timestep else self._make_by_halving
        for task, made in zip(tasks, by([task.wanted for task in tasks]), strict=True):
            task.take(made, self.transfers)

    @torch.no_grad()
    @undisturbed()
    def end(self, tasks: list[Task]) -> None:
        """Brings these frames home; makes those anew that will not do."""
        better: list[InterpolatedFrame | None] = [None] * len(tasks)
        if self.network.spec.arbitrary_timestep:  # by halving, it has been seen to already
            better = self._better([task.wanted for task in tasks], [task.signs() for task in tasks])
        for task, made in zip(tasks, better, strict=True):
            if made:
                task.take(made, self.transfers)
            task.end(self.settings.keep)

    def _better(self, wanted: list[Request], signs: list[Tensor]) -> list[InterpolatedFrame | None]:
        """For each frame that was made: a better one where it will not do, else None."""
        better: list[InterpolatedFrame | None] = [None] * len(wanted)
        read = [each.tolist() for each in signs]
        for index, (one, (total, *_)) in enumerate(zip(wanted, read, strict=True)):
            if not isfinite(total):
                better[index] = self._make([one], in_float32=True)[0]
                self.report.redone += 1
        if self.settings.scale == AUTO:
            sound = [index for index, made in enumerate(better) if made is None]
            self._choose_scales(wanted, {index: read[index][1] for index in sound}, better)
            # Others of a pair may have been begun before its scale was chosen.
            late = [i for i in sound if not better[i] and read[i][2] != wanted[i].pair.scale]
            for i, made in zip(late, self._make([wanted[i] for i in late]), strict=True):
                better[i] = made if isfinite(float(made.signs[0])) else None
        return better

    def _choose_scales(
        self, wanted: list[Request], apart: dict[int, float], better: list[InterpolatedFrame | None]
    ) -> None:
        """Decides for each pair by the first of its frames; puts what it made into `better`."""
        hard: list[int] = []
        for index, distance in apart.items():
            pair = wanted[index].pair
            if pair.scale is None:
                pair.scale = _FIRST
                if distance > AGREED:
                    hard.append(index)
        trials = [wanted[index]._replace(scale=scale) for index in hard for scale in COARSER]
        tried = _batches(self._make(trials), len(COARSER))
        for index, made in zip(hard, tried, strict=True):
            best = apart[index]
            for scale, one in zip(COARSER, made, strict=True):
                if (distance := float(one.signs[1])) < best:
                    best, better[index], wanted[index].pair.scale = distance, one, scale
            if better[index]:
                self.report.coarser.append(wanted[index].pair.left.number)

    def _make_by_halving(self, wanted: list[Request]) -> list[InterpolatedFrame]:
        """For networks that know the midpoint only: midpoints of midpoints, each made once."""
        roads = [nearest_halving(one.middle) for one in wanted]
        results: dict[tuple[int, Fraction], InterpolatedFrame] = {}
        for level in range(max(len(halvings) for _, halvings in roads)):
            missing: dict[tuple[int, Fraction], Request] = {
                (id(one.pair), halvings[level][1]): Request(one.pair, *halvings[level])
                for one, (_, halvings) in zip(wanted, roads, strict=True)
                if level < len(halvings) and halvings[level][1] not in one.pair.between
            }
            for batch in _batches(list(missing.items()), self.plan.batch_size):
                midpoints = [midpoint for _, midpoint in batch]
                made = self._make(midpoints)
                # What follows is made of it, so it must do at once.
                better = self._better(midpoints, [one.signs for one in made])
                for (key, midpoint), one, other in zip(batch, made, better, strict=True):
                    kept = other or one
                    alpha = None if kept.alpha is None else kept.alpha[None]
                    midpoint.pair.between[midpoint.middle] = DeviceFrame(
                        ImageAlpha(kept.image[None], alpha)
                    )
                    results[key] = kept
        targets = [(one.pair, target) for one, (target, _) in zip(wanted, roads, strict=True)]
        return [results.get((id(pair), at)) or self._known(pair, at) for pair, at in targets]

    def _known(self, pair: Pair, timestep: Fraction) -> InterpolatedFrame:
        """What an earlier batch made, or a source frame that is nearest."""
        planes = pair.at(timestep, self.transfers).planes
        still = planes.image.new_zeros(planes.image.shape[-2:])
        alpha = None if planes.alpha is None else planes.alpha[0]
        return InterpolatedFrame(planes.image[0].clamp(0, 1), alpha, still, still.new_zeros(3))

    def _make(self, wanted: list[Request], in_float32: bool = False) -> list[InterpolatedFrame]:
        """Makes what is wanted; goes down the ladder where memory runs out."""
        made: list[InterpolatedFrame] = []
        while len(made) < len(wanted):
            batch = wanted[len(made) : len(made) + self.plan.batch_size]
            try:
                made += self._at_once(self._float32() if in_float32 else self.network, batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                lower = self.plan.smaller(self.height, self.width)
                if lower is None:
                    raise torch.OutOfMemoryError(
                        f"There is not enough memory for frames of {self.width} x {self.height} "
                        f"({self.plan}). Close other programs, or make the frames smaller."
                    ) from error
                self._descend(lower)
        return made

    def _float32(self) -> RIFE:
        self._in_float32 = self._in_float32 or copy.deepcopy(self.network).float()
        return self._in_float32

    def _descend(self, plan: Plan) -> None:
        if plan.device != self.plan.device:
            self.network = copy.deepcopy(self.network).to(plan.device).float()
            self.transfers = transfers_for(plan.device)
            self._in_float32 = None
        self.plan = plan
        self.report.plans.append(str(plan))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _at_once(self, network: RIFE, wanted: list[Request]) -> list[InterpolatedFrame]:
        side, batch = self.plan.tile, [self._job(one) for one in wanted]
        if side is not None:
            return [self._tiled(network, job, side) for job in batch]
        if self.plan.device.type == "cpu" and len(batch) > 1 and torch.get_num_threads() > 1:
            return self._side_by_side(network, batch)
        made: list[InterpolatedFrame] = []
        for _, alike in groupby(batch, key=lambda job: job.scale):
            made += self._whole(network, list(alike))
        return made

    def _job(self, wanted: Request) -> NetworkCall:
        # Whole frames stay off a device that they do not fit on.
        transfers = Transfers(torch.device("cpu")) if self.plan.tile else self.transfers
        pair, settled = wanted.pair, self.settings.scale
        scale = settled if settled != AUTO else wanted.scale or pair.scale or _FIRST
        ends = pair.at(wanted.low, transfers), pair.at(wanted.high, transfers)
        return NetworkCall(*ends, wanted.share, scale)

    def _tiled(self, network: RIFE, job: NetworkCall, side: int) -> InterpolatedFrame:
        total: Tensor | None = None
        signs = torch.zeros(3, dtype=torch.float32)
        for tile in tiles(network, self.height, self.width, side, job.scale):
            low, high = (
                p.tile(tile.rows, tile.columns, self.plan.device) for p in (job.low, job.high)
            )
            (made,) = self._whole(network, [NetworkCall(low, high, job.time, job.scale)])
            alpha = made.image[:0] if made.alpha is None else made.alpha
            planes = torch.cat((made.image, made.disagreement[None], alpha)).cpu()
            if total is None:
                total = planes.new_zeros(len(planes), self.height, self.width)
            total[:, tile.rows, tile.columns] += planes * tile.weight
            signs += made.signs.cpu() * tile.weight.sum() / (self.height * self.width)
        assert total is not None
        signs[2] = job.scale  # a mean of equal numbers need not be that number
        return InterpolatedFrame(total[:3], total[4:] if len(total) > 4 else None, total[3], signs)

    def _side_by_side(self, network: RIFE, batch: list[NetworkCall]) -> list[InterpolatedFrame]:
        """The same as `_whole`, each frame in a thread of its own."""
        if self._threads is None:
            self._threads = FramePool(min(self.plan.batch_size, torch.get_num_threads()))
        ready = {(id(p), job.scale): p for job in batch for p in (job.low, job.high)}
        self._threads.map(lambda one: one[1].frame(network, one[0][1]), ready.items())
        made = self._threads.map(lambda job: self._whole(network, [job]), batch)
        return [one for (one,) in made]

    def _whole(self, network: RIFE, batch: list[NetworkCall]) -> list[InterpolatedFrame]:
        """Frames of one scale, made in one run."""
        lows, highs = [job.low for job in batch], [job.high for job in batch]
        times, scale = [job.time for job in batch], batch[0].scale
        frame0, frame1 = (
            EncodedFrame.join([on_device.frame(network, scale) for on_device in side])
            for side in (lows, highs)
        )
        made = network.synthesize(
            frame0, frame1, torch.tensor(times, dtype=torch.float32), scale, self.settings.ensemble
        )
        height, width = lows[0].planes.image.shape[-2:]
        images = crop(made.image, height, width)
        alphas = self._alphas(made.estimate.carry, lows, highs, made.image.shape[-2:])
        apart = (
            made.estimate.disagreement()[:, 0]
            if self.wants_disagreement
            else made.image.new_zeros(1, 1, 1).expand(len(times), *made.image.shape[-2:])
        )
        apart = crop(apart, height, width)
        sides = (
            crop(each, height, width)[..., ::_SEEN, ::_SEEN]
            for each in (made.estimate.warped_img0, made.estimate.warped_img1)
        )
        sums = images.sum((1, 2, 3))
        signs = torch.stack((sums, _mean_distance(*sides), torch.full_like(sums, scale)), 1)
        return [
            InterpolatedFrame(
                image, None if alphas is None else crop(alphas[i], height, width), apart[i], sign
            )
            for i, (image, sign) in enumerate(zip(images, signs, strict=True))
        ]

    @staticmethod
    def _alphas(
        carry: Callable[[Tensor, Tensor], Tensor],
        lows: list[DeviceFrame],
        highs: list[DeviceFrame],
        padded: torch.Size,
    ) -> Tensor | None:
        sides = [[on_device.planes.alpha for on_device in side] for side in (lows, highs)]
        if any(alpha is None for side in sides for alpha in side):
            return None
        alpha0, alpha1 = (torch.cat(cast(list[Tensor], side)) for side in sides)
        return carry(_grown(alpha0, padded), _grown(alpha1, padded)).clamp(0, 1)


def _grown(plane: Tensor, size: torch.Size) -> Tensor:
    bottom, right = size[0] - plane.shape[2], size[1] - plane.shape[3]
    return torch.nn.functional.pad(plane, (0, right, 0, bottom), mode="replicate")


def _mean_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean((1, 2, 3))


def _batches(items: list[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
