"""The state of a training on disk."""

from __future__ import annotations

import io
import math
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..basics.arguments import natural
from ..basics.shards import files_of, write_shards
from ..basics.whole_file import write_whole
from ..checkpoints.stored import stored

STATE = "state.pt"
_PICKLES = (pickle.UnpicklingError, AttributeError, TypeError)
"""What a broken pickle may raise beside errors of values."""


class Means:
    """Means of named figures, and of the seconds between the calls."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.began = time.monotonic()
        self.calls = 0

    def add(self, figures: dict[str, float]) -> None:
        self.calls += 1
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        means = {name: value / self.counts[name] for name, value in self.sums.items()}
        means["seconds"] = (time.monotonic() - self.began) / max(self.calls, 1)
        self.clear()
        return means


def write_state(state: State, folder: Path, shard_bytes: int = 0) -> None:
    """Writes a state as state.pt, or as state.pt.000 and so on of at most `shard_bytes`."""
    buffer = io.BytesIO()
    torch.save({**state._asdict(), "optimizer": state.optimizer._asdict()}, buffer)
    if shard_bytes:
        write_shards(folder / STATE, buffer.getbuffer(), shard_bytes)
    else:
        write_whole(folder / STATE, buffer.getbuffer())


class Moments(NamedTuple):
    """The optimiser's `state_dict`."""

    state: Mapping[int, Mapping[str, Tensor]]
    param_groups: list[Mapping[str, Any]]

    def are_of(self, shapes: Sequence[torch.Size]) -> bool:
        """Whether they are those of parameters of these shapes, in this order."""
        numbers = [number for group in self.param_groups for number in group.get("params", ())]
        return numbers == [*range(len(shapes))] and all(
            number in numbers and moment.shape in ((), shapes[number])
            for number, moments in self.state.items()
            for moment in moments.values()
        )


class State(NamedTuple):
    """The state from which a training resumes.

    Attributes:
        step: of the whole training.
        stage: the number of the stage that it is in.
        updates: steps of this stage that changed the weights.
        skipped: steps whose gradient was not finite.
        network, ema, optimizer: see `Trainer`.
    """

    step: int
    stage: int
    updates: int
    skipped: int
    network: Mapping[str, Tensor]
    ema: Mapping[str, Tensor]
    optimizer: Moments


def read_state(folder: Path, device: torch.device) -> State | None:
    """The state in a folder, in one file or in shards; None if there is no state.

    Raises:
        ValueError: what is there is no state.
    """
    files = files_of(folder / STATE)
    if not files:
        return None
    joined = io.BytesIO(b"".join(file.read_bytes() for file in files))
    try:
        state = stored(torch.load(joined, map_location=device, weights_only=True), State)
        if min(state.step, state.stage, state.updates, state.skipped) < 0:
            raise ValueError("a number in it is negative")
    except (ValueError, RuntimeError, LookupError, EOFError, *_PICKLES) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        words = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{files[0]} is no state of a training ({words}). Train into another folder, or delete "
            "this file to begin anew."
        ) from None
    return state


def cut_log(path: Path, step: int) -> None:
    """Takes out what was logged after the state was saved; it will be logged again."""
    if not path.is_file():
        return
    head, *rows = path.read_text(errors="replace").splitlines(keepends=True) or [""]
    if not head.startswith("step,"):
        path.unlink()  # no log
        return
    kept = [row for row in rows if _step_of(row) <= step]
    write_whole(path, head + "".join(kept))


def _step_of(row: str) -> float:
    """The step of a row of the log; infinity for a broken row, such as a full disk leaves."""
    step = natural(row.split(",")[0])
    return math.inf if step is None or not row.endswith("\n") else step


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """The shape of each tensor, by its name."""
    return {name: tensor.shape for name, tensor in tensors.items()}
