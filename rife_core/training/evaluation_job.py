"""`evaluate` by many workers: each measures a clip at a time and leaves its scores in a folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from ..checkpoints.published import load_release
from ..checkpoints.rife import load_rife
from ..checkpoints.stored import parse, stored
from ..engine.options import AUTO, Scale
from ..files.jobs.folder import Folder
from ..files.jobs.hand_out import HandOut
from ..files.jobs.job import JobError
from ..files.jobs.remote import folder_at
from ..files.jobs.workers import Outcome, Workers
from ..inference.precision import resolve_precision, set_precision
from ..inference.sampling import set_sampling
from .evaluation import Distance, Method, Score, baselines, evaluate, measures, network_method

_T = TypeVar("_T")
_SETUP = "evaluation.json"


@dataclass(frozen=True)
class Setup:
    """The set-up of a measurement, in plain values that any machine can read.

    Attributes:
        weights: of each network its name in the tables, its file, and its release, if it is a
            published one.
        clips: paths of videos and folders of frames.
        frames: only so many of each clip are read.
        scale, precision, sampling: see `Options`, `resolve_precision` and `set_sampling`.
        baselines: whether baselines stand beside the networks.
        fast: leaves out what takes long.
    """

    weights: tuple[tuple[str, str, str], ...]
    clips: tuple[str, ...]
    frames: int = 200
    scale: Scale = AUTO
    precision: str = "auto"
    baselines: bool = True
    fast: bool = False
    sampling: str = "auto"

    def methods(self, device: str) -> dict[str, Method]:
        """Networks and baselines, by name."""
        methods: dict[str, Method] = {}
        for name, file, release in self.weights:
            network = load_release(release, Path(file)) if release else load_rife(file)
            set_sampling(network, self.sampling)
            set_precision(network, resolve_precision(self.precision, device))
            methods[name] = network_method(network.to(device), self.scale)
        if self.baselines:
            methods |= baselines()
        if self.fast:
            methods.pop("minterpolate", None)
        return methods

    def measures(self, device: str) -> dict[str, Distance]:
        """The measures, by name."""
        by = measures(device)
        return {key: by[key] for key in ("LPIPS", "PSNR") if key in by} if self.fast else by


class EvaluationMaker:
    """Measures all methods on one clip at a time; the number of a task is that of its clip."""

    def __init__(self, folder: Folder, device: str) -> None:
        self.name = f"{platform.node()}/{os.getpid()}/{device}"
        self._setup = _read(folder, _SETUP, Setup)
        self._folder, self._clips = folder, [Path(clip) for clip in self._setup.clips]
        self._methods = self._setup.methods(device)
        self._by = self._setup.measures(device)

    def do(self, task: int) -> None:
        """Measures a clip and writes its scores, unless they are there."""
        if self._folder.size(_scores_name(task)) is None:
            table = evaluate(self._methods, [self._clips[task]], self._setup.frames, self._by)
            (row,) = table.values()
            self._folder.write(_scores_name(task), json.dumps(row).encode())


def open_evaluation(folder: str, device: str) -> EvaluationMaker:
    """The maker for the evaluation in a folder."""
    return EvaluationMaker(folder_at(folder), device)


def evaluate_with(
    workers: Workers,
    folder: Folder,
    setup: Setup,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Score]]:
    """The table of `evaluate`, by workers; clips whose scores are in the folder are skipped.

    Args:
        workers: who measures.
        folder: which all workers see.
        setup: what is measured.
        report: is told how many clips are done, and of how many.

    Raises:
        JobError: the folder holds another evaluation, a clip could not be measured, or no worker
            is left.
    """
    text = json.dumps(asdict(setup)).encode()
    if folder.read(_SETUP) not in (None, text):
        raise JobError(f"{folder} holds another evaluation; remove it, or give another folder.")
    folder.write(_SETUP, text)
    count = len(setup.clips)
    todo = {task for task in range(count) if folder.size(_scores_name(task)) is None}
    failed: dict[int, str] = {}

    def done(task: int) -> tuple[()]:
        todo.discard(task)
        if report:
            report(count - len(todo), count)
        return ()

    def give_up(task: int, attempts: list[Outcome]) -> None:
        failed[task] = attempts[-1].error

    HandOut(workers, done, give_up, lambda: None).run(folder, open_evaluation, sorted(todo))
    if failed:
        raise JobError(" ".join(f"{setup.clips[task]}: {failed[task]}" for task in sorted(failed)))
    table: dict[str, dict[str, Score]] = {}
    for task, clip in enumerate(setup.clips):
        name = Path(clip).name
        row = _read(folder, _scores_name(task), dict[str, dict[str, float]])
        table[name if name not in table else f"{name} {task}"] = dict(row)
    return table


def _read(folder: Folder, name: str, kind: type[_T]) -> _T:
    try:
        return stored(parse(folder.read(name) or b""), kind)
    except ValueError as error:
        raise JobError(
            f"{folder}/{name} cannot be read ({error}). Remove it to have it written again."
        ) from error


def _scores_name(task: int) -> str:
    return f"scores/{task:06}.json"
