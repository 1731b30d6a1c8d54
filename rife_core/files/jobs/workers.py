"""Who makes the parts: one small interface, and the workers of this machine behind it.

A worker is given numbers of parts and tells what became of them; all else it reads from the
folder of the job and writes there. `DebugWorkers` are this process, `LocalWorkers` processes
of this machine.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Literal, NamedTuple

import torch

from ...inference.precision import default_device
from .folder import Folder
from .part_maker import PartMaker
from .plan import Job, JobError

IN_FLIGHT = 2
"""Parts that a worker has at most: one that it makes, and one that waits for that."""

_DEATHS = (
    3  # of a worker one after the other, without a finished part between, until it is given up
)

What = Literal["done", "failed", "lost"]


class Outcome(NamedTuple):
    """What became of a part.

    Attributes:
        part: its number.
        worker: who had it.
        what: "done"; "failed": there was an error; "lost": the worker is gone.
        error: a sentence on that.
        trace: where it happened, for those who write programs.
    """

    part: int
    worker: str
    what: What
    error: str = ""
    trace: str = ""


class Workers(ABC):
    """Makes parts somewhere; a context manager whose end leaves nothing running.

    Attributes:
        device: the kind of device that they work on.
        notes: sentences on workers that could not be used.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []

    @property
    @abstractmethod
    def device(self) -> str:
        """The kind of device that they work on; may be asked before they are opened."""

    @abstractmethod
    def open(self, job: Job) -> None:
        """Gets ready to work on a job."""

    @abstractmethod
    def submit(self, part: int, avoid: frozenset[str] = frozenset()) -> bool:
        """Gives a part to a worker that has room.

        Args:
            part: its number.
            avoid: workers that it failed on; they get it only if there is no other.

        Returns:
            False where nobody has room: it was not taken.
        """

    @abstractmethod
    def wait(self, seconds: float) -> list[Outcome]:
        """What has become of parts meanwhile; returns at once where there is something to tell.

        Raises:
            JobError: no worker is left, and none can be had.
        """

    @abstractmethod
    def close(self, grace: float = 0) -> None:
        """Ends all workers, which may finish the parts that they make within `grace` seconds."""


def attempt(maker: PartMaker, part: int) -> Outcome:
    """Makes a part; errors are told, not raised."""
    try:
        maker.make(part)
    except Exception as error:
        known = isinstance(error, (ValueError, OSError))
        text = str(error) if known else f"{type(error).__name__}: {error}"
        return Outcome(part, maker.name, "failed", text, traceback.format_exc())
    return Outcome(part, maker.name, "done")


class DebugWorkers(Workers):
    """This process: one part at a time, errors where a debugger sees them.

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

    def open(self, job: Job) -> None:
        self._maker = PartMaker(job, self._device)

    def submit(self, part: int, avoid: frozenset[str] = frozenset()) -> bool:
        if self._waiting:
            return False
        self._waiting.append(part)
        return True

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes = [attempt(self._maker, part) for part in self._waiting]
        self._waiting.clear()
        return outcomes

    def close(self, grace: float = 0) -> None:
        self._waiting.clear()


@dataclass
class _Process:
    """A worker of this machine."""

    device: str
    cores: int
    process: subprocess.Popen[str]
    name: str = ""
    parts: set[int] = field(default_factory=set[int])
    deaths: int = 0


class LocalWorkers(Workers):
    """Processes of this machine: one for each GPU, or for each group of cores.

    Args:
        devices: a device for each worker, such as ["cuda:0", "cuda:1"] or ["cpu", "cpu"], which
            share out the cores; by default every GPU there is, or what suits the cores.
    """

    def __init__(self, devices: Sequence[str] | None = None) -> None:
        super().__init__()
        self._devices = list(devices or local_devices())
        self._workers: list[_Process] = []
        self._messages: queue.Queue[tuple[_Process, dict[str, str] | None]] = queue.Queue()

    @property
    def device(self) -> str:
        return torch.device(self._devices[0]).type

    def open(self, job: Job) -> None:
        self._folder = job.folder
        cores = max(1, available_cores() // len(self._devices))
        self._workers = [self._start(device, cores) for device in self._devices]

    def submit(self, part: int, avoid: frozenset[str] = frozenset()) -> bool:
        free = [worker for worker in self._workers if len(worker.parts) < IN_FLIGHT]
        others = [worker for worker in free if worker.name not in avoid]
        if not others and any(worker.name not in avoid for worker in self._workers):
            return False
        for worker in sorted(others or free, key=lambda each: len(each.parts)):
            assert worker.process.stdin is not None
            try:
                worker.process.stdin.write(f"{part}\n")
                worker.process.stdin.flush()
            except OSError:
                continue  # it has just died, which `wait` will tell
            worker.parts.add(part)
            return True
        return False

    def wait(self, seconds: float) -> list[Outcome]:
        outcomes: list[Outcome] = []
        with suppress(queue.Empty):
            while True:
                worker, message = self._messages.get(timeout=0 if outcomes else seconds)
                if message is None:
                    outcomes += self._died(worker)
                elif "name" in message:
                    worker.name = message["name"]
                else:
                    outcome = Outcome(**message)  # pyright: ignore[reportArgumentType]
                    worker.parts.discard(outcome.part)
                    worker.deaths = 0
                    outcomes.append(outcome)
        return outcomes

    def close(self, grace: float = 0) -> None:
        until = time.monotonic() + grace
        try:
            for worker in self._workers:
                with suppress(OSError):
                    assert worker.process.stdin is not None
                    if grace:
                        worker.process.stdin.write("last\n")
                    worker.process.stdin.close()
            for worker in self._workers:
                with suppress(subprocess.TimeoutExpired):
                    worker.process.wait(max(0.1, until - time.monotonic()))
        finally:
            for worker in self._workers:
                if worker.process.poll() is None:
                    worker.process.kill()
                worker.process.wait()
            self._workers.clear()

    def _start(self, device: str, cores: int, deaths: int = 0) -> _Process:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.serve", str(self._folder), device, str(cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(cores),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            start_new_session=True,  # Ctrl-C is for the driver, which tells its workers
        )
        worker = _Process(device, cores, process, deaths=deaths)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Process) -> None:
        assert worker.process.stdout is not None
        with suppress(ValueError):  # a line that was cut off by the death of its writer
            for line in worker.process.stdout:
                self._messages.put((worker, json.loads(line)))
        self._messages.put((worker, None))

    def _died(self, worker: _Process) -> list[Outcome]:
        if worker not in self._workers:
            return []
        self._workers.remove(worker)
        code = worker.process.wait()
        lost = [
            Outcome(part, worker.name, "lost", f"the worker ended with status {code}")
            for part in sorted(worker.parts)
        ]
        if worker.deaths + 1 < _DEATHS:
            self._workers.append(self._start(worker.device, worker.cores, worker.deaths + 1))
        else:
            self.notes.append(
                f"A worker on {worker.device} ended {_DEATHS} times one after the other, at last "
                f"with status {code}, and was left out."
            )
        if not self._workers:
            raise JobError(" ".join(["No worker is left.", *self.notes]))
        return lost


def local_devices(device: str | None = None, count: int | None = None) -> list[str]:
    """A device for each worker of this machine.

    Args:
        device: of a kind, such as "cpu", or one, such as "cuda:1"; the best by default.
        count: how many workers; one for each GPU by default, and one for all cores.
    """
    one = torch.device(device) if device else default_device()
    if str(one) == "cuda":
        gpus = [f"cuda:{index}" for index in range(max(1, torch.cuda.device_count()))]
        return [gpus[index % len(gpus)] for index in range(count or len(gpus))]
    return [str(one)] * (count or 1)


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve(folder: str, device: str, cores: int) -> None:
    """A worker process: reads numbers of parts, one a line, and writes what became of each."""
    answers = _own_answers()
    torch.set_num_threads(max(1, cores))
    parts: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    ends = threading.Event()
    maker = PartMaker(Job.read(Folder(folder)), device)

    def tell(message: object) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    def listen() -> None:
        for line in sys.stdin:
            if line.strip() == "last":
                ends.set()
                parts.put(None)
                return
            parts.put(int(line))
        os._exit(0)  # the driver is gone, or in a hurry

    threading.Thread(target=listen, daemon=True).start()
    tell({"name": maker.name})
    while (part := parts.get()) is not None and not ends.is_set():
        tell(attempt(maker, part)._asdict())


def _own_answers() -> IO[str]:
    """The pipe to the driver, out of reach for libraries that print."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers
