"""Workers that are processes of this machine."""

from __future__ import annotations

import importlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import torch

from ...inference.precision import default_device
from .folder import Folder
from .job import JobError
from .workers import DEATHS, DebugWorkers, Opener, Outcome, Workers, attempt, with_room

_PER_CORE, _ON_FEW_CORES = 4, 16
"""Workers that a machine takes at most: so many for each core, and so many in any case.

Each is a process that loads PyTorch and the network."""


@dataclass
class _Process:
    """A worker of this machine."""

    device: str
    cores: int
    process: subprocess.Popen[str]
    name: str = ""
    tasks: set[int] = field(default_factory=set[int])
    deaths: int = 0


class LocalWorkers(Workers):
    """Processes of this machine: one for each GPU, or for each group of cores.

    Args:
        devices: a device for each worker, such as ["cuda:0", "cuda:1"] or ["cpu", "cpu"], which
            share out the cores; by default every GPU there is, or what suits the cores. Those
            for whom there is no task only take the places of workers that were given up.

    Raises:
        ValueError: more workers than the machine takes.
    """

    def __init__(self, devices: Sequence[str] | None = None) -> None:
        super().__init__()
        self._devices = list(devices or local_devices())
        _check_count(len(self._devices))
        self._spare: list[str] = []
        self._workers: list[_Process] = []
        self._messages: queue.Queue[tuple[_Process, dict[str, str] | None]] = queue.Queue()

    @property
    def device(self) -> str:
        return torch.device(self._devices[0]).type

    def for_one(self) -> Workers:
        """This process, which has already loaded what a second one would have to load."""
        return DebugWorkers(self._devices[0]) if len(self._devices) == 1 else self

    def open(self, folder: Folder, opener: Opener, tasks: int) -> None:
        self._folder = folder
        self._opener = f"{opener.__module__}:{opener.__name__}"
        begin, self._spare = self._devices[:tasks], self._devices[tasks:]
        cores = max(1, available_cores() // len(begin))
        self._workers = [self._start(device, cores) for device in begin]

    def submit(self, task: int, avoid: frozenset[str] = frozenset()) -> bool:
        for worker in with_room(self._workers, avoid):
            assert worker.process.stdin is not None
            try:
                worker.process.stdin.write(f"{task}\n")
                worker.process.stdin.flush()
            except OSError:
                continue  # it has just died, which `wait` will tell
            worker.tasks.add(task)
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
                    worker.tasks.discard(outcome.task)
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
        command = [sys.executable, "-m", f"{__package__}.serve"]
        process = subprocess.Popen(
            [*command, self._opener, str(self._folder), device, str(cores)],
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
            Outcome(task, worker.name, "lost", f"the worker ended with status {code}")
            for task in sorted(worker.tasks)
        ]
        if worker.deaths + 1 < DEATHS:
            self._workers.append(self._start(worker.device, worker.cores, worker.deaths + 1))
        else:
            self.notes.append(
                f"A worker on {worker.device} ended {DEATHS} times one after the other, at last "
                f"with status {code}, and was left out."
            )
            if self._spare:
                self._workers.append(self._start(self._spare.pop(0), worker.cores))
        if not self._workers:
            raise JobError(" ".join(["No worker is left.", *self.notes]))
        return lost


def local_devices(device: str | None = None, count: int | None = None) -> list[str]:
    """A device for each worker of this machine.

    Args:
        device: of a kind, such as "cpu", or one, such as "cuda:1"; the best by default.
        count: how many workers; one for each GPU by default, and one for all cores.

    Raises:
        ValueError: more than the machine takes.
    """
    _check_count(count or 1)
    one = torch.device(device) if device else default_device()
    if str(one) == "cuda":
        gpus = [f"cuda:{index}" for index in range(max(1, torch.cuda.device_count()))]
        return [gpus[index % len(gpus)] for index in range(count or len(gpus))]
    return [str(one)] * (count or 1)


def _check_count(workers: int) -> None:
    cores = available_cores()
    most = max(_ON_FEW_CORES, _PER_CORE * cores)
    if workers > most:
        raise ValueError(
            f"{workers:,} workers are too many for a machine of {cores} "
            f"{'core' if cores == 1 else 'cores'}; at most {most} have something to do."
        )


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve(opener: str, folder: str, device: str, cores: int) -> None:
    """A worker process: reads numbers of tasks, one a line, and writes the outcome of each."""
    answers = _own_answers()
    torch.set_num_threads(max(1, cores))
    tasks: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    ends = threading.Event()
    module, _, function = opener.partition(":")
    maker = getattr(importlib.import_module(module), function)(folder, device)

    def tell(message: object) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    def listen() -> None:
        for line in sys.stdin:
            if line.strip() == "last":
                ends.set()
                tasks.put(None)
                return
            tasks.put(int(line))
        os._exit(0)  # the driver is gone, or in a hurry

    threading.Thread(target=listen, daemon=True).start()
    tell({"name": maker.name})
    while (task := tasks.get()) is not None and not ends.is_set():
        tell(attempt(maker, task)._asdict())


def _own_answers() -> IO[str]:
    """The pipe to the driver, out of reach for libraries that print."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers
