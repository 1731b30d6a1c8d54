"""How far a job has come: read from its folder, by anyone, at any time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ...checkpoints.stored import parse, stored
from .job import WORKING, Job, failure_name
from .part_maker import PartRecord
from .workers import Outcome

_STALE = 60  # seconds; who has not told of a part for so long does not work on it any more


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        frames, total: output frames that are done, those of parts in the making included, and all.
        parts, parts_total: parts that are done, and all.
        films, films_total: results that are joined, and all.
        failed: parts that were given up.
        working: parts that are in the making.
        fps: frames a second that those who work at present make together; 0: nothing is known.
        eta: seconds until all is done; None: nothing is known.
        updated: when this was so, in seconds since 1970.
    """

    frames: int
    total: int
    parts: int
    parts_total: int
    films: int
    films_total: int
    failed: int
    working: int
    fps: float
    eta: float | None
    updated: float

    @classmethod
    def of(cls, job: Job) -> Progress:
        """Looks at the folder of a job."""
        now = time.time()
        finished, failed, joined = job.finished(), job.failed(), job.joined()
        for film in joined:  # their parts are removed
            finished.update(job.parts_of(film))
        failed -= finished
        notes = [note for note in _notes(job) if note.part not in finished]
        notes = [note for note in notes if now - note.at < _STALE]
        in_making = {note.part: note.frames for note in notes}
        done = sum(job.parts[part].count for part in finished) + sum(in_making.values())
        speeds = [
            note.frames / (note.at - note.since)
            for note in notes
            if note.frames and note.at > note.since
        ]
        fps = sum(speeds)
        given_up = sum(job.parts[part].count for part in failed)
        left = max(0, job.frames - done - given_up)
        return cls(
            frames=done,
            total=job.frames,
            parts=len(finished),
            parts_total=len(job.parts),
            films=len(joined),
            films_total=len(job.films),
            failed=len(failed),
            working=len(in_making),
            fps=round(fps, 3),
            eta=round(left / fps, 1) if fps else (0.0 if not left else None),
            updated=round(now, 3),
        )

    def to_json(self) -> str:
        """As text for other programs."""
        return json.dumps(asdict(self))

    def prometheus(self) -> str:
        """In the text format of Prometheus, for its textfile collector."""
        gauges = {
            "rife_job_frames": (self.frames, "output frames that are done"),
            "rife_job_frames_total": (self.total, "output frames that the job has"),
            "rife_job_parts": (self.parts, "parts that are done"),
            "rife_job_parts_total": (self.parts_total, "parts that the job has"),
            "rife_job_parts_failed": (self.failed, "parts that were given up"),
            "rife_job_parts_working": (self.working, "parts in the making"),
            "rife_job_films": (self.films, "results that are joined"),
            "rife_job_films_total": (self.films_total, "results that the job has"),
            "rife_job_frames_per_second": (self.fps, "speed of all workers together"),
        }
        return "".join(
            f"# HELP {name} {what}\n# TYPE {name} gauge\n{name} {value}\n"
            for name, (value, what) in gauges.items()
        )

    def text(self) -> str:
        """In a few words."""
        words = [
            f"{self.frames} of {self.total} frames",
            f"{self.parts} of {self.parts_total} parts",
            f"{self.films} of {self.films_total} files",
        ]
        if self.working:
            words.append(f"{self.working} parts in the making at {self.fps:.1f} frames a second")
        if self.eta:
            words.append(f"about {_duration(self.eta)} left")
        return ", ".join(words)


def failures(job: Job) -> dict[int, list[dict[str, Any]]]:
    """The attempts at each part that was given up."""
    found: dict[int, list[dict[str, Any]]] = {}
    for part in sorted(job.failed() - job.finished()):
        content = job.folder.read(failure_name(part))
        if content is None:
            continue
        try:
            attempts = stored(parse(content), list[Outcome])
        except ValueError as error:
            attempts = [Outcome(part, "", "failed", f"its failure cannot be read ({error})")]
        found[part] = [attempt._asdict() for attempt in attempts]
    return found


def speeds(job: Job) -> dict[str, float]:
    """Frames a second of each worker, over the parts that it has finished."""
    frames: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for part in job.finished():
        record = PartRecord.read(job, part)
        if record:
            frames[record.worker] = frames.get(record.worker, 0) + record.count
            seconds[record.worker] = seconds.get(record.worker, 0.0) + record.seconds
    return {worker: frames[worker] / max(1e-9, seconds[worker]) for worker in sorted(frames)}


class _Note(NamedTuple):
    """A worker's note on the part that it is making."""

    part: int
    worker: str
    since: float
    frames: int
    at: float


def _notes(job: Job) -> Iterator[_Note]:
    for content in job.folder.read_all(WORKING):
        with suppress(ValueError):  # they are only notes
            yield stored(parse(content), _Note)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
