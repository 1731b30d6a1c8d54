"""Which output frame comes from where: pairs and timesteps in exact fractions, no tensors.

A timeline maps output frame k to a position on the source clip, counted in
source frames: position 3 is source frame 3 itself, position 3 1/4 lies a quarter
of the way from frame 3 to frame 4. The engine only ever asks what falls between
two neighbouring frames (`within`) and what is left at the end (`tail`), so a
clip need not be known to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Literal, NamedTuple, get_args

End = Literal["last_frame", "keep_duration"]
ENDS: tuple[End, ...] = get_args(End)

_NTSC = 1001
_NTSC_TOLERANCE = Fraction(1, 5000)  # takes 23.98 for 24000/1001, and leaves 7.99 alone


class Step(NamedTuple):
    """One output frame: `timestep` of the way from source frame `pair` to the next one.

    Timestep 0 is the source frame itself.
    """

    pair: int
    timestep: Fraction


def as_fraction(fps: Fraction | float | str) -> Fraction:
    """A frame rate as the exact fraction that is meant.

    Decimals near an NTSC rate (23.976, 29.97, 59.94 ...) become n * 1000 / 1001;
    others are read as the shortest fraction that prints the same to 3 decimals.

    Raises:
        ValueError: not a positive finite number.

    Example:
        >>> as_fraction(29.97), as_fraction(8.0), as_fraction("24000/1001")
        (Fraction(30000, 1001), Fraction(8, 1), Fraction(24000, 1001))
    """
    try:
        exact = Fraction(fps)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        exact = Fraction(0)
    if exact <= 0:
        raise ValueError(f"The frame rate is {fps!r}; it must be a positive number such as 24.")
    if isinstance(fps, Fraction) or exact.denominator == 1 or (isinstance(fps, str) and "/" in fps):
        return exact
    ntsc = Fraction(round(exact * _NTSC / 1000) * 1000, _NTSC)
    if abs(ntsc - exact) < exact * _NTSC_TOLERANCE:
        return ntsc
    return exact.limit_denominator(1000)


@dataclass(frozen=True)
class Timeline:
    """Output frames at even distances along the source clip.

    Attributes:
        step: source frames from one output frame to the next; 1/2 doubles the rate.
        end: "last_frame" stops at the last source frame: N frames become
            (N - 1) / step + 1. "keep_duration" goes on for as long as the last
            frame is shown and repeats it: N frames become N / step, and sound
            stays in step to the end.
    """

    step: Fraction
    end: End = "last_frame"

    def __post_init__(self) -> None:
        if self.step <= 0:
            raise ValueError(f"step is {self.step}; it must be above 0.")
        if self.end not in ENDS:
            raise ValueError(f"end is {self.end!r}; it must be one of {', '.join(ENDS)}.")

    @classmethod
    def multiply(cls, multiplier: int, end: End = "last_frame") -> Timeline:
        """`multiplier` output frames for each source frame.

        Raises:
            ValueError: the multiplier is not a whole number of at least 1.
        """
        if multiplier != int(multiplier) or multiplier < 1:
            raise ValueError(f"multiplier is {multiplier}; it must be a whole number from 1 up.")
        return cls(Fraction(1, int(multiplier)), end)

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
        return cls(as_fraction(source_fps) / as_fraction(target_fps), end)

    def output_fps(self, source_fps: Fraction | float | str) -> Fraction:
        """The frame rate at which the output runs as fast as the source did."""
        return as_fraction(source_fps) / self.step

    def output_count(self, count: int) -> int:
        """How many frames `count` source frames become. One frame or none is left as it is.

        Example:
            >>> Timeline.multiply(2).output_count(49)
            97
            >>> Timeline.multiply(2, "keep_duration").output_count(49)
            98
        """
        if count < 2:
            return count
        if self.end == "last_frame":
            return (count - 1) // self.step + 1
        return ceil(count / self.step)

    def within(self, pair: int) -> list[Fraction]:
        """Timesteps in [0, 1) of the output frames from source frame `pair` to before the next."""
        return [position - pair for position in self._positions(pair, pair + 1)]

    def tail(self, last: int) -> int:
        """How often source frame `last` is shown where it is the last one."""
        if self.end == "keep_duration":
            return len(self._positions(last, last + 1))
        return 1 if Fraction(last) % self.step == 0 else 0

    def steps(self, count: int) -> Iterator[Step]:
        """Every output frame of a clip of `count` source frames, in order.

        Example:
            >>> [str(step.pair + step.timestep) for step in Timeline.retime(3, 4).steps(3)]
            ['0', '3/4', '3/2']
        """
        if count == 1:
            yield Step(0, Fraction(0))
        if count < 2:
            return
        for pair in range(count - 1):
            for timestep in self.within(pair):
                yield Step(pair, timestep)
        for _ in range(self.tail(count - 1)):
            yield Step(count - 1, Fraction(0))

    def _positions(self, start: int, stop: int) -> list[Fraction]:
        first, end = ceil(start / self.step), ceil(stop / self.step)
        return [index * self.step for index in range(first, end)]
