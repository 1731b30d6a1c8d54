"""Runs the table of contenders through the table of cases, turn by turn."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ..engine.memory_plan import MIB
from ..inference.precision import resolve_precision
from ..losses.metrics import psnr
from .cases import Case, frames_of, network_of
from .contenders import Contender
from .work import Work, copy_rate, matrix_rate
from .workers import ContenderError, First, Job, Worker

MOST_PSNR = 200.0
"""What equal frames are given, in place of infinity."""


@dataclass(frozen=True)
class BenchSettings:
    """The settings of a run, the same for all its cases.

    Attributes:
        frames: source frames of the clip.
        rounds: each contender's turns.
        device, threads, resident: see `Job`.
        clip: a video to take the frames from, or None for painted ones.
        weights: name or path of weights by row.
    """

    frames: int = 5
    rounds: int = 5
    device: str = "cpu"
    threads: int = 0
    resident: bool = False
    clip: Path | None = None
    weights: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Rates:
    """The speed of the machine: the best that was measured in a run.

    Attributes:
        flop: per second, by precision.
        bytes: per second, read and written.
    """

    flop: Mapping[str, float]
    bytes: float

    def better(self, other: Rates) -> Rates:
        """The better of two measurements, figure by figure."""
        flop = {name: max(rate, other.flop[name]) for name, rate in self.flop.items()}
        return Rates(flop, max(self.bytes, other.bytes))

    def bound(self, work: Work, precision: str) -> float:
        """Seconds that `work` takes at least: the longer one of arithmetic and memory traffic."""
        return max(work.flop / self.flop[precision], work.bytes / self.bytes)


@dataclass(frozen=True)
class Result:
    """The figures of one contender in one case; None where a figure is not known.

    Attributes:
        row, size, multiplier: see `Case`.
        contender, kind, precision: see `Contender`.
        error: why there are no figures, or empty.
        ms: an interpolated frame, median of the rounds.
        spread: the slowest round over the fastest one.
        vs_reference, vs_peer: how many times as fast as the reference and as the fastest
            peer; median of the rounds' ratios.
        psnr: dB, against the reference; of the worst interpolated frame.
        peak_mib: memory beyond what was resident before the first run.
        first_s: seconds of the first run, with whatever is done once.
        gflop, gbyte: an interpolated frame, of this project's eager path in this precision.
        share: of the roofline: the least time for that work over the time taken.
    """

    row: str
    size: str
    multiplier: int
    contender: str
    kind: str
    precision: str
    error: str = ""
    ms: float | None = None
    spread: float | None = None
    vs_reference: float | None = None
    vs_peer: float | None = None
    psnr: float | None = None
    peak_mib: float | None = None
    first_s: float | None = None
    gflop: float | None = None
    gbyte: float | None = None
    share: float | None = None


def interleave(
    runs: Mapping[str, Callable[[], float]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each run in each round, and the errors of those that gave up.

    All take a turn before anybody takes the next; every second round goes backwards.

    Example:
        >>> interleave({"a": lambda: 1.0, "b": lambda: 2.0}, 2)
        ({'a': [1.0, 1.0], 'b': [2.0, 2.0]}, {})
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    errors: dict[str, str] = {}
    for number in range(rounds):
        for name in list(times)[:: -1 if number % 2 else 1]:
            try:
                times[name].append(runs[name]())
            except ContenderError as error:
                errors[name] = str(error)
                del times[name]
    return times, errors


def ratio(baseline: Sequence[float], times: Sequence[float]) -> float:
    """How many times as fast: the median over the rounds.

    Example:
        >>> ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
        2.0
    """
    return median(a / b for a, b in zip(baseline, times, strict=True))


def measure_rates(precisions: Sequence[str], device: str) -> Rates:
    """The speed of the machine in each precision."""
    place = torch.device(device)
    flop = {p: matrix_rate(resolve_precision(p, place), place) for p in precisions}
    return Rates(flop, copy_rate(place))


def measure(
    case: Case,
    contenders: Sequence[Contender],
    settings: BenchSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """All contenders on one case; the reference is the first of them.

    Raises:
        ContenderError: the reference itself cannot run.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        race = _Race(case, contenders, settings, Path(folder), stack)
        for name in race.fitting:
            tell(f"{case}: {name}")
            race.attempt(name, race.start)
        tell(f"{case}: {settings.rounds} rounds")
        race.run()
        for name in race.fitting:
            race.attempt(name, race.check)
        works = race.works()
    return race.results(works)


class _Race:
    """One case while it is measured: a worker for each contender, and what each has reported.

    Args:
        case, contenders, settings: see `measure`.
        folder: for the frames that go to the workers and come back.
        stack: ends the workers.
    """

    def __init__(
        self,
        case: Case,
        contenders: Sequence[Contender],
        settings: BenchSettings,
        folder: Path,
        stack: ExitStack,
    ) -> None:
        self._case, self._settings, self._folder, self._stack = case, settings, folder, stack
        self._weights = settings.weights.get(case.row)
        spec = network_of(case.row, self._weights).spec
        self.fitting = {c.name: c for c in contenders if c.fits(spec)}
        self._reference = contenders[0].name
        self._errors: dict[str, str] = {}
        self._workers: dict[str, Worker] = {}
        self._firsts: dict[str, First] = {}
        self._times: dict[str, list[float]] = {}
        self._frames: dict[str, torch.Tensor] = {}
        self._clip = folder / "clip.npy"
        np.save(self._clip, frames_of(case, settings.frames, settings.clip).numpy())

    def attempt(self, name: str, step: Callable[[str], None]) -> None:
        """Takes a step with a contender that has not failed before; notes it if it fails now."""
        if name in self._errors:
            return
        try:
            step(name)
        except ContenderError as error:
            self._fails(name, str(error))

    def start(self, name: str) -> None:
        """Gives a contender its process and its first run."""
        settings = self._settings
        place = settings.device, settings.threads, settings.resident
        job = Job(self.fitting[name], self._case, self._clip, self._weights, *place)
        self._workers[name] = Worker(job)
        self._stack.callback(self._workers[name].close)
        self._firsts[name] = self._workers[name].ask("first")

    def run(self) -> None:
        """Runs all rounds."""
        runs = {
            name: lambda name=name: self._workers[name].ask("timed")
            for name in self.fitting
            if name not in self._errors
        }
        self._times, late = interleave(runs, self._settings.rounds)
        for name, error in late.items():
            self._fails(name, error)

    def check(self, name: str) -> None:
        """Reads the frames that a contender makes."""
        file = self._folder / "made.npy"
        self._workers[name].ask("check", file)
        self._frames[name] = torch.from_numpy(np.load(file)).movedim(-1, 1).clamp(0, 1)

    def works(self) -> dict[str, Work]:
        """The work of a run in each precision."""
        precisions = sorted({contender.precision for contender in self.fitting.values()})
        works: dict[str, Work] = self._workers[self._reference].ask("work", precisions)
        # How a path lays out its channels can take products too; the network's own are the fewest.
        flop = min(work.flop for work in works.values())
        return {precision: replace(work, flop=flop) for precision, work in works.items()}

    def results(self, works: Mapping[str, Work]) -> list[Result]:
        """The results of all contenders."""
        return [self._result(name, works[c.precision]) for name, c in self.fitting.items()]

    def _result(self, name: str, work: Work) -> Result:
        case, contender = self._case, self.fitting[name]
        head = (*(case.row, case.size, case.multiplier), name, contender.kind, contender.precision)
        if name in self._errors:
            return Result(*head, error=self._errors[name])
        count = (self._settings.frames - 1) * (case.multiplier - 1)
        own, peer = self._times[name], self._fastest_peer()
        frames, true = self._frames[name], self._frames[self._reference]
        return Result(
            *head,
            ms=1000 * median(own) / count,
            spread=max(own) / min(own),
            vs_reference=ratio(self._times[self._reference], own),
            vs_peer=ratio(self._times[peer], own) if peer else None,
            psnr=min(float(psnr(frames, true).min()), MOST_PSNR),
            peak_mib=self._firsts[name].peak / MIB or None,
            first_s=self._firsts[name].seconds,
            gflop=work.flop / count / 1e9,
            gbyte=work.bytes / count / 1e9,
        )

    def _fastest_peer(self) -> str | None:
        peers = [n for n, c in self.fitting.items() if c.kind == "peer" and n not in self._errors]
        return min(peers, key=lambda name: median(self._times[name]), default=None)

    def _fails(self, name: str, error: str) -> None:
        if name == self._reference:
            raise ContenderError(error)
        self._errors[name] = error


def with_shares(results: Sequence[Result], rates: Rates) -> list[Result]:
    """The results with their shares of the roofline, where they can be known."""
    shared: list[Result] = []
    for result in results:
        if result.ms and result.gflop is not None and result.gbyte is not None:
            work = Work(1e9 * result.gflop, 1e9 * result.gbyte)
            least = 1000 * rates.bound(work, result.precision)
            result = replace(result, share=least / result.ms)
        shared.append(result)
    return shared


def machine(device: str) -> dict[str, Any]:
    """The machine that the figures were measured on, without names and paths."""
    described = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.startswith("cuda"):
        described["device"] = torch.cuda.get_device_name(device)
    return described


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def public_command(arguments: Sequence[str]) -> str:
    """The command line, absolute paths cut down to their last part.

    Example:
        >>> public_command(["bench", "--peer", "rife=/home/me/eccv", "--json", "docs/b.json"])
        'rife-video bench --peer rife=PATH/eccv --json docs/b.json'
    """
    words: list[str] = []
    for word in arguments:
        name, equals, value = word.rpartition("=")
        value = f"PATH/{Path(value).name}" if Path(value).is_absolute() else value
        words.append(f"{name}{equals}{value}" or "''")
    return " ".join(("rife-video", *words))


def rounded(value: float) -> float:
    """A figure to four digits."""
    return float(f"{value:.4g}")


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as plain dictionaries, figures to four digits, what is not known left out."""
    return [
        {
            key: rounded(value) if isinstance(value, float) else value
            for key, value in asdict(result).items()
            if value not in (None, "")
        }
        for result in results
    ]
