"""Joins the parts of a film: their records are checked, their packets copied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...checkpoints.stored import parse, stored
from ...engine.report import Report
from ...video import AnimationWriter, VideoWriter
from ..clip import Clip
from ..convert import Pace, notes_on, writer_of
from ..resume import Record, sha256_of
from .job import Job, JobError, joined_name, record_name
from .part_maker import PartRecord
from .remote import folder_at


class BadPartError(JobError):
    """A part that is not what its record says; `part` is its number."""

    def __init__(self, part: int, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True)
class FilmReport:
    """The report on a joined film.

    Attributes:
        path: the file, or its URL.
        frames: how many it has.
        fps: their rate.
        made: how many were made by the network; where frames are blurred, how many exposures.
        seconds: of work in all its parts.
        notes: sentences on what a person should know.
        blurred: whether each frame is the mean of exposures.
    """

    path: str
    frames: int
    fps: Fraction
    made: int
    seconds: float
    notes: tuple[str, ...] = ()
    blurred: bool = False


def join_film(job: Job, film: int) -> FilmReport:
    """Writes a film from its parts, with sound and all else of the source; removes the parts.

    Raises:
        JobError: a part is not done.
        BadPartError: a part is not what its record says, and must be made again.
        VideoError: the file cannot be written.
    """
    known = _known(job, film)
    if known is not None:
        return known
    records = _records(job, film)
    segments = [
        (part, name, record)
        for part, made in records.items()
        for name, record in zip(made.files, made.records, strict=True)
    ]
    _check(job, records, segments)
    clip, fps = job.clip(film), Fraction(job.films[film].fps)
    pace = job.recipe.pace(clip, fps)
    whole = _write(job, film, clip, pace, segments)
    report = _merged(
        [_met(part, record) for part, _, record in segments], next(iter(records.values())).plans
    )
    report.shutter = str(clip.timeline.shutter or "")
    encoder_notes = _once(note for record in records.values() for note in record.notes)
    notes = [*notes_on(clip, whole, encoder_notes, pace), *report.remarks()]
    result = FilmReport(
        f"{folder_at(job.output)}/{job.films[film].destination}",
        whole.count,
        fps,
        report.made,
        round(sum(record.seconds for record in records.values()), 3),
        tuple(_once(notes)),
        blurred=clip.timeline.shutter is not None,
    )
    job.folder.write(joined_name(film), json.dumps({**asdict(result), "fps": str(fps)}).encode())
    remove_parts(job, records)
    return result


def _known(job: Job, film: int) -> FilmReport | None:
    """The report of a film that has been joined already."""
    content = job.folder.read(joined_name(film))
    if content is None:
        return None
    try:
        return stored(parse(content), FilmReport)
    except ValueError as error:
        raise JobError(
            f"{job.folder}/{joined_name(film)} cannot be read ({error}). Remove it to have the "
            "film made again."
        ) from error


def _records(job: Job, film: int) -> dict[int, PartRecord]:
    """The records of all parts of a film, in order."""
    parts = job.parts_of(film)
    found = {part: PartRecord.read(job, part) for part in parts}
    records = {part: record for part, record in found.items() if record}
    missing = [part for part in parts if part not in records]
    if missing:
        raise JobError(
            f"{job.films[film].destination} lacks {len(missing)} of {len(parts)} parts: "
            f"{', '.join(str(part + 1) for part in missing[:10])}."
        )
    return records


def _write(
    job: Job, film: int, clip: Clip, pace: Pace, segments: Sequence[tuple[int, str, Record]]
) -> VideoWriter | AnimationWriter:
    """Joins segments to a file that gets its name when it is complete."""
    results, name = folder_at(job.output), job.films[film].destination
    fps = Fraction(job.films[film].fps)
    reorder = max(record.reorder for _, _, record in segments)
    unfinished = _beside(name)
    path = results.path(unfinished)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = writer_of(path, clip, fps, job.recipe.request, pace, PurePosixPath(name).name)
    with whole:
        for part, segment, record in segments:
            whole.append(_fetched(job, part, segment, record), reorder)
            job.folder.let_go(segment)
    clip.reader.check_unchanged()
    results.publish(unfinished, name)
    return whole


def remove_parts(job: Job, parts: Iterable[int]) -> None:
    """Removes parts, including those of failed attempts; records first."""
    numbers = {f"{part:06}" for part in parts}
    names = [name for name in job.folder.names("parts") if name[:6] in numbers]
    job.folder.remove(*(f"parts/{name}" for name in sorted(names, key=len)))


def forget(job: Job, part: int) -> None:
    """Lets a part be made again."""
    job.folder.remove(record_name(part))


def _check(
    job: Job, records: Mapping[int, PartRecord], segments: Sequence[tuple[int, str, Record]]
) -> None:
    """Checks the records alone: all frames are there, and they can be joined."""
    for part, record in records.items():
        due = job.parts[part]
        if due.segments and record.count != due.count:
            raise BadPartError(part, f"Part {part + 1} has {record.count} frames of {due.count}.")
    first, _, record = segments[0]
    for part, _, one in segments:
        if one.extradata != record.extradata:
            raise BadPartError(
                part,
                f"Part {part + 1} was encoded in another way than part {first + 1}, so that they "
                "cannot be joined.",
            )


def _fetched(job: Job, part: int, name: str, record: Record) -> Path:
    """A file of a part, if it is what its record says."""
    with suppress(FileNotFoundError):
        path = job.folder.fetch(name)
        if sha256_of(path) == record.sha256:
            return path
    raise BadPartError(
        part, f"Part {part + 1} is not what its record says: {name} is missing or was changed."
    )


def _beside(name: str) -> str:
    """A name for a file that is not finished, which no clip is looked for under."""
    path = PurePosixPath(name)
    return str(path.with_name(f".{path.stem}.joining{path.suffix}"))


class _Met(NamedTuple):
    """The part of a `Report` that is kept with a segment."""

    made: int
    redone: int
    unsure: int
    cuts: list[int]
    runs: list[tuple[int, int]]
    beyond_range: list[int]
    not_finite: list[int]
    coarser: list[int]


def _met(part: int, record: Record) -> _Met:
    try:
        return stored(record.report, _Met)
    except ValueError as error:
        raise BadPartError(part, f"The record of part {part + 1} is damaged: {error}.") from error


def _merged(entries: Sequence[_Met], plans: tuple[str, ...]) -> Report:
    """One report of all parts; frames at their seams are seen twice and counted once."""
    report = Report(plans=list(plans))
    for entry in entries:
        report.made += entry.made
        report.redone += entry.redone
        report.unsure += entry.unsure
        report.scenes.cuts += entry.cuts
        report.scenes.runs += entry.runs
        report.beyond_range += entry.beyond_range
        report.not_finite += entry.not_finite
        report.coarser += entry.coarser
    for numbers in (
        report.scenes.cuts,
        report.beyond_range,
        report.not_finite,
        report.coarser,
    ):
        numbers[:] = sorted(set(numbers))
    runs: list[tuple[int, int]] = []
    for begin, end in sorted(report.scenes.runs):
        if runs and begin <= runs[-1][1]:
            runs[-1] = runs[-1][0], max(end, runs[-1][1])
        else:
            runs.append((begin, end))
    report.scenes.runs[:] = runs
    return report


def _once(notes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(notes))
