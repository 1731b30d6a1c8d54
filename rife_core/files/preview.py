"""A preview of a run: three pairs of frames, a frame between each, and the time it will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from typing import Literal, NamedTuple, get_args

from torch import Tensor

from ..charts.strip import resized, rows
from ..engine.cuts import UNCHANGED_BELOW, is_cut, is_repeat, small_picture
from ..engine.loop import Run
from ..engine.options import Options
from ..engine.scenes import SceneRules
from ..inference.rife import RIFE
from ..timeline import Timeline
from ..video import FrameSource, VideoError
from .clip import Clip

Places = Literal["motion", "even"]
PLACES: tuple[Places, ...] = get_args(Places)

SHOWN = 3
"""Pairs of a preview."""

NO_PIPE = "A preview reads here and there in the clip, which a pipe does not allow; give a file."

_LOOKED_AT = 48  # pairs of a long clip, evenly spread, among which the largest motion is sought
_READ_THROUGH = 600  # frames; shorter clips are read from end to end
_DOUBLED = Timeline.multiply(2)


@dataclass(frozen=True)
class Preview:
    """A look at a run.

    Attributes:
        picture: H W 3 in [0, 1]: a row for each pair: source frame, interpolated frame, source
            frame.
        pairs: the first source frame of each pair, counted from 1.
        seconds_each: what an interpolated frame takes here.
        interpolated: how many of them the whole run makes, at most; None if not known.
    """

    picture: Tensor
    pairs: tuple[int, ...]
    seconds_each: float
    interpolated: int | None

    @property
    def seconds(self) -> float | None:
        """The network's time for the whole run, estimated from its time for these frames."""
        return None if self.interpolated is None else self.interpolated * self.seconds_each


class _Pair(NamedTuple):
    first: int  # counted from 0
    left: Tensor
    right: Tensor

    @property
    def motion(self) -> float:
        """How much changes; below 0 where nothing is to be interpolated."""
        a, b = small_picture(self.left), small_picture(self.right)
        change = float((a - b).abs().mean())
        if is_repeat(self.left, self.right) or (change > UNCHANGED_BELOW and is_cut(a, b)):
            return -1
        return change


def preview(
    network: RIFE,
    clip: Clip,
    options: Options,
    *,
    places: Places = "motion",
    width: int = 480,
) -> Preview:
    """Makes the frames in the middle of three pairs of a clip.

    Args:
        network: any row, in evaluation mode, on the device to use.
        clip: what the run is to be of.
        options: of the run; cuts and repeats are left out of account.
        places: "motion" takes pairs in which most moves, "even" spreads them evenly.
        width: of each frame in the picture, in pixels; none is enlarged.

    Raises:
        ValueError: the clip has fewer than two frames, or comes from a pipe.
        VideoError: it cannot be read.
    """
    reader = clip.reader
    if reader.identity() is None:
        raise ValueError(NO_PIPE)
    if places not in PLACES:
        raise ValueError(f"places is {places!r}; it must be one of {', '.join(PLACES)}.")
    if clip.count < 2:
        raise ValueError(f"{reader.path.name} has one frame; a preview needs two.")
    pairs = _spread(reader, clip.count, _LOOKED_AT if places == "motion" else SHOWN)
    shown: list[_Pair] = []
    for pair in pairs:  # no more of them than needed are held
        shown.append(pair)
        if len(shown) > SHOWN:
            shown.remove(min(shown, key=lambda pair: pair.motion))
    if not shown:
        raise VideoError(f"No two frames of {reader.path.name} that follow each other can be read.")
    middles, seconds = _middles(network, shown, options)
    small = min(width, reader.width)
    lines = [
        [resized(frame[..., :3], small) for frame in (pair.left, middle, pair.right)]
        for pair, middle in zip(shown, middles, strict=True)
    ]
    numbers = tuple(pair.first + 1 for pair in shown)
    return Preview(rows(lines).clamp(0, 1), numbers, seconds / len(shown), clip.interpolated)


def _spread(reader: FrameSource, count: int, wanted: int) -> Iterator[_Pair]:
    """Pairs that are evenly spread; of short clips all, where many are wanted."""
    if count <= _READ_THROUGH and wanted > SHOWN:
        frames = (frame for _, frame in reader.timed())
        for first, (left, right) in enumerate(pairwise(frames)):
            yield _Pair(first, left, right)
        return
    wanted = min(wanted, count - 1)
    for number in range(wanted):
        first = (2 * number + 1) * (count - 1) // (2 * wanted)
        both = [frame for _, frame in islice(reader.timed(first), 2)]
        if len(both) == 2:
            yield _Pair(first, *both)


def _middles(network: RIFE, pairs: list[_Pair], options: Options) -> tuple[list[Tensor], float]:
    """The frames in the middle of pairs, and the seconds that the second time of two took."""
    cuts = frozenset(range(3, 2 * len(pairs), 2))  # between one pair and the next
    options = replace(options, scenes=SceneRules("hold", cuts), keep=None)
    frames = list(chain.from_iterable((pair.left, pair.right) for pair in pairs))
    list(Run(network, _DOUBLED, options).frames(frames))  # memory and fast forms are got ready
    begun = time.perf_counter()
    made = list(Run(network, _DOUBLED, options).frames(frames))
    return made[1::4], time.perf_counter() - begun
