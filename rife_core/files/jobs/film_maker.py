"""Does all tasks of a job: makes parts, and joins them."""

from __future__ import annotations

from collections.abc import Callable

from .job import Job
from .join import BadPartError, forget, join_film
from .part_maker import PartMaker
from .remote import folder_at

_REPAIRS = 3  # parts of a film that are found changed when it is joined; more are no accident


class FilmMaker(PartMaker):
    """A `PartMaker` that also joins; tasks are numbered as `Job.joining` says.

    Attributes:
        progress: called with the frames of a part that are written so far.
    """

    progress: Callable[[int], None] | None = None

    def do(self, task: int) -> None:
        """Does a task, unless it is done."""
        if task < len(self.job.parts):
            self.make(task, self.progress)
        else:
            self._join(task - len(self.job.parts))

    def _join(self, film: int) -> None:
        for _ in range(_REPAIRS):
            try:
                join_film(self.job, film)
            except BadPartError as error:
                forget(self.job, error.part)
                self.make(error.part)
            else:
                return
        join_film(self.job, film)


def open_maker(folder: str, device: str) -> FilmMaker:
    """The maker for the job in a folder."""
    return FilmMaker(Job.read(folder_at(folder)), device)
