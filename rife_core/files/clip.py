"""A file's frames on the axis of a timeline: counted where they are even, else timed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..engine.loop import BLOCK
from ..timeline import EVEN, MAX_MULTIPLIER, Rhythm, Timeline, Window
from ..timeline.replaced import check_replaced
from ..video import FrameSource

_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273
_DRIFT = 1.5  # output frames; a source frame that is shown farther from its time is misplaced
_LARGEST_FACTOR = 16  # to the rate, so that each source frame gets an output frame
_ROUNDING = 2  # ticks of the file; so near an output frame a source frame is that frame


@dataclass(frozen=True)
class Segment:
    """Output frames that are made and encoded without those before and after them.

    Attributes:
        first: the number of the first one, counted from 0.
        count: how many they are.
        source: the source frame where they begin.
        stop: the source frame that ends them; None: the end of the clip.
    """

    first: int
    count: int
    source: int
    stop: int | None


@dataclass
class Clip:
    """A file and what is wanted of it.

    Attributes:
        reader: the file.
        timeline: which places of the axis are wanted.
        even: whether frames are counted; else places are seconds.
        fps: rate at which the result runs as fast as the source.
        interval: from one place of a source frame to the next, as it prevails.
        slots: of uneven clips whose frames are multiplied, the output frame that each source
            frame becomes; all of them are shown.
        note: a sentence where the rate is not what was asked for.
        replaced: numbers of the frames, from 1, that are made anew.
    """

    reader: FrameSource
    timeline: Timeline
    even: bool
    fps: Fraction
    interval: Fraction = Fraction(1)
    slots: NDArray[np.int64] | None = None
    note: str | None = None
    replaced: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.last_place = Fraction(-1)
        self.given = 0

    @classmethod
    def of(
        cls, reader: FrameSource, timeline: Timeline, replaced: frozenset[int] = frozenset()
    ) -> Clip:
        """The clip in `reader`; the frames `replaced` are to be interpolated.

        Raises:
            ValueError: the timeline does not fit it, or a frame of these has no neighbours.
        """
        if timeline.shutter and reader.kind.color.transfer in _HDR:
            curve = _HDR[reader.kind.color.transfer]
            raise ValueError(
                f"{reader.path.name} is HDR ({curve}), and blur averages light as sRGB has it. "
                "Convert it to SDR first, or leave the blur out."
            )
        clock = reader.clock
        fps = timeline.target or timeline.output_fps(reader.fps)
        if clock.count == 1:
            fps = reader.fps  # it lasts as long as it did, and so does its sound
        if clock.constant:
            if timeline.target:
                timeline = replace(timeline, step=reader.fps / timeline.target)
            if timeline.speed:
                timeline = replace(timeline, second=reader.fps)
            _check_ratio(timeline.step)
            check_replaced(replaced, clock.count)
            return cls(reader, timeline, True, fps, replaced=replaced)
        if replaced:
            raise ValueError(
                f"{reader.path.name} has uneven frame times; none of them is replaced."
            )
        if timeline.schedule:
            raise ValueError(
                f"{reader.path.name} has uneven frame times, for which a schedule of multipliers "
                "is not defined. Give one multiplier or a frame rate."
            )
        interval = 1 / reader.fps
        _check_ratio(1 / fps / interval)
        if timeline.target or timeline.speed or timeline.step.numerator != 1:
            return cls(reader, replace(timeline, step=1 / fps), False, fps, interval)
        slots, factor = _dealt(clock.ticks, float(clock.tick * fps))
        note = None
        if factor > 1:
            note = (
                f"The source is uneven, with stretches of more than {float(reader.fps):.6g} fps; "
                f"the result has {factor} times the rate asked for, so that no frame is lost."
            )
            fps *= factor
        return cls(reader, replace(timeline, step=1 / fps), False, fps, interval, slots, note)

    @property
    def count(self) -> int:
        """How many source frames there are."""
        return self.reader.clock.count

    @property
    def rhythm(self) -> Rhythm:
        """How places follow each other."""
        if self.even:
            return EVEN
        clock = self.reader.clock
        return Rhythm(self.interval, clock.end - clock.time(clock.count - 1))

    def frames(self, first: int) -> Iterator[tuple[Fraction, Tensor]]:
        """Frames from number `first` on, each with its place; places rise."""
        self.last_place, self.given = self._place(first - 1) if first else Fraction(-1), 0
        for index, (seconds, frame) in enumerate(self.reader.timed(first), first):
            place = self._placed(index, seconds)
            self.last_place = place
            self.given += 1
            yield place, frame
            del frame

    @cached_property
    def total(self) -> int | None:
        """How many frames it becomes; None if not known."""
        if self.count < 1 or self.reader.allow_damaged:
            return None
        return self.due(self._place(self.count - 1), self.count)

    @cached_property
    def interpolated(self) -> int | None:
        """How many of them a network makes, at most: cuts make them fewer; None if not known."""
        if self.total is None or self.timeline.speed or self.timeline.shutter:
            return self.total and self.total * self.timeline.exposures
        moment = self.timeline.step / MAX_MULTIPLIER
        *places, last = [self._place(index) for index in range(self.count)]
        if self.timeline.end == "loop":
            places.append(last)
            ending = 0
        else:
            ending = self.total - self._before_place(last)
        return (
            self.total
            - ending
            - sum(self.timeline.count(place, place + moment) for place in places)
        )

    def due(self, last: Fraction, count: int) -> int:
        """How many output frames come of `count` source frames, the last one at `last`."""
        if count < 2:
            return count
        stop = last + self.rhythm.last_lasts
        if self.timeline.end == "last_frame":
            tail = sum(1 for _ in self.timeline.tail(last, stop, self.interval))
        else:
            tail = self.timeline.count(last, stop)
        return -(-(self._before_place(last) + tail) // self.timeline.exposures)

    def due_before(self, last: Fraction) -> int:
        """How many output frames come before the place of the last source frame."""
        return -(-self._before_place(last) // self.timeline.exposures)

    def entry(self, done: int, read_from: Callable[[int], int]) -> tuple[int, int]:
        """Where to continue after `done` output frames.

        Args:
            done: so many there are.
            read_from: which source frame is read first for work that begins with one.

        Returns:
            The source frame to begin with, and how many of the output frames that
            follow are there already.
        """
        if not done or self.count < 2:
            return 0, done
        exposures = self.timeline.exposures
        pair = bisect_right(range(self.count - 1), done * exposures, key=self._before) - 1
        begin = read_from(pair)
        return begin, done - self._before(begin) // exposures

    def window(self, first: int, stop: int | None = None) -> Window:
        """The places from source frame `first` up to `stop`."""
        return Window(self._place(first), None if stop is None else self._place(stop))

    def segments(self, length: int) -> list[Segment]:
        """The clip in segments of at least `length` output frames each; the rest is the last.

        They begin where the engine begins a new batch and no frame is being exposed, so that each
        can be made alone.
        """
        assert self.total is not None, "only a clip that is known to its end can be divided"
        starts = [0] if self.timeline.end == "loop" else self._block_starts()
        kept, firsts, places = [0], [0], 0
        for last, start in pairwise(starts):
            places += self.timeline.count(self._place(last), self._place(start))
            before, exposed = divmod(places, self.timeline.exposures)
            if not exposed and before - firsts[-1] >= length and before < self.total:
                kept.append(start)
                firsts.append(before)
        stops = [*kept[1:], None]
        counts = [after - before for before, after in pairwise([*firsts, self.total])]
        return [Segment(*each) for each in zip(firsts, counts, kept, stops, strict=True)]

    def _block_starts(self) -> list[int]:
        """Source frames that are the first ones in a block of the engine."""
        frames, block = range(self.count - 1), BLOCK * self.rhythm.interval
        if self.even:
            blocks = (frames[begin : begin + BLOCK] for begin in frames[::BLOCK])
            # A batch begins with the first frame of a block that is not made anew itself.
            kept = ((each for each in block if each + 1 not in self.replaced) for block in blocks)
            return [start for each in kept if (start := next(each, None)) is not None]
        last = self._place(max(0, self.count - 2)) // block
        starts = {
            bisect_left(frames, number * block, key=self._place) for number in range(1, last + 1)
        }
        return [0, *sorted(starts - {0, len(frames)})]

    def _placed(self, index: int, seconds: Fraction) -> Fraction:
        """The place of the frame after the last one that was placed."""
        lossy = self.reader.allow_damaged or self.reader.skip_damaged
        if self.even and not lossy:
            return Fraction(index)
        if self.even:  # where frames are lost, those after them keep their times
            return Fraction(max(round(seconds * self.reader.fps), int(self.last_place) + 1))
        step = self.timeline.step
        if self.slots is None:
            return max(self._near(seconds), self.last_place + step / MAX_MULTIPLIER)
        if not lossy and index < len(self.slots):
            return self._place(index)
        return step * max(round(seconds / step), int(self.last_place / step) + 1)

    def _near(self, seconds: Fraction) -> Fraction:
        """The time of an output frame, where it is the same but for rounding."""
        step = self.timeline.step
        nearest = round(seconds / step) * step
        rounding = min(_ROUNDING * self.reader.clock.tick, step / 8)
        return nearest if abs(nearest - seconds) <= rounding else seconds

    def _place(self, index: int) -> Fraction:
        if self.even:
            return Fraction(index)
        if self.slots is not None:
            return int(self.slots[index]) * self.timeline.step
        return self._near(self.reader.clock.time(index))

    def _before(self, index: int) -> int:
        """How many output frames, or exposures of them, come before source frame `index`."""
        return self._before_place(self._place(index))

    def _before_place(self, place: Fraction) -> int:
        return self.timeline.count(0, place)


def _dealt(ticks: NDArray[np.int64], ratio: float) -> tuple[NDArray[np.int64], int]:
    """An output frame of its own for each source frame, near its time.

    Args:
        ticks: the times.
        ratio: output frames in a tick.

    Returns:
        Their numbers, and what the rate was multiplied by for that.
    """
    numbers = np.arange(len(ticks))
    factor = 1
    while True:
        exact = ticks * (ratio * factor)
        slots = np.maximum.accumulate(np.rint(exact).astype(np.int64) - numbers) + numbers
        if factor == _LARGEST_FACTOR or np.abs(slots - exact).max(initial=0) <= _DRIFT:
            return slots, factor
        factor *= 2


def _check_ratio(step: Fraction) -> None:
    if step * MAX_MULTIPLIER < 1:
        raise ValueError(
            f"The frame rate asked for is {float(1 / step):.6g} times the source's; it may be up "
            f"to {MAX_MULTIPLIER} times."
        )
