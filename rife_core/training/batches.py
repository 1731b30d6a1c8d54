"""Where training batches come from."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from .config import TrainConfig
from .synthetic import SceneBatch
from .taught import TaughtCrops

if TYPE_CHECKING:
    from .clips import ClipTriplets


class BatchSource(Protocol):
    """Where batches come from: the same `index` and `count` always give the same batch."""

    def batch(self, index: int, count: int) -> SceneBatch:
        """Batch number `index`, of `count` samples."""
        ...


class Mixture:
    """Synthetic scenes, and real clips in a given share of the batches."""

    def __init__(self, scenes: BatchSource, clips: BatchSource | None, real: float) -> None:
        if real and clips is None:
            raise ValueError("A stage wants real clips, but no folder of clips is given.")
        self.scenes, self.clips, self.real = scenes, clips, real

    def batch(self, index: int, count: int) -> SceneBatch:
        # Spread evenly: a batch is real where the running total passes a whole number.
        before = int(index * self.real)
        if self.clips and int((index + 1) * self.real) > before:
            return self.clips.batch(before, count)
        return self.scenes.batch(index - before, count)


class Stock:
    """Batches that are made once and come again and again, mirrored by turns.

    Painting a batch of scenes can take longer than learning from it.

    Args:
        source: gives the batches.
        size: how many there are at a time.
        turns: how often each comes before new ones take their places; 0 keeps them for good.
    """

    def __init__(self, source: BatchSource, size: int, turns: int = 0) -> None:
        self.source, self.size, self.turns = source, size, turns
        self._made: dict[tuple[int, int], tuple[int, SceneBatch]] = {}

    def batch(self, index: int, count: int) -> SceneBatch:
        turn, place = divmod(index, self.size)
        renewed, turn = divmod(turn, self.turns) if self.turns else (0, turn)
        number = renewed * self.size + place
        kept = self._made.get((place, count))
        if kept is None or kept[0] != number:
            kept = self._made[place, count] = number, self.source.batch(number, count)
        batch = kept[1]
        for bit, axis in enumerate((-1, -2)):
            if turn >> bit & 1:
                batch = batch.mirrored(axis)
        return batch


class Ahead:
    """Makes the next batches in a background thread while the network trains.

    On a CUDA device they are made on a stream of their own, so that whoever waits there for a
    number does not wait for the network.

    Args:
        source: gives the batches.
        count: samples of each.
        indices: which there are.
        device: where they are made.
        stride: the next index is so much higher.
    """

    def __init__(
        self,
        source: BatchSource,
        count: int,
        indices: range,
        device: torch.device | str = "cpu",
        stride: int = 1,
    ) -> None:
        self.source, self.count, self.indices = source, count, indices
        self.stride = stride
        kind = torch.device(device).type
        self.depth = 3 if kind in ("cpu", "cuda") else 1
        self.stream = torch.cuda.Stream(device) if kind == "cuda" else None
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(device))
        self.pool = ThreadPoolExecutor(1)
        self.coming: dict[int, Future[tuple[SceneBatch, torch.Event | None]]] = {}

    def take(self, index: int) -> SceneBatch:
        """Batch `index`; once."""
        for later in range(index, index + self.depth * self.stride, self.stride):
            if later in self.indices and later not in self.coming:
                self.coming[later] = self.pool.submit(self._make, later)
        batch, made = self.coming.pop(index).result()
        if self.stream is not None and made is not None:
            here = torch.cuda.current_stream(self.stream.device)
            here.wait_event(made)
            for tensor in batch.tensors().values():
                tensor.record_stream(here)  # its memory is not given away before
        return batch

    def _make(self, index: int) -> tuple[SceneBatch, torch.Event | None]:
        if self.stream is None:
            return self.source.batch(index, self.count), None
        with torch.cuda.stream(self.stream):
            batch = self.source.batch(index, self.count)
            return batch, self.stream.record_event()


def clips_of(
    config: TrainConfig, folder: Path, device: torch.device | str
) -> Mapping[int, ClipTriplets | TaughtCrops]:
    """The real clips of a training, from folders relative to `folder`: by crop size."""
    if config.taught:
        crops = TaughtCrops(folder / config.taught, config.seed, device)
        return {stage.scenes.size: crops.of_size(stage.scenes.size) for stage in config.stages}
    if not config.clips:
        return {}
    from .clips import ClipTriplets

    sizes = {stage.scenes.size for stage in config.stages if stage.real}
    folders = [folder / name for name in config.clips]
    return {size: ClipTriplets(folders, size, config.seed, device, config.gaps) for size in sizes}
