"""Which output frame comes from where: pairs and timesteps in exact fractions, no tensors.

A timeline says at which places of the source clip an output frame is wanted.
Places are counted in source frames: place 3 is source frame 3 itself, place 3 1/4
lies a quarter of the way from frame 3 to frame 4. (Clips of uneven frame times
are counted in seconds instead; the rules are the same.) All that is asked of a
timeline is which places fall into a stretch of the clip, so a clip need not be
known to its end. Cuts and repeated frames change what is shown at a place, never
the places: see `scenes`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from heapq import heappop, heappush
from math import ceil, floor
from typing import Literal, NamedTuple, get_args

from ..basics.arguments import check_fields, checked, shown
from .shutter import Shutter
from .speed_curve import SpeedCurve

End = Literal["last_frame", "keep_duration", "loop"]
ENDS: tuple[End, ...] = get_args(End)

MAX_MULTIPLIER = 1024

LONGEST_STEP = 6
"""Intervals up to which motion is usually spread over the time between two frames."""

_LOWEST_FPS, _HIGHEST_FPS = Fraction(1, 1000), 10**6
_LARGEST_NUMBER = 2**31 - 1  # of the fractions in which file types write rates

_NTSC = 1001
_NTSC_TOLERANCE = Fraction(1, 5000)  # takes 23.98 for 24000/1001, and leaves 7.99 alone
_SCHEDULE_ENTRY = re.compile(r"(?:(\d{1,9})(?:-(\d{1,9}))?:|rest[ :=]*)(\d{1,9})")


class Step(NamedTuple):
    """One output frame: `timestep` of the way from source frame `pair` to the next one.

    Timestep 0 is the source frame itself. After the last frame comes the first one
    in a loop, and nothing otherwise.
    """

    pair: int
    timestep: Fraction


class Stretch(NamedTuple):
    """Pairs `first` to `last` (both counted in, from 0) get `multiplier` frames each."""

    first: int
    last: int
    multiplier: int


class Rhythm(NamedTuple):
    """How the frames of a clip follow each other.

    Attributes:
        interval: from one place to the next, as it prevails.
        last_lasts: for how long the last frame is shown.
        longest: intervals up to which motion is spread over the time between two frames.
    """

    interval: Fraction
    last_lasts: Fraction
    longest: int = LONGEST_STEP

    def moves_from(self, start: Fraction, stop: Fraction) -> Fraction:
        """Where motion begins in a stretch between two frames.

        A picture that stays for longer than `longest` intervals is meant to: it is shown as if it
        were repeated all the while, and moves in the last interval.

        Example:
            >>> str(Rhythm(Fraction(1), Fraction(1)).moves_from(Fraction(3), Fraction(13)))
            '12'
        """
        is_hold = stop - start > self.longest * self.interval
        return stop - self.interval if is_hold else start


EVEN = Rhythm(Fraction(1), Fraction(1))
"""That of frames whose places are their numbers."""


class Window(NamedTuple):
    """A stretch of a clip: the places from `start` up to `stop` (None: to the end)."""

    start: Fraction
    stop: Fraction | None = None


WHOLE = Window(Fraction(-1))


def as_fraction(fps: Fraction | float | str) -> Fraction:
    """A frame rate as the exact fraction that is meant.

    Decimals near an NTSC rate (23.976, 29.97, 59.94 ...) become n * 1000 / 1001;
    others are read as the shortest fraction that prints the same to 3 decimals.

    Raises:
        ValueError: not a number from 0.001 to 1000000.

    Example:
        >>> as_fraction(29.97), as_fraction(8.0), as_fraction("24000/1001")
        (Fraction(30000, 1001), Fraction(8, 1), Fraction(24000, 1001))
    """
    exact = _exact(fps)
    least = 0 if isinstance(fps, Fraction) else _LOWEST_FPS
    if not least <= exact <= _HIGHEST_FPS or not exact:
        raise ValueError(
            f"The frame rate is {shown(fps)}; it must be a positive number such as 24, from "
            f"{float(_LOWEST_FPS)} to {_HIGHEST_FPS}."
        )
    if max(exact.numerator, exact.denominator) > _LARGEST_NUMBER:
        exact = exact.limit_denominator(_LARGEST_NUMBER // ceil(exact))
    if isinstance(fps, Fraction) or exact.denominator == 1 or (isinstance(fps, str) and "/" in fps):
        return exact
    ntsc = Fraction(round(exact * _NTSC / 1000) * 1000, _NTSC)
    if abs(ntsc - exact) < exact * _NTSC_TOLERANCE:
        return ntsc
    return exact.limit_denominator(1000)


def _exact(number: Fraction | float | str) -> Fraction:
    """A number as it is written; 0 where it is none."""
    try:  # no decimal with an exponent becomes a Fraction: 1e99999999 would take all memory
        has_exponent = isinstance(number, str) and "e" in number.lower()
        return Fraction(float(number) if has_exponent else number)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        return Fraction(0)


def as_multiplier(multiplier: Fraction | float | str) -> Fraction:
    """Output frames for each source frame as an exact fraction: 2, 2.5 and "5/2" are such.

    Raises:
        ValueError: not a number from 1 to 1024.

    Example:
        >>> as_multiplier(2), as_multiplier("2.5"), as_multiplier(4 / 3)
        (Fraction(2, 1), Fraction(5, 2), Fraction(4, 3))
    """
    exact = _exact(multiplier).limit_denominator(1000)
    if not 1 <= exact <= MAX_MULTIPLIER:
        raise ValueError(
            f"multiplier is {shown(multiplier)}; it must be from 1 to {MAX_MULTIPLIER}, such as 2, "
            "2.5 or 5/2."
        )
    return exact


@checked
def parse_schedule(text: str) -> tuple[tuple[Stretch, ...], int | None]:
    """Reads a schedule such as "1-10:4, 11:1, rest 2".

    Pairs are counted from 1: pair 1 lies between the first two source frames. A
    multiplier of 1 leaves a pair without interpolated frames. Where entries overlap, the
    first one counts.

    Returns:
        The stretches, and the multiplier of the rest if the text gives one.

    Raises:
        ValueError: an entry cannot be read; the message shows it.

    Example:
        >>> parse_schedule("1-10:4, 11:1, rest 2")
        ((Stretch(first=0, last=9, multiplier=4), Stretch(first=10, last=10, multiplier=1)), 2)
    """
    stretches: list[Stretch] = []
    rest: int | None = None
    for entry in filter(None, map(str.strip, re.split(r"[,;\n]", text))):
        match = _SCHEDULE_ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(
                f"The schedule entry {entry!r} cannot be read. Write pairs and multipliers such "
                "as '1-10:4' or '11:1', and 'rest 2', with commas between."
            )
        first, last, multiplier = match.groups()
        as_multiplier(int(multiplier))
        if first is None:
            rest = int(multiplier)
            continue
        stretch = Stretch(int(first) - 1, int(last or first) - 1, int(multiplier))
        if not 0 <= stretch.first <= stretch.last:
            raise ValueError(
                f"The schedule entry {entry!r} names no pair: pairs are counted from 1, and a "
                "range goes from the lower to the higher."
            )
        stretches.append(stretch)
    return tuple(stretches), rest


@dataclass(frozen=True)
class Timeline:
    """The places of the output frames.

    Attributes:
        step: source frames from one output frame to the next; 1/2 doubles the rate.
        end: "last_frame" stops at the last source frame: N frames become
            (N - 1) / step + 1. "keep_duration" goes on for as long as the last
            frame is shown and repeats it: N frames become N / step, and sound
            stays in step to the end. "loop" fills that time with the way back to
            the first frame, which is not repeated.
        schedule: stretches of pairs with a multiplier of their own.
        target: the frame rate to reach, where that was asked for and not a multiplier.
        speed: how fast the clip runs from moment to moment; None: at one speed.
        second: how many places a second of the source has; where there is a `speed`.
        shutter: how long each output frame is exposed. With one, places are those of exposures, so
            many for each frame as it says, whose mean the frame is.
    """

    step: Fraction
    end: End = "last_frame"
    schedule: tuple[Stretch, ...] = ()
    target: Fraction | None = field(default=None, compare=False)
    speed: SpeedCurve | None = None
    second: Fraction = Fraction(1)
    shutter: Shutter | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.step <= 0:
            raise ValueError(f"step is {self.step}; it must be above 0.")
        if self.schedule and self.speed:
            raise ValueError(
                "A schedule of multipliers and a speed curve exclude each other; give one of them."
            )
        if self.schedule and self.step.numerator != 1:
            raise ValueError(
                "A schedule needs a whole multiplier for the rest: it and a target frame rate or a "
                "fraction exclude each other; give one of them."
            )

    @classmethod
    def multiply(
        cls, multiplier: Fraction | float | str, end: End = "last_frame", schedule: str = ""
    ) -> Timeline:
        """`multiplier` output frames for each source frame, or as `schedule` says.

        Args:
            multiplier: for all pairs that the schedule leaves out; see `as_multiplier`.
            end: see the class.
            schedule: see `parse_schedule`; its "rest" goes before `multiplier`.

        Raises:
            ValueError: a multiplier is not a number from 1 to 1024, or the schedule cannot be
                read or meets a fraction.

        Example:
            >>> Timeline.multiply(2, schedule="1:4").output_count(3)
            7
            >>> [str(place) for place in Timeline.multiply("5/2").within(0, 2)]
            ['0', '2/5', '4/5', '6/5', '8/5']
        """
        stretches, rest = parse_schedule(schedule)
        exact = as_multiplier(multiplier)
        return cls(1 / (Fraction(rest) if rest else exact), end, stretches)

    @classmethod
    def retime(
        cls,
        source_fps: Fraction | float | str,
        target_fps: Fraction | float | str,
        end: End = "last_frame",
    ) -> Timeline:
        """From one frame rate to another, up or down, at the same speed.

        Example:
            >>> Timeline.retime(24, 60).step
            Fraction(2, 5)
        """
        target = as_fraction(target_fps)
        return cls(as_fraction(source_fps) / target, end, target=target)

    def output_fps(self, source_fps: Fraction | float | str) -> Fraction:
        """The frame rate at which the output runs as fast as the source did.

        With a schedule: as fast where the schedule says nothing.
        """
        return as_fraction(source_fps) / self.step

    def output_count(self, count: int, begin: int = 0) -> int:
        """How many frames `count` source frames become. One frame or none is left as it is.

        `begin` is the number of the first of them, from 0, where they are a part of a clip.

        Example:
            >>> Timeline.multiply(2).output_count(49)
            97
            >>> Timeline.multiply(2, "keep_duration").output_count(49)
            98
        """
        if self.schedule or self.speed or begin or count < 2:
            before = self.count(0, begin) if begin else 0
            places = before + sum(1 for _ in self.steps(count, begin))
            return -(-places // self.exposures) - before // self.exposures
        if self.end == "last_frame":
            return (count - 1) // self.step + 1
        return ceil(count / self.step)

    @property
    def exposures(self) -> int:
        """How many places an output frame is the mean of; the last one may have fewer."""
        return self.shutter.exposures if self.shutter else 1

    def within(self, start: Fraction | int, stop: Fraction | int) -> list[Fraction]:
        """The places in [start, stop), in order.

        Example:
            >>> [str(place) for place in Timeline.retime(3, 4).within(1, 3)]
            ['3/2', '9/4']
        """
        return list(self.places(start, stop))

    def places(self, start: Fraction | int, stop: Fraction | int) -> Iterator[Fraction]:
        """The same, one at a time: a stretch may be long."""
        if not self.schedule:
            first, end = self._index(start), self._index(stop)
            return (self._place(index) for index in range(first, end))
        return (
            place
            for pair in range(floor(start), ceil(stop))
            for index in range(self._multiplier(pair) * self.exposures)
            if start <= (place := pair + self._moment(index) / self._multiplier(pair)) < stop
        )

    def steps(self, count: int, begin: int = 0) -> Iterator[Step]:
        """Every output frame of a clip of `count` source frames, in order.

        Where they are a part of a clip, `begin` is the number of the first one, from 0.

        Example:
            >>> [str(step.pair + step.timestep) for step in Timeline.retime(3, 4).steps(3)]
            ['0', '3/4', '3/2']
        """
        if count == 1:
            yield Step(begin, Fraction(0))
        if count < 2:
            return
        last = begin + count - 1
        for place in self.within(begin, last):
            yield Step(floor(place), place - floor(place))
        for place in self.tail(last, last + 1):
            yield Step(last, place - last if self.end == "loop" else Fraction(0))

    def count(self, start: Fraction | int, stop: Fraction | int) -> int:
        """How many places there are in [start, stop)."""
        if self.schedule:
            return sum(1 for _ in self.places(start, stop))
        return max(0, self._index(stop) - self._index(start))

    def tail(
        self,
        last: Fraction | int,
        stop: Fraction | int,
        interval: Fraction | None = None,
    ) -> Iterator[Fraction]:
        """The places from the last source frame on, which is shown from `last` to `stop`.

        Where that is longer than the `interval` that prevails, the last of its repeats counts
        as the last frame.
        """
        if self.end == "last_frame":
            repeat = last if interval is None else max(last, stop - interval)
            # Where it is repeated, the clip is uneven, and its times were rounded.
            latest = repeat + self.step / MAX_MULTIPLIER if repeat > last else repeat
            return (place for place in self.places(last, repeat + self.step) if place <= latest)
        return self.places(last, stop)

    def _moment(self, index: int) -> Fraction:
        """When exposure `index` is made, in output frames."""
        return self.shutter.moment(index) if self.shutter else Fraction(index)

    def _place(self, index: int) -> Fraction:
        """Where exposure `index` lies, if there is no schedule."""
        place = self._moment(index) * self.step
        return self.second * self.speed.source_at(place / self.second) if self.speed else place

    def _index(self, place: Fraction | int) -> int:
        """The first exposure at a place or after it, if there is no schedule."""
        if not self.speed:
            moment = place / self.step
            return self.shutter.index(moment) if self.shutter else ceil(moment)
        end = 1
        while self._place(end) < place:
            end *= 2
        return bisect_left(range(end), place, key=self._place)

    def _multiplier(self, pair: int) -> int:
        begins, multipliers = self._turns
        place = bisect_right(begins, pair) - 1
        return self.step.denominator if place < 0 else multipliers[place]

    @cached_property
    def _turns(self) -> tuple[list[int], list[int]]:
        """Pairs with which another multiplier begins, in order, and the multipliers."""
        coming = sorted(enumerate(self.schedule), key=lambda each: each[1].first, reverse=True)
        begins = sorted({pair for first, last, _ in self.schedule for pair in (first, last + 1)})
        running: list[tuple[int, Stretch]] = []  # the entry that comes first in the schedule on top
        multipliers: list[int] = []
        for pair in begins:
            while coming and coming[-1][1].first <= pair:
                heappush(running, coming.pop())
            while running and running[0][1].last < pair:
                heappop(running)
            multipliers.append(running[0][1].multiplier if running else self.step.denominator)
        return begins, multipliers
