"""Makes one part of a job: decodes, interpolates, encodes, and writes the record last."""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from ...checkpoints.stored import is_inside, parse, stored
from ...engine.report import Report
from ...inference.rife import RIFE
from ...video import FILE_TYPES, VideoError
from ..clip import Clip
from ..convert import check_encoder, kind_of
from ..frames import compare, frames_of, read_from
from ..resume import LENGTH, Record, sha256_of
from ..segments import Encoding, write_segments
from .folder import Folder
from .job import PARTS, WORKING, Job, JobError, record_name


@dataclass(frozen=True)
class PartRecord:
    """The record of a finished part.

    Attributes:
        count: its output frames.
        files: the names of its files, in order.
        records: one for each of them.
        worker: who made it.
        seconds: how long that took.
        notes: sentences on what the encoder cannot keep, and of a film that is made in one go on
            what was met in its source.
        plans: how frames were made; see `Report`.
    """

    count: int
    files: tuple[str, ...]
    records: tuple[Record, ...]
    worker: str
    seconds: float
    notes: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()

    @classmethod
    def read(cls, job: Job, part: int) -> PartRecord | None:
        """The record of a part; None where it is not done."""
        content = job.folder.read(record_name(part))
        if content is None:
            return None
        try:
            record = stored(parse(content), cls)
            begin = f"{PARTS}/{part:06}-"
            if not all(name.startswith(begin) and is_inside(name) for name in record.files):
                raise ValueError("its files are not its own")
            if not record.files or len(record.files) != len(record.records):
                raise ValueError(f"{len(record.files)} files, {len(record.records)} records")
            return record
        except ValueError as error:
            raise JobError(
                f"{job.folder}/{record_name(part)} cannot be read ({error}). Remove it to have the "
                "part made again."
            ) from error

    def to_json(self) -> bytes:
        """As `read` reads it."""
        return json.dumps(asdict(self)).encode()


class PartMaker:
    """A network that is loaded once, and the parts that it makes.

    Args:
        job: the job.
        device: where the network runs.
        name: who this is, for people who read records.

    Raises:
        JobError: other releases run here than where the job was planned, or its weights differ.
    """

    def __init__(self, job: Job, device: str, name: str = "") -> None:
        job.check_versions()
        self.job, self.device = job, device
        self.name = name or f"{platform.node()}/{os.getpid()}/{device}"
        self._network: RIFE | None = None
        self._clip: tuple[int, Clip] | None = None

    @property
    def network(self) -> RIFE:
        """The network; loaded when it is first needed."""
        if self._network is None:
            weights = self.job.folder.fetch(self.job.weights["file"])
            if sha256_of(weights) != self.job.weights["sha256"]:
                raise JobError(f"{weights} is not what the job was planned with; begin a new job.")
            self._network = self.job.settled.network(self.device, weights)
        return self._network

    def make(self, number: int, progress: Callable[[int], None] | None = None) -> PartRecord:
        """Makes a part, unless it is done.

        Args:
            number: of the part.
            progress: called with the frames written so far; what it raises stops the work.

        Raises:
            VideoError: the source cannot be read, or the part not written.
            JobError: the source is another one by now.
        """
        known = PartRecord.read(self.job, number)
        if known:
            return known
        started = time.perf_counter()
        part = self.job.parts[number]
        encoding, notes = self._encoding(number)
        store = _Store(self.job.folder, number, encoding.suffix, part.segments)
        with closing(_Teller(self.job.folder, number, store.token, self.name)) as told:
            try:
                report = self._write(number, store, encoding, told, progress)
                if not part.segments:
                    notes = (*notes, *self._clip_of(part.film).reader.notes())
                record = PartRecord(
                    store.count,
                    tuple(store.files),
                    tuple(store.records),
                    self.name,
                    round(time.perf_counter() - started, 3),
                    notes,
                    tuple(report.plans),
                )
                if self.job.folder.create(record_name(number), record.to_json()):
                    return record
            except BaseException:
                store.discard()
                raise
        store.discard()  # another attempt was sooner
        first = PartRecord.read(self.job, number)
        assert first is not None, "the record was there a moment ago"
        return first

    def _encoding(self, number: int) -> tuple[Encoding, tuple[str, ...]]:
        """How a part is encoded, and sentences on what that cannot keep."""
        film = self.job.films[self.job.parts[number].film]
        reader = self._clip_of(self.job.parts[number].film).reader
        destination = Path(film.destination)
        encoding = Encoding(
            Fraction(film.fps),
            kind_of(reader),
            self.job.recipe.request,
            destination.suffix.lower(),
            f"part {number + 1} of {film.destination}",
        )
        return encoding, check_encoder(destination, reader, encoding.fps, encoding.encoder)

    def _write(
        self,
        number: int,
        store: _Store,
        encoding: Encoding,
        told: _Teller,
        progress: Callable[[int], None] | None,
    ) -> Report:
        """Writes the segments of a part and checks that none of its frames is missing."""
        part = self.job.parts[number]
        clip, options, report = self._clip_of(part.film), self.job.recipe.options(), Report()
        begin = read_from(part.source, options.scenes)

        def advance(done: int, _: int | None) -> None:
            told.tell(done)
            if progress:
                progress(done)

        window = clip.window(part.source, part.stop)
        with frames_of(self.network, clip, begin, report, options, window) as frames:
            write_segments(
                frames,
                store,
                encoding,
                report,
                begin,
                total=part.count,
                progress=advance,
                watch=None,
            )
        if not part.segments:
            compare(clip, begin, report, store.count)
        elif store.count != part.count:
            raise VideoError(
                f"{part.count} frames were due in part {number + 1} of {clip.reader.path.name}, "
                f"and {store.count} came out; it was not kept."
            )
        return report

    def _clip_of(self, film: int) -> Clip:
        if self._clip is None or self._clip[0] != film:
            self._clip = film, self.job.clip(film)
        return self._clip[1]


class _Store:
    """The files of one attempt at a part, under names of its own, so that two may race."""

    def __init__(self, folder: Folder, part: int, suffix: str, lengths: tuple[int, ...]) -> None:
        self.token = secrets.token_hex(4)
        self.files: list[str] = []
        self.records: list[Record] = []
        self._folder, self._part = folder, part
        self._suffix = FILE_TYPES[suffix].segment
        self._lengths = lengths

    @property
    def count(self) -> int:
        return sum(record.count for record in self.records)

    @property
    def length(self) -> int:
        done = len(self.files)
        return self._lengths[done] if done < len(self._lengths) else LENGTH

    @property
    def next(self) -> Path:
        return self._folder.path(self._next)

    def add(self, record: Record) -> None:
        self._folder.keep(self._next)
        self.files.append(self._next)
        self.records.append(record)

    def discard(self) -> None:
        """Removes them again."""
        self._folder.remove(*self.files, self._next)

    @property
    def _next(self) -> str:
        return f"{PARTS}/{self._part:06}-{self.token}-{len(self.files):04}{self._suffix}"


class _Teller:
    """Reports from time to time how far a part has come."""

    def __init__(self, folder: Folder, part: int, token: str, worker: str) -> None:
        self._folder, self._name = folder, f"{WORKING}/{part:06}-{token}.json"
        self._note = {"part": part, "worker": worker, "since": time.time()}
        self._last = -folder.tell_every
        self.tell(0)

    def tell(self, done: int) -> None:
        if time.monotonic() - self._last >= self._folder.tell_every:
            self._last = time.monotonic()
            note = {**self._note, "frames": done, "at": time.time()}
            self._folder.write(self._name, json.dumps(note).encode())

    def close(self) -> None:
        self._folder.remove(self._name)
