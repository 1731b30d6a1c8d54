"""A separate process for each contender: they share no modules, memory or settings."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import re
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engine.allocator import return_memory
from ..inference.backends import EAGER
from ..networks.padding import crop
from .cases import Case, network_of
from .contenders import Contender, own
from .peers import Run
from .work import Work, seconds, synchronize, work_of

CHECKED_MULTIPLE = 128
"""Frames are compared where all networks divide the size: each way pads its own way."""


class ContenderError(Exception):
    """A contender cannot go on; says why in one line."""


@dataclass(frozen=True)
class Job:
    """The job of one process.

    Attributes:
        contender: who.
        case: what.
        clip: the frames as a NumPy file, N H W 3.
        weights: name or path of weights, None for random ones.
        device: where.
        threads: for PyTorch; 0 leaves its own choice.
        resident: the frames lie on the device before the clock starts.
    """

    contender: Contender
    case: Case
    clip: Path
    weights: str | None = None
    device: str = "cpu"
    threads: int = 0
    resident: bool = False


@dataclass(frozen=True)
class First:
    """The first run: seconds, and bytes beyond what was resident before it.

    The peak is known on Linux and on CUDA; it is 0 elsewhere.
    """

    seconds: float
    peak: int


class Worker:
    """A contender in its process; `ask` has it do one thing and waits.

    Raises:
        ContenderError: it could not be made ready, or could not do what was asked.
    """

    def __init__(self, job: Job) -> None:
        has_server = "forkserver" in multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("forkserver" if has_server else "spawn")
        if has_server:
            context.set_forkserver_preload([__name__])
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, job), daemon=True)
        with _not_run_again(job):
            self._process.start()
        there.close()
        try:
            self._answer()
        except ContenderError:
            self.close()
            raise

    def ask(self, what: str, *arguments: object) -> Any:
        """Calls a method of `Bench` in the process."""
        self._here.send((what, *arguments))
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._here.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise ContenderError(f"ended without a word, exit code {code}") from None
        if isinstance(answer, ContenderError):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process."""
        with suppress(OSError):
            self._here.send(None)
        self._here.close()
        self._process.join(10)
        self._process.terminate()


@contextmanager
def _not_run_again(job: Job) -> Generator[None]:
    """Starts no process that runs the calling program anew, as Python does for what it may need.

    That program may not expect it (without `if __name__ == "__main__"` it would begin its work
    again), or may have no file: in a zip file, or in a host that embeds Python.
    """
    main = sys.modules.get("__main__")
    if type(job.contender).__module__ != "__main__":
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        if main is not None:
            sys.modules["__main__"] = main


def _serve(connection: Connection, job: Job) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    try:
        if job.threads:
            torch.set_num_threads(job.threads)
        device = torch.device(job.device)
        clip = torch.from_numpy(np.load(job.clip))
        clip = clip.to(device) if job.resident else clip
        network = network_of(job.case.row, job.weights)
        with job.contender.open(network, job.case.multiplier, device) as run:
            bench = Bench(job, run, clip, device)
            connection.send("ready")
            while (message := connection.recv()) is not None:
                what, *arguments = message
                connection.send(getattr(bench, what)(*arguments))
    except Exception as error:  # whatever a peer's code raises is this contender's result
        connection.send(ContenderError(one_line(error)))


def one_line(error: BaseException) -> str:
    r"""An error in one line, without the folders of this machine.

    Example:
        >>> one_line(OSError("no file /home/me/x.pth\nhint"))
        'OSError: no file x.pth'
    """
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: " + re.sub(r"(?<!\w)(?:/[^\s/'\":]+)+/", "", text)


@dataclass
class Bench:
    """What a contender's process can be asked for."""

    job: Job
    run: Run
    clip: Tensor
    device: torch.device

    def first(self) -> First:
        """Runs for the first time."""
        gc.collect()
        return_memory()
        before = _memory_now(self.device)
        took = seconds(lambda: self.run(self.clip), self.device)
        return First(took, max(0, _memory_peak(self.device) - before))

    def timed(self) -> float:
        """Runs; seconds."""
        return seconds(lambda: self.run(self.clip), self.device)

    def check(self, file: Path) -> None:
        """Writes the frames made of the upper left part that needs no padding."""
        height, width = (max(64, s - s % CHECKED_MULTIPLE) for s in self.clip.shape[1:3])
        part = crop(self.clip.movedim(-1, 1), height, width).movedim(1, -1).contiguous()
        output = self.run(part[:2])
        synchronize(self.device)
        np.save(file, output[1 : self.job.case.multiplier].float().cpu().numpy())

    def work(self, precisions: Sequence[str]) -> dict[str, Work]:
        """What this project's eager path has to do in each precision, one frame at a time."""
        found: dict[str, Work] = {}
        for precision in precisions:
            network = network_of(self.job.case.row, self.job.weights)
            contender = own(EAGER, precision, batch_size=1)
            with contender.open(
                copy.deepcopy(network), self.job.case.multiplier, self.device
            ) as run:
                found[precision] = work_of(lambda run=run: run(self.clip))
        return found


def _memory_now(device: torch.device) -> int:
    """Bytes in use; the peak is counted from here."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def _memory_peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resident("VmHWM")


def resident(field: str, process: str = "self") -> int:
    """Bytes of a process now ("VmRSS") or at most ("VmHWM"); 0 where the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc", process, "status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0
