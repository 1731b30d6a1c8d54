"""The state of a training on disk."""

from __future__ import annotations

import io
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from ..whole_file import whole_file

STATE = "state.pt"


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


def write_state(state: dict[str, Any], folder: Path, shard_bytes: int = 0) -> None:
    """Writes a state as state.pt, or as state.pt.000 and so on of at most `shard_bytes`."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data, size = buffer.getbuffer(), shard_bytes or buffer.tell()
    shards = [data[start : start + size] for start in range(0, len(data), size)]
    names = [f"{STATE}.{i:03d}" for i in range(len(shards))] if shard_bytes else [STATE]
    with ExitStack() as files:  # none takes its name before all are written
        for name, shard in zip(names, shards, strict=True):
            files.enter_context(whole_file(folder / name)).write_bytes(shard)


def read_state(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The state in a folder, whole or in shards; None where there is none."""
    files = [folder / STATE] if (folder / STATE).is_file() else sorted(folder.glob(f"{STATE}.???"))
    if not files:
        return None
    joined = io.BytesIO(b"".join(file.read_bytes() for file in files))
    return torch.load(joined, map_location=device, weights_only=True)


def cut_log(path: Path, step: int) -> None:
    """Takes out what was logged after the state was saved; it will be logged again."""
    if not path.is_file():
        return
    head, *rows = path.read_text().splitlines(keepends=True)
    path.write_text(head + "".join(row for row in rows if int(row.split(",")[0]) <= step))
