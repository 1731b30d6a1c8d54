"""A part of a clip: from one moment or frame to another, with its sound."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from math import ceil
from typing import cast

import numpy as np
from torch import Tensor

from ..basics.arguments import check_fields
from .clock import Clock
from .frame_source import FrameSource
from .reader import VideoReader

_FRAME = re.compile(r"(\d{1,12})\s*f")
_ROUNDING = Fraction(1, 1000)  # seconds
_TIME = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{1,12})?)\s*s?")


def _moment(text: str, name: str) -> Fraction | int:
    """Seconds as a Fraction, or a frame, counted from 1, as an int."""
    if match := _FRAME.fullmatch(text.strip()):
        if not int(match[1]):
            raise ValueError(f"{name} is {text!r}; frames are counted from 1.")
        return int(match[1])
    if match := _TIME.fullmatch(text.strip()):
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        return 3600 * hours + 60 * minutes + seconds
    raise ValueError(
        f"{name} is {text!r}; write seconds such as 12.5, a time such as 1:02:12.5, or a frame "
        "such as 300f."
    )


@dataclass(frozen=True)
class Part:
    """Which part of a clip is meant; None where nothing is said.

    Attributes:
        start: the moment or the frame with which it begins.
        stop: the moment before which it ends, or its last frame.
        frames: how many source frames it has.

    Example:
        >>> Part("1:02.5", "300f").is_whole
        False
    """

    start: str | None = None
    stop: str | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.stop is not None and self.frames is not None:
            raise ValueError("--stop and --frames both say where the part ends; give one of them.")
        if self.frames is not None and self.frames < 1:
            raise ValueError(f"--frames is {self.frames}; it must be 1 or more.")
        for name, text in (("start", self.start), ("stop", self.stop)):
            if text is not None:
                _moment(text, name)

    @property
    def is_whole(self) -> bool:
        """Whether all of the clip is meant."""
        return self == Part()

    def span(self, clock: Clock) -> tuple[int, int | None]:
        """The first frame, counted from 0, and how many there are; None: to the end.

        Raises:
            ValueError: there is no such part.
        """
        start = 0 if self.start is None else _index(clock, _moment(self.start, "start"))
        stop = clock.count or None
        if self.frames is not None:
            stop = min(start + self.frames, stop or start + self.frames)
        elif self.stop is not None:
            moment = _moment(self.stop, "stop")
            index = moment if isinstance(moment, int) else _index(clock, moment)
            stop = min(index, stop or index)
        if (clock.count and start >= clock.count) or (stop is not None and stop <= start):
            length = f"{clock.count} frames ({float(clock.end):.3f} s)" if clock.count else "no end"
            raise ValueError(
                f"From {self.start or 'the beginning'} to {self.stop or 'the end'} there is no "
                f"frame; the clip has {length}."
            )
        return start, None if stop is None else stop - start


def _index(clock: Clock, moment: Fraction | int) -> int:
    """The first frame that is shown at a moment or after it; of a frame, itself."""
    if isinstance(moment, int):
        return moment - 1
    if not len(clock.ticks):
        return ceil(moment * clock.fps)
    # File types round times to their ticks: half a tick is no delay, unless that is long.
    rounding = min(Fraction(1, 2), _ROUNDING / clock.tick)
    return int(np.searchsorted(clock.ticks, float(moment / clock.tick - rounding)))


def excerpt(source: FrameSource, part: Part) -> FrameSource:
    """The part of a clip as a clip of its own, its frames counted and timed from its first one.

    Raises:
        ValueError: the clip has no such part.
    """
    if part.is_whole:
        return source
    first, count = part.span(source.clock)
    if isinstance(source, VideoReader):
        return VideoExcerpt(source, first, cast(int, count))
    return source.part(first, count)


class VideoExcerpt(VideoReader):
    """A part of a video file; the other tracks of the file are cut to it, too.

    Args:
        whole: the file.
        first: the first frame, counted from 0.
        count: how many there are.

    Attributes:
        stop: when it ends in seconds, from its beginning on.
    """

    def __init__(self, whole: VideoReader, first: int, count: int) -> None:
        self.__dict__.update(whole.__dict__)
        clock = whole.clock
        self._whole, self._begin, self._count = whole, first, count
        self._offset = clock.time(first)
        self.start = whole.start + self._offset
        after = first + count
        end = clock.end if after >= clock.count else clock.time(after)
        self.stop = end - self._offset
        self.__dict__["clock"] = replace(
            clock,
            count=count,
            ticks=clock.ticks[first:after] - clock.ticks[first],
            end=self.stop,
            seams=tuple(seam - first for seam in clock.seams if first < seam < after),
        )

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """See `VideoReader.timed`; times count from the beginning of the part."""
        frames = self._whole.timed(self._begin + first)
        done = first
        for time, frame in islice(frames, self._count - first):
            if self.stop is not None and time - self._offset >= self.stop:
                break  # damaged frames before it were left out
            done += 1
            yield time - self._offset, frame
        self._compare(done + len(self._skipped))

    def __iter__(self) -> Iterator[Tensor]:
        return (frame for _, frame in self.timed())

    def check(self) -> str | None:
        """See `VideoReader.check`: the whole file is looked at."""
        return self._whole.check()

    def notes(self) -> list[str]:
        """See `VideoReader.notes`."""
        return self._whole.notes()

    def identity(self) -> Mapping[str, object]:
        return {**self._whole.identity(), "part": [self._begin, self._count]}
