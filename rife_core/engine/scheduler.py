"""Decides which frames are interpolated, when, and which of them again.

Each requested frame is a task: started in a batch, finished when its copy arrives. A frame is
interpolated again if it overflowed in half precision, or if its motion is too large for the
scale at which it was estimated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import compress, islice
from math import isfinite
from typing import TypeVar

import torch
from torch import Tensor

from ..inference.halving import nearest_halving
from ..ops.dispatch import undisturbed
from .options import AUTO, Options
from .pixel_formats import ImageAlpha
from .report import Report
from .synthesizer import Synthesizer
from .tasks import DeviceFrame, InterpolatedFrame, OutputFrame, Pair, Request, Task

T = TypeVar("T")

Progress = Callable[[int, int | None], None]
"""Called with the number of frames of the result that are finished, and of all (None: not known).

It ends at the total. Whatever it raises stops the work between two batches.
"""

COARSER = (0.5, 0.25)
"""Scales that follow larger motion."""

AGREED = 0.03
"""Mean difference of the two warped sides up to which coarser scales are not tried.

On one triplet each of 172 clips, choosing by the least difference gained 0.07 dB over scale 1
in the mean, trying always 0.08; the best choice would gain 0.21 (`tests/benchmarks/scales.py`).
"""

_FIRST = 1.0

_MOST_WAITING = 1024
"""Frames that may wait to be handed on; more come of a picture that stays for long."""


class FrameScheduler:
    """Takes requested frames in order and yields them in order, once they are finished.

    Args:
        synthesizer: makes those that are tasks.
        options: how.
        report: counts.
        progress: see `Progress`.
        total: how many will be handed on, if known.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        options: Options,
        report: Report,
        progress: Progress | None = None,
        total: int | None = None,
    ) -> None:
        self._synthesizer = synthesizer
        self._options = options
        self._report = report
        self._progress = progress
        self._total = total
        self._waiting: deque[OutputFrame] = deque()
        self._tasks: list[Task] = []
        self._under_way: deque[list[Task]] = deque()
        self._tell()

    def add(self, frame: OutputFrame) -> Iterator[OutputFrame]:
        """Schedules the next frame; yields finished ones before too many wait."""
        self._waiting.append(frame)
        if isinstance(frame, Task):
            self._tasks.append(frame)
        if len(self._waiting) > _MOST_WAITING:
            yield from self.started() if self._tasks else self.finished()

    def ends_here(self) -> None:
        """No frame follows, whatever total was foreseen."""
        if self._total is not None:
            self._total = self._report.frames_out + sum(one.is_wanted for one in self._waiting)
        self._tell()

    def advance(self) -> Iterator[OutputFrame]:
        """Starts full batches; yields finished frames."""
        if not self._tasks:
            yield from self.finished()
        elif len(self._tasks) >= self._synthesizer.plan.batch_size:
            yield from self.started()

    def started(self) -> Iterator[OutputFrame]:
        """Starts all tasks; yields finished frames while `transfers.ahead` batches still run."""
        yield from self._run(self._synthesizer.transfers.ahead)

    def finished(self) -> Iterator[OutputFrame]:
        """Starts and finishes all tasks; yields all frames."""
        yield from self._run(0)

    def _run(self, ahead: int) -> Iterator[OutputFrame]:
        """Lets `ahead` batches stay under way."""
        while self._tasks or len(self._under_way) > ahead:
            if self._tasks:
                batch = self._tasks[: self._synthesizer.plan.batch_size]
                self._start(batch)
                self._under_way.append(batch)
                del self._tasks[: len(batch)]
            if len(self._under_way) > ahead:
                batch = self._under_way.popleft()
                self._finish(batch)
                self._report.made += len(batch)
            yield from self._handed_on()
        yield from self._handed_on()

    def _handed_on(self) -> Iterator[OutputFrame]:
        before = self._report.frames_out
        while self._waiting and self._waiting[0].is_ready:
            frame = self._waiting.popleft()
            if frame.is_wanted:
                self._report.frames_out += 1
                yield frame
        if self._report.frames_out > before:
            self._tell()

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._report.frames_out, self._total)

    @torch.no_grad()
    @undisturbed()
    def _start(self, tasks: list[Task]) -> None:
        """Lets the network run; on some devices it is still running when this returns."""
        wanted = [task.wanted for task in tasks]
        by_halving = not self._synthesizer.network.spec.arbitrary_timestep
        halved = [by_halving and one.middle < 1 for one in wanted]
        whole = [one for one, is_halved in zip(wanted, halved, strict=True) if not is_halved]
        made = {
            True: iter(self._by_halving(list(compress(wanted, halved)))),
            False: iter(self._synthesize(whole)),
        }
        for task, is_halved in zip(tasks, halved, strict=True):
            task.take(next(made[is_halved]), self._synthesizer.transfers, self._options)

    @torch.no_grad()
    @undisturbed()
    def _finish(self, tasks: list[Task]) -> None:
        """Waits for these frames to arrive; replaces those that are not good enough."""
        better: list[InterpolatedFrame | None] = [None] * len(tasks)
        if self._synthesizer.network.spec.arbitrary_timestep:  # by halving, it is done already
            better = self._better([task.wanted for task in tasks], [task.signs() for task in tasks])
        for task, frame in zip(tasks, better, strict=True):
            if frame:
                task.take(frame, self._synthesizer.transfers, self._options)
            task.end(self._options, self._report)

    def _synthesize(
        self, wanted: list[Request], *, in_float32: bool = False
    ) -> list[InterpolatedFrame]:
        return self._synthesizer.synthesize(
            [one._replace(scale=self._scale(one)) for one in wanted], in_float32=in_float32
        )

    def _scale(self, wanted: Request) -> float:
        settled = self._options.scale
        return settled if settled != AUTO else wanted.scale or wanted.pair.scale or _FIRST

    def _better(self, wanted: list[Request], signs: list[Tensor]) -> list[InterpolatedFrame | None]:
        """For each interpolated frame: a better one where it is not good enough, else None."""
        better: list[InterpolatedFrame | None] = [None] * len(wanted)
        read = [each.tolist() for each in signs]
        for index, (one, (total, *_)) in enumerate(zip(wanted, read, strict=True)):
            if not isfinite(total):
                better[index] = self._synthesize([one], in_float32=True)[0]
                self._report.redone += 1
        if self._options.scale == AUTO:
            sound = [index for index, frame in enumerate(better) if frame is None]
            self._choose_scales(wanted, {index: read[index][1] for index in sound}, better)
            # Others of a pair may have been started before its scale was chosen.
            late = [i for i in sound if not better[i] and read[i][2] != wanted[i].pair.scale]
            for i, frame in zip(late, self._synthesize([wanted[i] for i in late]), strict=True):
                better[i] = frame if isfinite(float(frame.signs[0])) else None
        return better

    def _choose_scales(
        self, wanted: list[Request], apart: dict[int, float], better: list[InterpolatedFrame | None]
    ) -> None:
        """Decides for each pair by the first of its frames; puts better frames into `better`."""
        hard: list[int] = []
        for index, distance in apart.items():
            pair = wanted[index].pair
            if pair.scale is None:
                pair.scale = _FIRST
                if distance > AGREED:
                    hard.append(index)
        trials = [wanted[index]._replace(scale=scale) for index in hard for scale in COARSER]
        tried = _batches(self._synthesize(trials), len(COARSER))
        for index, frames in zip(hard, tried, strict=True):
            best = apart[index]
            for scale, one in zip(COARSER, frames, strict=True):
                if (distance := float(one.signs[1])) < best:
                    best, better[index], wanted[index].pair.scale = distance, one, scale
            if better[index]:
                self._report.coarser.append(wanted[index].pair.left.number)

    def _by_halving(self, wanted: list[Request]) -> list[InterpolatedFrame]:
        """For networks that know the midpoint only: midpoints of midpoints, each made once."""
        roads = [nearest_halving(one.middle) for one in wanted]
        results: dict[tuple[int, Fraction], InterpolatedFrame] = {}
        for level in range(max((len(halvings) for _, halvings in roads), default=0)):
            missing: dict[tuple[int, Fraction], Request] = {
                (id(one.pair), halvings[level][1]): Request(one.pair, *halvings[level])
                for one, (_, halvings) in zip(wanted, roads, strict=True)
                if level < len(halvings) and halvings[level][1] not in one.pair.between
            }
            for batch in _batches(list(missing.items()), self._synthesizer.plan.batch_size):
                midpoints = [midpoint for _, midpoint in batch]
                frames = self._synthesize(midpoints)
                # What follows is made of it, so it must do at once.
                better = self._better(midpoints, [one.signs for one in frames])
                for (key, midpoint), one, other in zip(batch, frames, better, strict=True):
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
        pixels = pair.at(timestep, self._synthesizer.transfers).pixels
        maps = pixels.image.new_zeros(2, *pixels.image.shape[-2:])
        alpha = None if pixels.alpha is None else pixels.alpha[0]
        return InterpolatedFrame(pixels.image[0].clamp(0, 1), alpha, maps, maps.new_zeros(3))


def _batches(items: list[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
