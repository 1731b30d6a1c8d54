"""The workers of a job: one small interface, and this process as its simplest form.

A worker is given numbers of tasks and reports their outcomes; all else it reads from the
folder of the job and writes there. `DebugWorkers` are this process, `LocalWorkers` processes
of this machine, `RayWorkers` processes of a cluster.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Literal, NamedTuple, Protocol, TypeVar

import torch

from ...inference.precision import default_device
from .folder import Folder

IN_FLIGHT = 2
"""Tasks that a worker has at most: one that it does, and one that waits for that."""

DEATHS = 3
"""Of a worker one after the other, without a finished task between, until it is given up."""

_TRACE = 4000  # characters; messages between machines stay small

What = Literal["done", "failed", "lost"]


class Outcome(NamedTuple):
    """The outcome of a task.

    Attributes:
        task: its number.
        worker: who had it.
        what: "done"; "failed": there was an error; "lost": the worker is gone.
        error: a sentence on that.
        trace: where it happened, for those who write programs.
    """

    task: int
    worker: str
    what: What
    error: str = ""
    trace: str = ""


class Maker(Protocol):
    """Does the tasks of one job, one after the other."""

    @property
    def name(self) -> str:
        """The name of the worker in records."""
        ...

    def do(self, task: int) -> None:
        """Does a task, unless it is done."""
        ...


Opener = Callable[[str, str], Maker]
"""A function of a module that is given a job's folder and a device. Processes find it by name."""


class Workers(ABC):
    """Does tasks somewhere.

    Attributes:
        notes: sentences on workers that could not be used.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []

    @property
    @abstractmethod
    def device(self) -> str:
        """The kind of device that they work on; may be asked before they are opened."""

    @abstractmethod
    def open(self, folder: Folder, opener: Opener, tasks: int) -> None:
        """Gets ready to work on the job in a folder.

        Args:
            folder: of the job.
            opener: makes who does the tasks.
            tasks: how many there are at most at a time; more workers would have nothing to do.
        """

    @abstractmethod
    def submit(self, task: int, avoid: frozenset[str] = frozenset()) -> bool:
        """Gives a task to a worker that has room.

        Args:
            task: its number.
            avoid: workers that it failed on; they get it only if there is no other.

        Returns:
            False where nobody has room: it was not taken.
        """

    @abstractmethod
    def wait(self, seconds: float) -> list[Outcome]:
        """The outcomes of tasks so far; returns as soon as there is one.

        Raises:
            JobError: no worker is left, and none can be had.
        """

    def for_one(self) -> Workers:
        """Who does work that cannot be shared: others, where these take longer to start."""
        return self

    @abstractmethod
    def close(self, grace: float = 0) -> None:
        """Ends all workers, which have `grace` seconds to finish their tasks."""


class Worker(Protocol):
    """The state of one of several workers."""

    name: str

    @property
    def tasks(self) -> Collection[int]:
        """Numbers of the tasks that it has."""
        ...


_W = TypeVar("_W", bound=Worker)


def with_room(workers: Collection[_W], avoid: frozenset[str]) -> list[_W]:
    """Workers that may be given a task, those with the least to do first."""
    welcome = [worker for worker in workers if worker.name not in avoid] or workers
    free = [worker for worker in welcome if len(worker.tasks) < IN_FLIGHT]
    return sorted(free, key=lambda worker: len(worker.tasks))


def attempt(maker: Maker, task: int) -> Outcome:
    """Does a task; errors are reported, not raised."""
    try:
        maker.do(task)
    except Exception as error:
        trace = traceback.format_exc()[-_TRACE:]
        return Outcome(task, maker.name, "failed", sentence(error), trace)
    return Outcome(task, maker.name, "done")


def sentence(error: BaseException) -> str:
    """An error as a sentence; its type comes first if it was not written for users."""
    known = isinstance(error, (ValueError, OSError))
    return str(error) if known else f"{type(error).__name__}: {error}"


class DebugWorkers(Workers):
    """This process: one task at a time, errors where a debugger sees them.

    Args:
        device: where the network runs; the best there is by default.
    """

    def __init__(self, device: str | None = None) -> None:
        super().__init__()
        self._device = device or str(default_device())
        self._waiting: list[int] = []

    @property
    def device(self) -> str:
        return torch.device(self._device).type

    def open(self, folder: Folder, opener: Opener, tasks: int) -> None:
        self._maker = opener(str(folder), self._device)

    def submit(self, task: int, avoid: frozenset[str] = frozenset()) -> bool:
        if self._waiting:
            return False
        self._waiting.append(task)
        return True

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes = [attempt(self._maker, task) for task in self._waiting]
        self._waiting.clear()
        return outcomes

    def close(self, grace: float = 0) -> None:
        self._waiting.clear()
