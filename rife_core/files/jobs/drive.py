"""Drives a job: plans it, hands out its parts, retries what failed, joins what is done."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .film_maker import FilmMaker, open_maker
from .folder import Folder
from .hand_out import LOOK_EVERY, HandOut
from .job import FAILED, JOB, JOINED, PARTS, WORKING, Job, JobError, failure_name, joined_name
from .join import FilmReport, join_film
from .plan import differences, plan
from .progress import Progress, failures
from .recipe import Recipe
from .remote import folder_at, is_url
from .sources import find_clips
from .workers import DebugWorkers, Outcome, Workers

_LOOK_SHARE = 0.05  # of a driver's time that may go to looking how far the job has come

Watch = Callable[[Progress], None]
"""Called about once a second; whatever it raises stops the work."""


@dataclass(frozen=True)
class JobReport:
    """The report on a job.

    Attributes:
        folder: that of the job.
        films: the results that are done.
        failed: a sentence on each part or film that was given up.
        left_out: sources that could not be done, and why.
        notes: sentences on workers that could not be used.
        seconds: how long this run took.
    """

    folder: str
    films: tuple[FilmReport, ...]
    failed: tuple[str, ...]
    left_out: dict[str, str]
    notes: tuple[str, ...]
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether every clip that was given is done."""
        return not self.failed and not self.left_out


def place_of(folder: str | os.PathLike[str]) -> str:
    """A folder's absolute path, or its URL."""
    return os.fspath(folder).rstrip("/") if is_url(folder) else str(Path(folder).absolute())


def job_folder(output: str) -> str:
    """The default folder for the job of an output folder."""
    return f"{output}/.rife-job"


def interpolate_files(
    sources: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    recipe: Recipe,
    *,
    workers: Workers | None = None,
    folder: str | os.PathLike[str] | None = None,
    file_type: str | None = None,
    part_frames: int | None = None,
    progress: Watch | None = None,
) -> JobReport:
    """Interpolates many clips, in parts that workers share.

    If it is stopped, or the machine is, the same call goes on where it was.

    Args:
        sources: video files, folders of them, lists (.txt) of either; paths or URLs.
        output: the folder of the results, a path or URL.
        recipe: what is to be done with each clip.
        workers: who makes the parts; this process by default.
        folder: of the job; `.rife-job` in the output folder by default.
        file_type: how the results end; by default as their sources, or .mkv.
        part_frames: output frames of a part, at least; by default some 40 seconds of work.
        progress: see `Watch`.

    Raises:
        FileNotFoundError: there is no such source.
        VideoError: two results would have one name.
        JobError: another job lies in the folder, or is worked on; or no worker is left.

    Example:
        >>> interpolate_files(["clips"], "smooth", Recipe("default.safetensors")) # doctest: +SKIP
    """
    workers = workers or DebugWorkers()
    output = place_of(output)
    with driving(folder_at(folder or job_folder(output))) as place:
        job = open_job(place, sources, output, recipe, workers.device, file_type, part_frames)
        return run_job(job, workers, progress)


@contextmanager
def driving(folder: Folder) -> Generator[Folder]:
    """A folder that one driver at a time may use.

    Raises:
        JobError: another process drives the job that lies there, or nothing can be written.
    """
    try:
        lock = folder.lock()
    except BlockingIOError as error:
        raise JobError(
            f"The job in {folder} is driven by another process. Let it end, or help it with "
            f"`rife-video work {folder}`."
        ) from error
    except OSError as error:
        raise JobError(f"Nothing can be written to {folder}: {error.strerror}.") from error
    try:
        yield folder
    finally:
        lock.release()


def open_job(
    folder: Folder,
    sources: Iterable[str | os.PathLike[str]],
    output: str,
    recipe: Recipe,
    device: str,
    file_type: str | None = None,
    part_frames: int | None = None,
) -> Job:
    """The job that is asked for: the one in the folder, if that is it, or a new one.

    Raises:
        JobError: an unfinished job that differs lies there.
    """
    clips = find_clips(sources, output, file_type)
    if folder.read(JOB) is not None:
        job = Job.read(folder)
        differing = differences(job, output, clips, recipe)
        results = folder_at(output)
        lost = [f for f in job.joined() if results.size(job.films[f].destination) is None]
        if not differing:
            folder.remove(*map(joined_name, lost))  # these are made again
            return job
        if len(job.joined()) < len(job.films):
            raise JobError(
                f"{folder} holds another job, which is not finished: {'; '.join(differing)}. "
                f"Finish that one (rife-video work {folder}, then join), remove the folder, or "
                "give this job a folder of its own (--job)."
            )
        for name in (JOINED, FAILED, PARTS, WORKING):
            folder.remove(*(f"{name}/{each}" for each in folder.names(name)))
    return plan(folder, output, clips, recipe, device, part_frames)


def run_job(
    job: Job, workers: Workers, progress: Watch | None = None, shard: tuple[int, int] | None = None
) -> JobReport:
    """Works on a job until nothing is left to do.

    Args:
        job: the job.
        workers: who makes the parts.
        progress: see `Watch`.
        shard: (n, of): only every so many-th part, and without joining; other processes
            make the others.

    Raises:
        JobError: no worker is left.
    """
    started = time.perf_counter()
    run = _Run(job, workers, progress, shard)
    run.work()
    return JobReport(
        str(job.folder),
        tuple(run.films[film] for film in sorted(run.films)),
        tuple(run.told()),
        dict(job.left_out),
        tuple(workers.notes),
        time.perf_counter() - started,
    )


class _WatchError(BaseException):
    """An exception raised by a `Watch` while a part was made; the part is not to blame."""

    def __init__(self, raised: Exception) -> None:
        super().__init__(raised)
        self.raised = raised


@dataclass
class _Run:
    """One run of a driver."""

    job: Job
    workers: Workers
    progress: Watch | None
    shard: tuple[int, int] | None
    unjoined: dict[int, str] = field(default_factory=dict[int, str])
    films: dict[int, FilmReport] = field(default_factory=dict[int, FilmReport])
    failed: dict[int, str] = field(default_factory=dict[int, str])

    def __post_init__(self) -> None:
        job = self.job
        number, of = self.shard or (1, 1)
        own = range(number - 1, len(job.parts), of)
        joined, finished = job.joined(), job.finished()
        self.failed = {
            part: attempts[-1]["error"] if attempts else ""
            for part, attempts in failures(job).items()
            if part in own
        }
        self._missing = {
            film: {part for part in job.parts_of(film) if part not in finished}
            for film in range(len(job.films))
            if film not in joined
        }
        self._todo = [
            part
            for part in own
            if part in self._missing.get(job.parts[part].film, ()) and part not in self.failed
        ]
        if self.shard is None:
            for film in joined:
                self.films[film] = join_film(job, film)
            complete = (film for film, missing in self._missing.items() if not missing)
            self._todo[:0] = map(job.joining, complete)
        self._looked, self._took = -LOOK_EVERY, 0.0

    def work(self) -> None:
        """Until nothing is left to do."""
        if self.shard is None:
            self._forget_notes()  # of workers that went with an earlier driver
        workers = self.workers
        if len(self.job.parts) == 1 and self.shard is None:
            workers = workers.for_one()
        opener = self._open_here if isinstance(workers, DebugWorkers) else open_maker
        hands = HandOut(workers, self._done, self._given_up, self._tell)
        try:
            hands.run(self.job.folder, opener, self._todo)
        except _WatchError as error:
            raise error.raised from None
        if self.shard is None and not self.failed:
            self._forget_notes()  # of workers that were killed
        self._tell(now=True)

    def told(self) -> Iterator[str]:
        """A sentence on each part and film that was given up."""
        for part, error in sorted(self.failed.items()):
            film = self.job.parts[part].film
            number = part - self.job.parts_of(film)[0] + 1
            yield f"{self.job.films[film].destination}, part {number}: {error}"
        for film, error in sorted(self.unjoined.items()):
            yield f"{self.job.films[film].destination}: {error}"

    def _forget_notes(self) -> None:
        notes = self.job.folder.names(WORKING)
        self.job.folder.remove(*(f"{WORKING}/{name}" for name in notes))

    def _done(self, task: int) -> list[int]:
        film = task - len(self.job.parts)
        if film >= 0:
            self.films[film] = join_film(self.job, film)
            return []
        film = self.job.parts[task].film
        missing = self._missing[film]
        missing.discard(task)
        return [self.job.joining(film)] if not missing and self.shard is None else []

    def _given_up(self, task: int, attempts: list[Outcome]) -> None:
        film = task - len(self.job.parts)
        if film >= 0:
            self.unjoined[film] = attempts[-1].error
            return
        self.failed[task] = attempts[-1].error
        told = [each._asdict() for each in attempts]
        self.job.folder.write(failure_name(task), json.dumps(told, indent=1).encode())

    def _open_here(self, folder: str, device: str) -> FilmMaker:
        """A maker in this process, which can report its progress while it makes a part."""

        def look(done: int) -> None:
            try:
                self._tell()
            except Exception as error:
                raise _WatchError(error) from error

        maker = open_maker(folder, device)
        maker.progress = look
        return maker

    def _tell(self, now: bool = False) -> None:
        if self.shard is not None:
            return
        began = time.monotonic()
        if not now and began - self._looked < max(LOOK_EVERY, self._took / _LOOK_SHARE):
            return
        seen = Progress.of(self.job)
        self.job.folder.write("progress.json", seen.to_json().encode())
        if self.progress:
            self.progress(seen)
        self._looked = time.monotonic()
        self._took = self._looked - began
