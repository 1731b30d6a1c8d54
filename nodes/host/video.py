"""What travels along a VIDEO wire: frames, or a file or a part of one."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from ...rife_core.engine.loop import check_clip
from ...rife_core.video import Audio, ColorTags, MemoryReader, VideoReader
from ...rife_core.video.excerpt import VideoExcerpt
from .pieces import Pieces


@dataclass(frozen=True)
class Video:
    """A VIDEO: frames in memory or decoded piece by piece, or a file that is read when needed.

    A file may be shown in part: from one moment of its own clock to another.

    Attributes:
        frames: B H W C in [0, 1]; the same a piece at a time; or the path of a video file.
        fps: frame rate of frames; a file knows its own, and the rest of this list too.
        audio: sound of frames.
        depth: bits that each of their colour values is worth.
        color: what their numbers mean.
        of_file: whether frames were decoded from a file, and not made in all their colours.
        window: of a file, when the part that is shown begins, and how long it is; 0: to the end.
    """

    frames: Tensor | Pieces | Path
    fps: Fraction | None = None
    audio: Audio | None = None
    depth: int = 8
    color: ColorTags = ColorTags()  # noqa: RUF009 - a named tuple, so never changed
    of_file: bool = False
    window: tuple[float, float] = (0.0, 0.0)

    def reader(self, *, skip_damaged: bool = False) -> VideoReader | MemoryReader:
        """Its frames and its sound; `skip_damaged` leaves out those that cannot be decoded."""
        if isinstance(self.frames, Path):
            return _shown(VideoReader(self.frames, skip_damaged=skip_damaged), *self.window)
        if isinstance(self.frames, Tensor):
            check_clip(self.frames)
        return MemoryReader(
            self.frames,
            self.fps or 1,
            audio=self.audio,
            depth=self.depth,
            color=self.color,
            chroma=None if self.of_file else "444",
        )


def _shown(reader: VideoReader, start: float, duration: float) -> VideoReader:
    """The part of a file that ComfyUI's video shows of it; a duration of 0 goes to the end.

    Raises:
        ValueError: no frame lies in it.
    """
    clock = reader.clock
    origin = round(reader.start / clock.tick)

    def frames_before(moment: float) -> int:  # the tick in which a moment lies belongs to it
        return bisect_left(clock.ticks, int(moment / clock.tick) - origin)

    first = frames_before(start)
    stop = frames_before(start + duration) if duration else clock.count
    if first >= stop:
        length = f" for {duration:g} s" if duration else ""
        raise ValueError(
            f"The video shows no frame: it is cut from {start:g} s on{length} out of a file that "
            f"lasts from {float(reader.start):g} s to {float(reader.start + clock.end):g} s."
        )
    if (first, stop) == (0, clock.count):
        return reader
    return VideoExcerpt(reader, first, stop - first)
