"""Uneven pacing: the motion before and after a span decides when its frames are shown.

Animation on twos and threes, and all that speeds up or slows down, moves by another distance in
each span. Even timesteps give every span one speed, which jumps from span to span. Here the speed
at a source frame is that of the parabola through it and its two neighbours, and timesteps follow
the cubic that has these speeds at both ends: source frames keep their times, and motion of even
acceleration is met exactly. The idea is that of DRBA (distance ratio based adjustment): distance
ratios of three frames decide the timestep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.flow import estimate_flow
from ..inference.rife import RIFE
from ..timeline import Rhythm
from .pixel_formats import from_bytes
from .scenes import Span

_STILL = 0.05  # of a span's speed; a neighbour that moves less stands still
_STEEPEST = 3.0  # of a cubic that never runs backwards (Fritsch and Carlson)
_FINEST = 4096  # parts of a span
_LONG_SIDE = 256  # pixels of the frames whose motion is measured


class Pace(NamedTuple):
    """The speeds at both ends of a span, as multiples of its mean speed.

    Example:
        >>> [str(Pace(0.5, 1.5).at(Fraction(k, 4))) for k in range(1, 4)]
        ['5/32', '3/8', '21/32']
    """

    entry: float
    exit: float

    def at(self, timestep: Fraction) -> Fraction:
        """How far on the way from the one frame to the other a moment between them is."""
        x = float(timestep)
        way = self.entry * (x - 2 * x**2 + x**3) + 3 * x**2 - 2 * x**3 + self.exit * (x**3 - x**2)
        return Fraction(min(max(round(way * _FINEST), 1), _FINEST - 1), _FINEST)


class _Moving(NamedTuple):
    """A span, for how long it moves, how fast, and whether it stands still before it does."""

    span: Span
    lasts: float
    speed: float
    waits: bool


def paced(
    found: Iterable[Span], distance: Callable[[Tensor, Tensor], float], rhythm: Rhythm | None
) -> Iterator[Span]:
    """Spans with their pace; reads one further than it yields.

    Args:
        found: neighbours, in order.
        distance: how far apart two frames are, H W C each.
        rhythm: how places follow each other, if that is known.
    """

    def measured(span: Span) -> _Moving:
        begin = rhythm.moves_from(span.start, span.stop) if rhythm else span.start
        lasts = float(span.stop - begin)
        apart = 0.0 if span.is_cut else distance(span.left.frame, span.right.frame)
        return _Moving(span, lasts, apart / lasts, begin > span.start)

    before: _Moving | None = None
    this: _Moving | None = None
    for after in map(measured, found):
        if this:
            yield _with_pace(before, this, after)
        before, this = this, after
    if this:
        yield _with_pace(before, this, None)


def motion(network: RIFE) -> Callable[[Tensor, Tensor], float]:
    """Measures how far apart two frames are: the mean length of their flow, seen small."""

    def distance(left: Tensor, right: Tensor) -> float:
        pair = torch.stack([_small(left), _small(right)])
        flow = estimate_flow(network, pair)[0]
        return float((flow[2:] - flow[:2]).norm(dim=0).mean())

    return distance


def _small(frame: Tensor) -> Tensor:
    """H W 3 in [0, 1]."""
    image = from_bytes(frame[..., :3].movedim(-1, 0)[None]).float()
    factor = min(1.0, _LONG_SIDE / max(image.shape[2:]))
    size = [max(1, round(side * factor)) for side in image.shape[2:]]
    image = F.interpolate(image, size, mode="area").nan_to_num().clamp(0, 1)
    return image[0].expand(3, -1, -1).movedim(0, -1)


def _with_pace(before: _Moving | None, this: _Moving, after: _Moving | None) -> Span:
    if this.speed <= 0:
        return this.span
    entry = 1.0 if this.waits else _meeting(before, this, this)
    leaving = 1.0 if after is None or after.waits else _meeting(this, after, this)
    return this.span._replace(pace=Pace(entry, leaving))


def _meeting(left: _Moving | None, right: _Moving | None, own: _Moving) -> float:
    """The speed where two spans meet, as a multiple of that of one of them."""
    if left is None or right is None or min(left.speed, right.speed) < _STILL * own.speed:
        return 1.0
    speed = (right.lasts * left.speed + left.lasts * right.speed) / (left.lasts + right.lasts)
    return min(speed / own.speed, _STEEPEST)
