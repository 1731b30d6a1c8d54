"""From one video file to another: decode, interpolate and encode, a few frames at a time."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from .engine import Progress, stream
from .ifnet import RIFE
from .timeline import Timeline
from .video import DEFAULT_CRF, VideoError, VideoReader, VideoWriter


@dataclass(frozen=True)
class FileReport:
    """What became of a file.

    Attributes:
        frames: how many frames were written.
        made: how many of them were made.
        fps: their rate.
        seconds: how long it took.
    """

    frames: int
    made: int
    fps: Fraction
    seconds: float


def interpolate_file(
    network: RIFE,
    source: str | os.PathLike[str] | VideoReader,
    destination: str | os.PathLike[str],
    timeline: Timeline,
    *,
    fps: Fraction | None = None,
    scale: float = 1.0,
    ensemble: bool = False,
    batch_size: int = 0,
    crf: int = DEFAULT_CRF,
    progress: Progress | None = None,
) -> FileReport:
    """Writes `destination`: the clip `source` with the frames that `timeline` asks for.

    Memory does not grow with the length of the clip. Sound is copied, colours keep
    their meaning. The destination appears under its name only when it is complete.

    Args:
        network: any row, in evaluation mode, on the device to use.
        source: a video file.
        destination: ends in .mp4, .mov, .mkv or .webm; a file there is replaced.
        timeline: which frames to make.
        fps: frame rate of the result; as fast as the source by default.
        scale: see `RIFE.inference`.
        ensemble: see `RIFE.inference`.
        batch_size: see `engine.interpolate`.
        crf: see `VideoWriter`.
        progress: called with the frames written so far and in all (None: not known);
            whatever it raises stops the work and leaves no file.

    Raises:
        FileNotFoundError: there is no source.
        VideoError: the source cannot be read, or the destination not be written.
        ValueError: an option does not fit.
    """
    reader = source if isinstance(source, VideoReader) else VideoReader(source)
    destination = Path(destination)
    if destination.exists() and destination.samefile(reader.path):
        raise VideoError("Source and destination are one file; give the destination another name.")
    started = time.perf_counter()
    total = timeline.output_count(reader.frame_count) if reader.frame_count else None
    made = 0

    def count(done: int, _: int | None) -> None:
        nonlocal made
        made = done

    frames = stream(
        network,
        reader,
        timeline,
        scale=scale,
        ensemble=ensemble,
        batch_size=batch_size,
        progress=count,
    )
    fps = fps or timeline.output_fps(reader.fps)
    with VideoWriter(destination, fps, audio=reader, color=reader.color, crf=crf) as writer:
        for frame in frames:
            if progress:
                progress(writer.count, total)
            writer.write(frame)
    return FileReport(writer.count, made, fps, time.perf_counter() - started)
