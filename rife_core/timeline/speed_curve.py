"""How fast a clip runs from moment to moment: a curve in exact fractions, no tensors.

Speed changes over the time of the result: where a stretch is eased, its speed glides from that
of the stretch before it to its own, and on to that of the one after it. What is shown at a
moment is the integral of speed, a polynomial, so that it is exact.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from ..basics.arguments import checked

_ENTRY = re.compile(
    r"(?P<start>\d{1,9}(?:\.\d{1,12})?)\s*s?\s*-\s*"
    r"(?P<stop>\d{1,9}(?:\.\d{1,12})?)?\s*s?\s*:\s*"
    r"(?P<speed>\d{1,9}(?:\.\d{1,12})?)\s*(?P<percent>%)?\s*x?\s*(?P<ease>ease)?",
    re.IGNORECASE,
)
_SLOWEST, _FASTEST = Fraction(1, 1000), Fraction(100)
_GLIDE = Fraction(1, 4)  # of the time that an eased stretch takes, at each of its ends


class SpeedStretch(NamedTuple):
    """Source seconds `start` to `stop` (None: to the end) run at `speed`, eased or not."""

    start: Fraction
    stop: Fraction | None
    speed: Fraction
    eased: bool = False


class Piece(NamedTuple):
    """From `time` of the result and `place` of the source on, speed goes from `first` to `last`.

    It does so along 3 x^2 - 2 x^3 within `length` seconds; None: for ever.
    """

    time: Fraction
    place: Fraction
    length: Fraction | None
    first: Fraction
    last: Fraction

    def source_at(self, time: Fraction) -> Fraction:
        """Which second of the source is shown at a second of the result."""
        passed = time - self.time
        if self.first == self.last or self.length is None:
            return self.place + self.first * passed
        x = passed / self.length
        return self.place + self.length * (
            self.first * x + (self.last - self.first) * (x**3 - x**4 / 2)
        )


@dataclass(frozen=True)
class SpeedCurve:
    """The speed of a clip: 1 where no stretch says otherwise.

    Attributes:
        stretches: in order, none over another.

    Example:
        >>> curve = SpeedCurve.parse("0-2s:1, 2-3s:0.25, 3s-:1")
        >>> [str(curve.source_at(Fraction(time))) for time in (1, 2, 4, 6, 7)]
        ['1', '2', '5/2', '3', '4']
    """

    stretches: tuple[SpeedStretch, ...]

    @classmethod
    @checked
    def parse(cls, text: str) -> SpeedCurve:
        """Reads a curve such as "0-2s:1, 2-3s:0.25 ease, 3s-:1": seconds of the source and speed.

        Raises:
            ValueError: an entry cannot be read, or lies over another one.
        """
        stretches: list[SpeedStretch] = []
        for entry in filter(None, map(str.strip, re.split(r"[,;\n]", text))):
            match = _ENTRY.fullmatch(entry)
            if match is None:
                raise ValueError(
                    f"The speed {entry!r} cannot be read. Write seconds of the source and speeds, "
                    "such as '0-2s:1, 2-3s:0.25 ease, 3s-:1'."
                )
            speed = Fraction(match["speed"]) / (100 if match["percent"] else 1)
            if not _SLOWEST <= speed <= _FASTEST:
                raise ValueError(
                    f"The speed in {entry!r} must be from {float(_SLOWEST)} to {_FASTEST}; 1 is "
                    "the source's."
                )
            start = Fraction(match["start"])
            stop = Fraction(match["stop"]) if match["stop"] else None
            if stop is not None and stop <= start:
                raise ValueError(f"The stretch {entry!r} ends before it begins.")
            stretches.append(SpeedStretch(start, stop, speed, bool(match["ease"])))
        if not stretches:
            raise ValueError("The speed is empty; write stretches such as '2-3s:0.25'.")
        stretches.sort(key=lambda stretch: stretch.start)
        for one, other in pairwise(stretches):
            if one.stop is None or one.stop > other.start:
                raise ValueError(
                    f"Two speeds are given for second {float(other.start):g} of the source."
                )
        return cls(tuple(stretches))

    def source_at(self, time: Fraction) -> Fraction:
        """Which second of the source is shown at a second of the result."""
        index = bisect_right(self._times, time) - 1
        return self.pieces[max(index, 0)].source_at(time)

    def speed_at(self, time: Fraction) -> Fraction:
        """How fast the source runs at a second of the result."""
        piece = self.pieces[max(bisect_right(self._times, time) - 1, 0)]
        if piece.length is None or piece.first == piece.last:
            return piece.first
        x = (time - piece.time) / piece.length
        return piece.first + (piece.last - piece.first) * (3 * x**2 - 2 * x**3)

    @cached_property
    def _times(self) -> list[Fraction]:
        return [piece.time for piece in self.pieces]

    @cached_property
    def pieces(self) -> list[Piece]:
        """The curve in polynomials, in order."""
        stretches = _without_holes(self.stretches)
        pieces: list[Piece] = []
        time = Fraction(0)
        for index, stretch in enumerate(stretches):
            before = stretches[index - 1] if index else None
            after = stretches[index + 1] if index + 1 < len(stretches) else None
            entry, exit_ = _meeting(before, stretch), _meeting(stretch, after)
            length = None if stretch.stop is None else stretch.stop - stretch.start
            own = stretch.speed
            glides = [(entry, own), (own, own), (own, exit_)]
            shares = [_GLIDE, 1 - 2 * _GLIDE, _GLIDE]
            if not stretch.eased or length is None:
                glides, shares = [(own, own)], [Fraction(1)]
            mean = sum(
                (share * (a + b) / 2 for share, (a, b) in zip(shares, glides, strict=True)),
                Fraction(0),
            )
            place = stretch.start
            for share, (first, last) in zip(shares, glides, strict=True):
                lasts = None if length is None else share * length / mean
                pieces.append(Piece(time, place, lasts, first, last))
                if lasts is not None:
                    time += lasts
                    place += lasts * (first + last) / 2
        return pieces


def _without_holes(stretches: Sequence[SpeedStretch]) -> list[SpeedStretch]:
    """All of the source: speed 1 between the stretches, before and after them."""
    filled: list[SpeedStretch] = []
    at: Fraction | None = Fraction(0)
    for stretch in stretches:
        if at is not None and stretch.start > at:
            filled.append(SpeedStretch(at, stretch.start, Fraction(1)))
        filled.append(stretch)
        at = stretch.stop
    if at is not None:
        filled.append(SpeedStretch(at, None, Fraction(1)))
    return filled


def _meeting(before: SpeedStretch | None, after: SpeedStretch | None) -> Fraction:
    """The speed at which an eased stretch meets its neighbour: its neighbour's, or half way."""
    if before is None or after is None:
        one = before or after
        assert one is not None
        return one.speed
    if before.eased and after.eased:
        return (before.speed + after.speed) / 2
    return before.speed if after.eased else after.speed
