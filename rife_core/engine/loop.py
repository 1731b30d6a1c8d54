"""Frames in, frames out: runs a network along a timeline.

Source frames are copied through bit for bit; only interpolated frames pass the network.
A clip in memory (`interpolate`) and a file of any length (`stream`) take the
same road: an iterator of frames of which the engine holds two or three at a time.

What is wanted where is the timeline's business, what may be interpolated with what
that of `scenes`, and how frames are made that of `scheduler`. Here they meet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from itertools import count as count_from
from typing import cast

import torch
from torch import Tensor
from typing_extensions import Unpack

from ..inference.rife import RIFE
from ..ops.dispatch import is_out_of_memory
from ..timeline import WHOLE, Rhythm, Timeline, Window
from .memory_plan import check_room, free_memory
from .options import Options, Settings
from .pixel_formats import check_frame, mix
from .report import Report
from .scenes import SceneRules, Span, spans
from .scheduler import FrameScheduler
from .tasks import Pair, SourceFrame, Task
from .transfers import unpinned

Progress = Callable[[int, int | None], None]
"""Called with the number of frames made so far and in all (None: not known).

Whatever it raises stops the work between two batches.
"""

Watch = Callable[[Tensor], None]
"""Called with each frame of the result, H W C, as soon as it is there."""


_INSTEAD = "Take `stream` or `interpolate_file`, which hold a few at a time, or ask for fewer."

_MOST_WAITING = 1024
"""Frames of one span that may wait; more come of a picture that stays for long."""


BLOCK = 8
"""Intervals between source frames, after which a new batch begins: what is made together does
not depend on where in a clip the work began."""


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
    **options: Unpack[Options],
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
        disagreement: B' H W, filled with how far the two warped sides of each made
            frame are apart, in [0, 1]; 0 for source frames.
        progress: see `Progress`.
        watch: see `Watch`.
        report: filled while the work goes on.
        options: see `Options`.

    Returns:
        B' H W C, of the type and on the device of `frames`; source frames in it are
        bit-identical.

    Raises:
        ValueError: there is no frame, their shape, type or an option does not fit, or the
            result does not fit into memory.

    Example:
        >>> from ..inference.rife import build_network
        >>> network = build_network("4.25.lite").eval()
        >>> interpolate(network, torch.rand(3, 16, 16, 3), Timeline.multiply(2)).shape
        torch.Size([5, 16, 16, 3])
    """
    if frames.ndim != 4:
        raise ValueError(f"frames must be B H W C, but are {tuple(frames.shape)}.")
    if not len(frames):
        raise ValueError("There are no frames to interpolate: the clip is empty.")
    check_frame(frames[0])
    count, (height, width) = timeline.output_count(len(frames), begin), frames.shape[1:3]
    if frames.device.type == "cpu":
        size = frames[0].numel() * frames.element_size()
        check_room(count, height, width, size, free_memory(), _INSTEAD)
    output = _new_clip(frames, count)
    if disagreement is not None:
        disagreement.zero_()
    results = _stream(
        network,
        frames,
        timeline,
        Settings(**options),
        map(Fraction, count_from(begin)),
        progress,
        sum(step.timestep != 0 for step in timeline.steps(len(frames), begin)),
        report or Report(),
        disagreement is not None,
    )
    for index, item in enumerate(results):
        output[index].copy_(item.result)
        if watch:
            watch(output[index])
        if disagreement is not None and isinstance(item, Task):
            disagreement[index].copy_(item.disagreement)
    return output


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
    **options: Unpack[Options],
) -> Iterator[Tensor]:
    """`interpolate` for clips that do not fit in memory: yields each output frame in order.

    Args:
        frames: H W C each, all of one size and type; read one at a time.
        places: where each frame stands on the timeline's axis, ascending; by default
            its index. Seconds, for clips of uneven frame times.
        rhythm: how places follow each other; by default nothing is known of it.
        window: the output frames that are wanted; source frames before them serve to tell
            cuts and repeats, as many are read after them as it takes.
        total: how many frames will be made, if known; handed on to `progress`.

    Yields:
        H W C. Source frames are the very tensors that came in.
    """
    settings, report = Settings(**options), report or Report()
    items = _stream(
        network, frames, timeline, settings, places, progress, total, report, False, rhythm, window
    )
    for item in items:
        yield unpinned(item.result) if isinstance(item, Task) else item.result


def _stream(
    network: RIFE,
    frames: Iterable[Tensor],
    timeline: Timeline,
    settings: Settings,
    places: Iterable[Fraction] | None,
    progress: Progress | None,
    total: int | None,
    report: Report,
    wants_disagreement: bool,
    rhythm: Rhythm | None = None,
    window: Window = WHOLE,
) -> Iterator[_Shown | Task]:
    """Every output frame in order, as the item that shows it."""
    network.check_ensemble(settings.ensemble)
    if settings.batch_size < 0:
        raise ValueError(f"batch_size is {settings.batch_size}; it must be 0 (automatic) or more.")
    source = _sources(frames, places, report)
    opening = next(source, None)
    if opening is None:
        return
    first = opening[1]
    scheduler = FrameScheduler(network, settings, first.frame, report, wants_disagreement)
    if progress:
        progress(0, total)
    waiting: deque[_Shown | Task] = deque()
    tasks: list[Task] = []
    under_way: deque[list[Task]] = deque()
    unwanted = 0  # of those that wait: they come before the window, in a span that reaches into it
    block = (rhythm.interval if rhythm else 1) * BLOCK

    def finished(ahead: int) -> Iterator[_Shown | Task]:
        """Begins what waits, ends it but for `ahead` batches, and hands on what is ready."""
        nonlocal unwanted
        while tasks or len(under_way) > ahead:
            if tasks:
                batch = tasks[: scheduler.plan.batch_size]
                scheduler.begin(batch)
                under_way.append(batch)
                del tasks[: len(batch)]
            if len(under_way) > ahead:
                batch = under_way.popleft()
                scheduler.end(batch)
                report.made += len(batch)
                if progress:
                    progress(report.made, total)
        while waiting and waiting[0].is_ready:
            item = waiting.popleft()
            if unwanted:
                unwanted -= 1
                continue
            report.frames_out += 1
            yield item

    def show(span: Span) -> Iterator[_Shown | Task]:
        """Puts down what is wanted of a span; hands on what is ready before too much waits."""
        nonlocal unwanted
        pair = Pair(cast(SourceFrame, span.left), cast(SourceFrame, span.right))
        stop = span.stop if window.stop is None else min(span.stop, window.stop)
        moves_from = rhythm.moves_from(span.start, span.stop) if rhythm else span.start
        report.pairs.append(0)
        for place in timeline.places(span.start, stop):
            timestep = max(Fraction(0), (place - moves_from) / (span.stop - moves_from))
            item = _item(pair, timestep, span.is_cut, settings.scenes)
            report.pairs[-1] += 1
            unwanted += place < window.start
            waiting.append(item)
            if isinstance(item, Task):
                tasks.append(item)
            if len(waiting) > _MOST_WAITING:
                yield from finished(scheduler.transfers.ahead)

    def show_end(last: SourceFrame, place: Fraction, lasts: Fraction) -> Iterator[_Shown | Task]:
        """Puts down what is wanted from the last source frame on."""
        if report.frames_in == 1:
            waiting.append(_Shown(last.frame))
        elif timeline.end == "loop":
            yield from show(Span(last, first, place, place + lasts, False))
        else:
            interval = rhythm.interval if rhythm else None
            for _ in timeline.tail(place, place + lasts, interval):
                waiting.append(_Shown(last.frame))
                if len(waiting) > _MOST_WAITING:
                    yield from finished(0)

    def chained() -> Iterator[tuple[Fraction, SourceFrame]]:
        for place, each in chain((opening,), source):
            scheduler.upload(each)
            yield place, each

    with scheduler:
        last, last_place, gap = first, opening[0], Fraction(1)
        reached = last_place // block
        for span in spans(chained(), settings.scenes, report.scenes):
            if window.stop is not None and span.start >= window.stop:
                break
            if span.start // block != reached:
                reached = span.start // block
                yield from finished(scheduler.transfers.ahead)
            if span.stop > window.start:
                yield from show(span)
            last, last_place = cast(SourceFrame, span.right), span.stop
            gap = span.stop - span.start
            if not tasks or len(tasks) >= scheduler.plan.batch_size:
                yield from finished(scheduler.transfers.ahead if tasks else 0)
        else:
            yield from show_end(last, last_place, rhythm.last_lasts if rhythm else gap)
        yield from finished(0)


def _sources(
    frames: Iterable[Tensor], places: Iterable[Fraction] | None, report: Report
) -> Iterator[tuple[Fraction, SourceFrame]]:
    first: Tensor | None = None
    for place, frame in zip(places or map(Fraction, count_from()), frames, strict=False):
        check_frame(frame, first)
        first = frame if first is None else first
        report.frames_in += 1
        yield place, SourceFrame(frame, report.frames_in, report)


@dataclass(frozen=True)
class _Shown:
    """An output frame that needs no network."""

    result: Tensor
    is_ready = True


def _item(pair: Pair, timestep: Fraction, is_cut: bool, rules: SceneRules) -> _Shown | Task:
    """What is shown at `timestep` of a pair."""
    left, right = pair.left.frame, pair.right.frame
    if timestep == 0 or (is_cut and rules.at_cut in ("hold", "interpolate")):
        return _Shown(left)
    if not is_cut:
        return Task(pair, timestep)
    if rules.at_cut == "nearest":
        return _Shown(left if timestep < Fraction(1, 2) else right)
    return _Shown(mix(left, right, float(timestep)))
