"""Finished stretches of a long job, kept beside its destination until the whole is done.

A segment is a file of `LENGTH` frames whose encoding begins anew, so that segments can be
joined packet by packet and do not depend on each other. Its record, written last, says
what it holds: a segment without one, or one that its record does not fit, is made again. A
run that was killed goes on after the last segment that it finished; the result is the
same, for every run writes its file in segments.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import av
from torch import Tensor
from torch import uint8 as torch_uint8

from ..basics.whole_file import write_whole
from ..video import FILE_TYPES, VideoError
from .lock import FolderLock

LENGTH = 500
"""Frames. Little work to lose, and encoders would begin anew about as often by themselves."""

_JOB, _RECORD = "job.json", ".json"
_PIECE = 1 << 20  # bytes that are hashed at once


def parts_folder(destination: Path) -> Path:
    """The folder of a file's segments while the file is being made."""
    return destination.with_name(f".{destination.name}.rife-parts")


@dataclass(frozen=True)
class Record:
    """The record of a finished segment.

    Attributes:
        count: its frames.
        sha256: of the file.
        extradata: what its decoder must know first, in hexadecimal; that of all is the same.
        reorder: by how many frames coding is ahead of display in it, at most.
        report: what the engine met while it was made, its frames counted from the file's first.
    """

    count: int
    sha256: str
    extradata: str = ""
    reorder: int = 0
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def read(cls, segment: Path) -> Record | None:
        """The record of a segment; None unless there is one that the file fits."""
        try:
            record = cls(**json.loads(segment.with_suffix(_RECORD).read_text("utf-8")))
            return record if record.sha256 == sha256_of(segment) and record.count > 0 else None
        except (OSError, ValueError, TypeError):
            return None

    def write(self, segment: Path) -> None:
        """Writes it beside the segment, whole or not at all."""
        write_whole(segment.with_suffix(_RECORD), json.dumps(asdict(self)))


class Segments:
    """The segments of one job; a context manager.

    When it is left, the folder is removed, unless an exception ends the work, `keep`
    is on and a segment is finished.

    Args:
        destination: the file that is to become of them.
        job: what decides the result, as JSON; segments of another job are removed.
        keep: whether segments of an earlier run are used, and those of this one kept.

    Attributes:
        finished: those that are done, in order.
        records: theirs.
        length: how many frames one is to have.

    Raises:
        VideoError: another process makes the same file, or nothing can be written there.
    """

    def __init__(self, destination: Path, job: Mapping[str, object], *, keep: bool) -> None:
        self.folder = parts_folder(destination)
        self.finished: list[Path] = []
        self.records: list[Record] = []
        self.length = LENGTH
        self._destination = destination
        self._keep = keep
        self._job = json.dumps({**job, "length": LENGTH, "made by": _libraries()}, indent=1)

    def __enter__(self) -> Segments:
        try:
            self._lock = FolderLock(self.folder)
        except BlockingIOError as error:
            raise VideoError(
                f"{self._destination.name} is being made by another run. Wait for it to end, or "
                "give this one another name."
            ) from error
        except OSError as error:
            raise _cannot_write(self._destination.parent, error) from error
        try:
            self._prepare()
        except OSError as error:
            self._remove()
            raise _cannot_write(self._destination.parent, error) from error
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None or not (self._keep and self.finished):
            self._remove()
        else:
            self._lock.release()

    @property
    def count(self) -> int:
        """How many frames the finished segments have."""
        return sum(record.count for record in self.records)

    @property
    def next(self) -> Path:
        """The file to write the next segment to."""
        suffix = FILE_TYPES[self._destination.suffix.lower()].segment
        return self.folder / f"{len(self.finished):06}{suffix}"

    def add(self, record: Record) -> None:
        """Writes the record of the file `next`, which is finished with that.

        Raises:
            VideoError: it was encoded in another way than the first one.
        """
        if self.records and record.extradata != self.records[0].extradata:
            raise VideoError(
                f"Segment {len(self.finished) + 1} of {self._destination.name} was encoded in "
                "another way than the first, so that they cannot be joined. Run it with "
                "--no-resume."
            )
        record.write(self.next)
        self._found(record)

    def discard(self) -> None:
        """Discards all segments: together they are not the file they should be."""
        self._keep = False

    def _found(self, record: Record) -> None:
        self.finished.append(self.next)
        self.records.append(record)

    def _prepare(self) -> None:
        description = self.folder / _JOB
        same = description.is_file() and description.read_text("utf-8") == self._job
        if self._keep and same:
            while record := Record.read(self.next):
                if self.records and record.extradata != self.records[0].extradata:
                    break
                self._found(record)
        kept = {description if same else None, self._lock.path, *self.finished}
        kept |= {segment.with_suffix(_RECORD) for segment in self.finished}
        for file in self.folder.iterdir():
            if file not in kept:
                file.unlink()
        if not same:
            write_whole(description, self._job)

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release(self.folder)


def sha256_of(file: Path) -> str:
    """The hash of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def digest_of(tensors: Iterable[Tensor]) -> str:
    """A hash of all values."""
    digest = hashlib.sha256()
    for tensor in tensors:
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch_uint8).numpy().tobytes())
    return digest.hexdigest()


def _cannot_write(folder: Path, error: OSError) -> VideoError:
    return VideoError(f"Nothing can be written to {folder}: {error.strerror}.")


def _libraries() -> str:
    """The versions of the encoders: segments of different ones are not joined."""
    return f"PyAV {av.__version__}, {av.library_versions.get('libavcodec')}"
