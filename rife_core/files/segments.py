"""Writes the frames from the engine, a segment at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..engine.loop import Watch
from ..engine.report import Report
from ..engine.scheduler import Progress
from ..video import EncoderRequest, PixelKind, VideoWriter
from .resume import Record, sha256_of


@dataclass(frozen=True)
class Encoding:
    """How all segments of a file are encoded.

    Attributes:
        fps: their rate.
        kind: their pixels.
        encoder: what was asked of the encoder.
        suffix: of the file that is to become of them.
        name: what messages call the file.
    """

    fps: Fraction
    kind: PixelKind
    encoder: EncoderRequest
    suffix: str
    name: str


class SegmentStore(Protocol):
    """Where segments go, one after the other."""

    @property
    def next(self) -> Path:
        """The file to write the next one to."""
        ...

    @property
    def length(self) -> int:
        """How many frames the next one is to have."""
        ...

    @property
    def count(self) -> int:
        """How many frames those that are finished have."""
        ...

    def add(self, record: Record) -> None:
        """Finishes the file `next`."""
        ...


def write_segments(
    frames: Iterator[Tensor],
    segments: SegmentStore,
    encoding: Encoding,
    report: Report,
    first: int,
    *,
    total: int | None,
    progress: Progress | None,
    watch: Watch | None,
) -> None:
    """Encodes all `frames` into segments that follow those that are finished.

    Args:
        frames: the output frames that are not in a finished segment.
        segments: where they go.
        encoding: how.
        report: what the engine meets meanwhile.
        first: the source frame that the report counts as 1, counted from 0.
        total: how many output frames there will be, if known.
        progress: called with the frames written so far and in all.
        watch: called with each frame.
    """
    told = _entries(report, first)
    for frame in frames:
        path = segments.next
        with VideoWriter(
            path,
            encoding.fps,
            kind=encoding.kind,
            encoder=encoding.encoder,
            file_type=encoding.suffix,
            name=encoding.name,
        ) as writer:
            for one in chain([frame], islice(frames, segments.length - 1)):
                if watch:
                    watch(one)
                if progress:
                    progress(segments.count + writer.count, total)
                writer.write(one)
        now = _entries(report, first)
        met = {name: _since(value, told[name]) for name, value in now.items()}
        told = now
        sha256 = sha256_of(path)
        segments.add(Record(writer.count, sha256, writer.extradata, writer.reorder, met))
    if progress:  # a loop that closes on its first frame has fewer than were foreseen
        progress(segments.count, total and segments.count)


def count_from(report: Report, first: int) -> None:
    """Counts the frames of a report of a clip without its `first` frames from the file's first."""
    found = report.scenes
    found.cuts[:] = [cut + first for cut in found.cuts]
    found.runs[:] = [(begin + first, end + first) for begin, end in found.runs]
    for numbers in _frame_numbers(report):
        numbers[:] = [number + first for number in numbers]


def _frame_numbers(report: Report) -> tuple[list[int], ...]:
    """The lists of a report that name source frames."""
    return report.beyond_range, report.not_finite, report.coarser


def _entries(report: Report, first: int) -> dict[str, list[int] | list[tuple[int, int]] | int]:
    """The part of a report that is kept with a segment, frames counted from the file's first."""
    beyond, bad, coarser = ([number + first for number in each] for each in _frame_numbers(report))
    return {
        "made": report.made,
        "redone": report.redone,
        "unsure": report.unsure,
        "cuts": [cut + first for cut in report.scenes.cuts],
        "runs": [(begin + first, end + first) for begin, end in report.scenes.runs],
        "beyond_range": beyond,
        "not_finite": bad,
        "coarser": coarser,
    }


def _since(
    now: list[int] | list[tuple[int, int]] | int, before: list[int] | list[tuple[int, int]] | int
) -> list[int] | list[tuple[int, int]] | int:
    """The entries that were added since an earlier look."""
    if isinstance(now, int) or isinstance(before, int):
        assert isinstance(now, int)
        assert isinstance(before, int)
        return now - before
    return now[len(before) :]
