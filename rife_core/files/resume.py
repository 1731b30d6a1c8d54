"""Finished stretches of a long job, kept beside its destination until the whole is done.

A part is a file of `LENGTH` frames whose encoding begins anew, so that parts can be
joined packet by packet and do not depend on each other. A run that was killed goes
on after the last part that it finished; the result is the same, for every run
writes its file in parts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from .video.containers import VideoError, open_input

LENGTH = 500
"""Frames. Little work to lose, and encoders would begin anew about as often by themselves."""

_JOB = "job.json"


def parts_folder(destination: Path) -> Path:
    """Where the parts of a file lie while it is being made."""
    return destination.with_name(f".{destination.name}.rife-parts")


class Parts:
    """The parts of one job; a context manager.

    When it is left, the folder is removed, unless an exception ends the work, `keep`
    is on and a part is finished.

    Args:
        destination: the file that is to become of them.
        job: what decides the result, as JSON; parts of another job are removed.
        keep: whether parts of an earlier run are used, and those of this one kept.

    Attributes:
        finished: the parts that are done, in order.
        count: how many frames these have.
        length: how many frames a part is to have.
    """

    def __init__(self, destination: Path, job: Mapping[str, object], *, keep: bool) -> None:
        self.folder = parts_folder(destination)
        self.finished: list[Path] = []
        self.count = 0
        self.length = LENGTH
        self._keep = keep
        self._job = json.dumps({**job, "length": LENGTH}, indent=1)

    def __enter__(self) -> Parts:
        description = self.folder / _JOB
        if self._keep and description.is_file() and description.read_text() == self._job:
            self._find()
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                self.folder.mkdir(parents=True)
                description.write_text(self._job)
            except OSError as error:
                self._remove()
                raise VideoError(
                    f"Nothing can be written to {self.folder.parent}: {error.strerror}."
                ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or not (self._keep and self.finished):
            self._remove()

    @property
    def next(self) -> Path:
        """The file to write the next part to."""
        return self.folder / f"{len(self.finished):06}.mp4"

    def add(self, count: int) -> None:
        """Counts the file `next`, of `count` frames, as finished."""
        self.finished.append(self.next)
        self.count += count

    def _find(self) -> None:
        while self.next.is_file():
            with open_input(self.next) as container:
                self.add(container.streams.video[0].frames)
        for file in self.folder.iterdir():
            if file.name != _JOB and file not in self.finished:
                file.unlink()

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
