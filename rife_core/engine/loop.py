"""Frames in, frames out: runs a network along a timeline.

Source frames are copied through bit for bit; only interpolated frames pass the network.
A clip in memory (`interpolate`) and a file of any length (`stream`) take the
same road: an iterator of frames of which the engine holds two or three at a time.

The timeline decides which frames are wanted and where, `scenes` what may be interpolated
with what, `scheduler` when that happens, and `synthesizer` how. This module joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from itertools import count as count_from
from typing import cast

import torch
from torch import Tensor
from typing_extensions import Unpack

from ..basics.arguments import checked
from ..inference.rife import RIFE
from ..ops.dispatch import is_out_of_memory
from ..ops.light import DisplayLight, Light
from ..timeline import EVEN, WHOLE, Rhythm, Timeline, Window
from ..timeline.replaced import check_replaced
from .exposure import exposed
from .memory_plan import Plan, check_room, first_plan, free_memory
from .options import OptionFields, Options
from .pacing import motion, paced
from .pixel_formats import check_dense, check_frame, mix
from .report import Report
from .scenes import SceneRules, Span, closes, spans
from .scheduler import FrameScheduler, Progress
from .synthesizer import Synthesizer
from .tasks import OutputFrame, Pair, ReadyFrame, SourceFrame, Task
from .transfers import unpinned

Watch = Callable[[Tensor], None]
"""Called with each frame of the result, H W C, as soon as it is there."""


_INSTEAD = "Take `stream` or `interpolate_file`, which hold a few at a time, or ask for fewer."


BLOCK = 8
"""Intervals between source frames, after which a new batch begins: what is made together does
not depend on where in a clip the work began."""


def check_clip(frames: Tensor) -> None:
    """Raises ValueError unless `frames` is a clip, B H W C, with at least one frame."""
    check_dense(frames)
    if frames.ndim != 4:
        raise ValueError(f"frames must be B H W C, but are {tuple(frames.shape)}.")
    if not len(frames):
        raise ValueError("There are no frames to interpolate: the clip is empty.")
    check_frame(frames[0])


@checked
def interpolate(
    network: RIFE,
    frames: Tensor,
    timeline: Timeline,
    *,
    begin: int = 0,
    disagreement: Tensor | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
    report: Report | None = None,
    plan: Plan | None = None,
    **options: Unpack[OptionFields],
) -> Tensor:
    """Makes the frames that `timeline` asks for between those of a clip.

    The network runs on the device of its weights; the clip stays where it is. Where
    memory runs out, it goes on with fewer frames at once, then in tiles, then on the
    CPU, and keeps what it has made.

    Args:
        network: any row, in evaluation mode.
        frames: B H W C with 1, 3 or 4 channels, floating point in [0, 1] or uint8,
            any H and W. A single frame is returned as it is.
        timeline: which frames to make.
        begin: where the clip comes in parts, the number of this part's first frame, from 0. It
            should be the last one of the part before, whose output frame comes first again.
        disagreement: B' H W, as many as `timeline` says, filled with how far the two warped
            sides of each interpolated frame are apart, in [0, 1]; 0 for source frames.
        progress: see `Progress`.
        watch: see `Watch`.
        report: filled while the work goes on.
        plan: see `first_plan`; by default it is made here.
        options: see `Options`.

    Returns:
        B' H W C, of the type and on the device of `frames`; source frames in it are
        bit-identical. Where a loop's last frame repeats the first one, it is left out, and B'
        is less than `timeline` says; see `scenes.closes`.

    Raises:
        ValueError: there is no frame, their shape, type or an option does not fit, or the
            result does not fit into memory.

    Example:
        >>> from ..inference.rife import build_network
        >>> network = build_network("4.25.lite").eval()
        >>> interpolate(network, torch.rand(3, 16, 16, 3), Timeline.multiply(2)).shape
        torch.Size([5, 16, 16, 3])
    """
    check_clip(frames)
    frames = frames.detach()  # what is made has no gradients, and neither have copies
    count, (height, width) = timeline.output_count(len(frames), begin), frames.shape[1:3]
    if frames.device.type == "cpu":
        size = frames[0].numel() * frames.element_size()
        check_room(count, height, width, size, free_memory(), _INSTEAD)
    checked = Options(**options)
    check_replaced(checked.scenes.replaced, len(frames))
    run = Run(
        network,
        timeline,
        checked,
        report=report or Report(),
        plan=plan,
        rhythm=EVEN if checked.scenes.replaced else None,
        progress=progress,
        total=count,
        wants_disagreement=disagreement is not None,
    )
    output = _new_clip(frames, count)
    results = run.output_frames(frames, map(Fraction, count_from(begin)))
    return output[: _fill(output, results, disagreement, watch)]


def _new_clip(like: Tensor, count: int) -> Tensor:
    try:
        return like.new_empty((count, *like.shape[1:]))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        size = count * like[0].numel() * like.element_size()
        raise torch.OutOfMemoryError(
            f"There is not enough memory for the result: {count} frames take {size / 2**30:.1f} "
            "GiB. Ask for fewer frames, or take Interpolate Video or stream, which hold a few "
            "at a time."
        ) from error


def _fill(
    output: Tensor,
    results: Iterable[OutputFrame],
    disagreement: Tensor | None,
    watch: Watch | None,
) -> int:
    """Copies what comes out of the engine into `output`; returns how many frames came."""
    if disagreement is not None:
        disagreement.zero_()
    index = -1
    for index, item in enumerate(results):
        output[index].copy_(item.result)
        if watch:
            watch(output[index])
        if disagreement is not None and isinstance(item, Task):
            disagreement[index].copy_(item.disagreement)
    return index + 1


@checked
def stream(
    network: RIFE,
    frames: Iterable[Tensor],
    timeline: Timeline,
    *,
    places: Iterable[Fraction] | None = None,
    rhythm: Rhythm | None = None,
    window: Window = WHOLE,
    progress: Progress | None = None,
    total: int | None = None,
    report: Report | None = None,
    plan: Plan | None = None,
    light: Light | None = None,
    **options: Unpack[OptionFields],
) -> Iterator[Tensor]:
    """`interpolate` for clips that do not fit in memory: yields each output frame in order.

    Args:
        frames: H W C each, all of one size and type; read one at a time. They are not copied:
            whoever fills one buffer again and again gives a clone of it.
        places: where each frame stands on the timeline's axis, ascending; by default
            its index. Seconds, for clips of uneven frame times.
        rhythm: how places follow each other; by default nothing is known of it.
        window: the output frames that are wanted; source frames before them serve to tell
            cuts and repeats, as many are read after them as it takes.
        total: how many frames there will be, if known; handed on to `progress`.
        plan: see `first_plan`; by default it is made with the first frame.
        light: the curve between frames and light, along which a shutter averages; that of sRGB by
            default.

    Yields:
        H W C. Source frames are the very tensors that came in.
    """
    run = Run(
        network,
        timeline,
        Options(**options),
        report=report or Report(),
        plan=plan,
        rhythm=rhythm,
        window=window,
        progress=progress,
        total=total,
        light=DisplayLight() if light is None else light,
    )
    return run.frames(frames, places)


@dataclass
class Run:
    """One run of a network along a timeline; see `stream`.

    Attributes:
        network, timeline, options: what is done.
        report: filled meanwhile.
        plan: how it begins; None makes one for the first frame.
        rhythm, window: see `stream`.
        progress, total: see `stream`.
        wants_disagreement: whether tasks come with a map of it.
        light: see `stream`.
    """

    network: RIFE
    timeline: Timeline
    options: Options
    report: Report = field(default_factory=Report)
    plan: Plan | None = None
    rhythm: Rhythm | None = None
    window: Window = WHOLE
    progress: Progress | None = None
    total: int | None = None
    wants_disagreement: bool = False
    light: Light = field(default_factory=DisplayLight)
    _scene: int = field(default=0, init=False)

    def frames(
        self, frames: Iterable[Tensor], places: Iterable[Fraction] | None = None
    ) -> Iterator[Tensor]:
        """Every output frame in order: H W C."""
        for item in self.output_frames(frames, places):
            yield unpinned(item.result) if isinstance(item, Task) else item.result

    def output_frames(
        self, frames: Iterable[Tensor], places: Iterable[Fraction] | None = None
    ) -> Iterator[OutputFrame]:
        """The same, with what is known of each."""
        shutter = self.timeline.shutter
        if not shutter:
            yield from self._exposures(frames, places)
            return
        places = iter(places or map(Fraction, count_from()))
        begin = next(places, Fraction(0))
        before = self.timeline.count(0, max(begin, self.window.start)) % shutter.exposures
        self.report.shutter = str(shutter)
        exposures = (
            (item.result, item.scene)
            for item in self._exposures(frames, chain((begin,), places), shutter.exposures)
        )
        done = 0
        for frame in exposed(exposures, shutter.exposures, before, self.light):
            done += 1
            yield ReadyFrame(frame)
        self.report.frames_out = done

    def _exposures(
        self,
        frames: Iterable[Tensor],
        places: Iterable[Fraction] | None,
        count: int = 1,
    ) -> Iterator[OutputFrame]:
        """The picture at each place of the timeline; `count` of them make a frame."""

        def progress(done: int, total: int | None) -> None:
            if self.progress:
                self.progress(-(-done // count), None if total is None else -(-total // count))

        sources = _sources(frames, places, self.report)
        opening = next(sources, None)
        if opening is None:
            return
        place, first = opening
        with self._synthesizer(*first.frame.shape[:2]) as synthesizer:
            total = None if self.total is None else self.total * count
            scheduler = FrameScheduler(synthesizer, self.options, self.report, progress, total)

            def uploaded() -> Iterator[tuple[Fraction, SourceFrame]]:
                for place, source in chain((opening,), sources):
                    synthesizer.upload(source)
                    yield place, source

            last = Span(first, first, place - 1, place, False)
            block = (self.rhythm.interval if self.rhythm else 1) * BLOCK
            reached = place // block
            found = spans(uploaded(), self.options.scenes, self.report.scenes)
            if self.options.scenes.pacing == "eased":
                found = paced(found, motion(self.network), self.rhythm)
            for span in found:
                if self.window.stop is not None and span.start >= self.window.stop:
                    break
                # So does one with what leads into the next block, in whose midst work may begin.
                if span.start // block != reached or span.stop > (reached + 1) * block:
                    reached = span.start // block
                    yield from scheduler.started()
                if span.stop > self.window.start:
                    yield from self._schedule(scheduler, span)
                last = span
                yield from scheduler.advance()
            else:
                yield from self._schedule_end(scheduler, last, first)
            yield from scheduler.finished()

    def _synthesizer(self, height: int, width: int) -> Synthesizer:
        self.options.check(self.network, height, width)
        plan = self.plan or first_plan(self.network, height, width, self.options)
        if (plan.height, plan.width) != (height, width):
            raise ValueError(
                f"The plan is for frames of {plan.width}x{plan.height}, but they are "
                f"{width}x{height}; make it for these."
            )
        return Synthesizer(
            self.network,
            plan,
            self.report,
            ensemble=self.options.ensemble,
            wants_maps=self.wants_disagreement or self.options.unsure != "blend",
        )

    def _schedule(self, scheduler: FrameScheduler, span: Span) -> Iterator[OutputFrame]:
        """Schedules the output frames of a span; yields finished ones before too many wait."""
        seen = span.moving or span
        pair = Pair(cast(SourceFrame, seen.left), cast(SourceFrame, seen.right))
        begin, stop = self.window
        moves_from = self.rhythm.moves_from(span.start, span.stop) if self.rhythm else span.start
        self.report.pairs.append(0)
        for place in self.timeline.places(span.start, span.stop):
            timestep = max(Fraction(0), (place - moves_from) / (span.stop - moves_from))
            self.report.pairs[-1] += 1
            is_wanted = begin <= place and (stop is None or place < stop)
            if timestep and span.moving:
                timestep = span.pace.at(timestep) if span.pace else timestep
                yield from scheduler.add(Task(pair, timestep, is_wanted, self._scene))
            else:
                shown = _shown(span, timestep, self.options.scenes)
                yield from scheduler.add(ReadyFrame(shown, is_wanted, self._scene))
        self._scene += span.is_cut

    def _schedule_end(
        self, scheduler: FrameScheduler, before: Span, first: SourceFrame
    ) -> Iterator[OutputFrame]:
        """Schedules the output frames from the last source frame on, to which `before` leads."""
        last, start = before.right, before.stop
        lasts = self.rhythm.last_lasts if self.rhythm else start - before.start
        shown = ReadyFrame(last.frame, scene=self._scene)
        if self.report.frames_in == 1:
            yield from scheduler.add(shown)
        elif self.timeline.end == "loop" and closes(before, first, self.options.scenes):
            self.report.closed_by = self.report.frames_in
            scheduler.ends_here()
        elif self.timeline.end == "loop":
            yield from self._schedule(scheduler, Span(last, first, start, start + lasts, False))
        else:
            interval = self.rhythm.interval if self.rhythm else None
            for _ in self.timeline.tail(start, start + lasts, interval):
                yield from scheduler.add(shown)


def _shown(span: Span, timestep: Fraction, rules: SceneRules) -> Tensor:
    """What is shown at `timestep` of a span that stands still, or at its first frame."""
    left, right = span.left.frame, span.right.frame
    if timestep == 0:
        return left
    if rules.at_cut == "nearest":
        return left if timestep < Fraction(1, 2) else right
    if rules.at_cut == "blend":
        return mix(left, right, float(timestep))
    return left


def _sources(
    frames: Iterable[Tensor], places: Iterable[Fraction] | None, report: Report
) -> Iterator[tuple[Fraction, SourceFrame]]:
    first: Tensor | None = None
    for place, frame in zip(places or map(Fraction, count_from()), frames, strict=False):
        check_frame(frame, first)
        first = frame if first is None else first
        report.frames_in += 1
        yield place, SourceFrame(frame, report.frames_in, report)
