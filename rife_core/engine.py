"""Frames in, frames out: runs a network along a timeline.

Source frames are copied through bit for bit; only made frames pass the network.
A clip in memory (`interpolate`) and a file of any length (`stream`) take the
same road: an iterator of frames of which the engine holds two at a time.

Frames are H W C outside; B C H W inside, converted once on the way in and once
on the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from typing import TypeVar

import torch
from torch import Tensor

from .ifnet import RIFE, Frame, nearest_halving
from .padding import crop
from .timeline import Timeline

Progress = Callable[[int, int | None], None]
"""Called with the number of frames made so far and in all (None: not known).

Whatever it raises stops the work between two batches.
"""

CHANNELS = 3
T = TypeVar("T")

_PLANES = 49
_PLANES_OF_HEAD = 8
_PLANES_OF_CARRIED = 3
_PLANES_OF_REFINEMENT = 75

_BATCH_PIXELS = 2**21
_MAX_BATCH = 8


def interpolate(
    network: RIFE,
    frames: Tensor,
    timeline: Timeline,
    *,
    scale: float = 1.0,
    ensemble: bool = False,
    batch_size: int = 0,
    progress: Progress | None = None,
) -> Tensor:
    """Makes the frames that `timeline` asks for between those of a clip.

    The network runs on the device of its weights; the clip stays where it is.

    Args:
        network: any row, in evaluation mode.
        frames: B H W 3 in [0, 1], any H and W. A single frame is returned as it is.
        timeline: which frames to make.
        scale: see `RIFE.inference`.
        ensemble: see `RIFE.inference`.
        batch_size: how many frames are made at once; 0 chooses by device and size.
        progress: see `Progress`.

    Returns:
        B' H W 3, of the type and on the device of `frames`; source frames in it are
        bit-identical.

    Raises:
        ValueError: there is no frame, or their shape, type or an option does not fit.

    Example:
        >>> from .ifnet import build_network
        >>> network = build_network("4.25.lite").eval()
        >>> interpolate(network, torch.rand(3, 16, 16, 3), Timeline.multiply(2)).shape
        torch.Size([5, 16, 16, 3])
    """
    if frames.ndim != 4:
        raise ValueError(f"frames must be B H W 3, but are {tuple(frames.shape)}.")
    if not len(frames):
        raise ValueError("There are no frames to interpolate: the clip is empty.")
    _check_frame(frames[0])
    output = frames.new_empty((timeline.output_count(len(frames)), *frames.shape[1:]))
    total = sum(step.timestep != 0 for step in timeline.steps(len(frames)))
    results = stream(
        network,
        frames,
        timeline,
        scale=scale,
        ensemble=ensemble,
        batch_size=batch_size,
        progress=progress,
        total=total,
    )
    for slot, frame in zip(output, results, strict=True):
        slot.copy_(frame)
    return output


def stream(
    network: RIFE,
    frames: Iterable[Tensor],
    timeline: Timeline,
    *,
    scale: float = 1.0,
    ensemble: bool = False,
    batch_size: int = 0,
    progress: Progress | None = None,
    total: int | None = None,
) -> Iterator[Tensor]:
    """`interpolate` for clips that do not fit in memory: yields each output frame in order.

    Args:
        frames: H W 3 each, all of one size; read one at a time.
        total: how many frames will be made, if known; handed on to `progress`.

    Yields:
        H W 3. Source frames are the very tensors that came in.
    """
    network.check_ensemble(ensemble)
    if batch_size < 0:
        raise ValueError(f"batch_size is {batch_size}; it must be 0 (automatic) or more.")
    source = iter(frames)
    first = next(source, None)
    if first is None:
        return
    _check_frame(first)
    device = next(network.parameters()).device
    batch_size = batch_size or auto_batch_size(device, *first.shape[:2])
    maker = _Maker(network, scale, ensemble, batch_size)
    made = 0
    if progress:
        progress(made, total)
    waiting: list[Tensor | _Task] = []

    def finished() -> Iterator[Tensor]:
        nonlocal made
        tasks = [item for item in waiting if isinstance(item, _Task)]
        for batch in _batches(tasks, maker.batch_size):
            maker.run(batch)
            made += len(batch)
            if progress:
                progress(made, total)
        for item in waiting:
            yield item.result if isinstance(item, _Task) else item
        waiting.clear()

    left, last = _Source(first), 0
    for last, frame in enumerate(source, 1):
        _check_frame(frame, first)
        right = _Source(frame)
        pair = _Pair(left, right)
        for timestep in (place - last + 1 for place in timeline.within(last - 1, last)):
            waiting.append(_Task(pair, timestep) if timestep else left.frame)
        tasks = sum(isinstance(item, _Task) for item in waiting)
        if tasks == 0 or tasks >= maker.batch_size:
            yield from finished()
        left = right
    yield from finished()
    for _ in timeline.tail(last, last + 1) if last else (0,):
        yield left.frame


def auto_batch_size(device: torch.device, height: int, width: int) -> int:
    """How many frames to make at once: 1 on a CPU, more on an accelerator if frames are small."""
    if device.type == "cpu":
        return 1
    return max(1, min(_MAX_BATCH, _BATCH_PIXELS // (height * width)))


def estimate_memory(network: RIFE, height: int, width: int, batch_size: int = 1) -> int:
    """Bytes that making `batch_size` frames takes on the network's device, besides its weights.

    The number of full-resolution planes that live at once was counted on every row
    of the table (`tests/benchmarks/planes.py`) and is a sum over its parts; twice
    that leaves room for what convolutions work in.

    Example:
        >>> from .ifnet import build_network
        >>> estimate_memory(build_network("4.6"), 480, 720) >> 20
        132
    """
    spec = network.spec
    planes = _PLANES + _PLANES_OF_CARRIED * spec.carried
    planes += _PLANES_OF_HEAD * (spec.head.planes if spec.head else 0)
    planes += _PLANES_OF_REFINEMENT if spec.refine else 0
    multiple = spec.align
    pixels = (height + -height % multiple) * (width + -width % multiple)
    return 2 * 4 * planes * pixels * batch_size


class _Source:
    """A source frame; prepared for the network when first needed, then kept for both pairs."""

    def __init__(self, frame: Tensor) -> None:
        self.frame = frame
        self._prepared: Frame | None = None

    def prepared(self, network: RIFE, scale: float) -> Frame:
        if self._prepared is None:
            device = next(network.parameters()).device
            image = self.frame.to(device, non_blocking=True).permute(2, 0, 1)[None]
            self._prepared = network.prepare(image, scale)
        return self._prepared


@dataclass
class _Pair:
    """Two neighbouring source frames, and what was made between them on the way elsewhere."""

    left: _Source
    right: _Source
    between: dict[Fraction, Frame] = field(default_factory=dict[Fraction, Frame])

    def at(self, timestep: Fraction, network: RIFE, scale: float) -> Frame:
        if timestep in (0, 1):
            return (self.right if timestep else self.left).prepared(network, scale)
        return self.between[timestep]


class _Task:
    """One frame to make."""

    def __init__(self, pair: _Pair, timestep: Fraction) -> None:
        self.pair = pair
        self.timestep = timestep
        self._result: Tensor | None = None

    @property
    def result(self) -> Tensor:
        assert self._result is not None, "the task was not run"
        return self._result

    def finish(self, image: Tensor) -> None:
        """Takes 3 H W of the padded size; keeps H W 3 as the source frame has it."""
        like = self.pair.left.frame
        self._result = crop(image, *like.shape[:2]).permute(1, 2, 0).to(like)


@dataclass
class _Maker:
    """Runs tasks through the network, in batches that fit the memory."""

    network: RIFE
    scale: float
    ensemble: bool
    batch_size: int

    @torch.no_grad()
    def run(self, tasks: list[_Task]) -> None:
        if self.network.spec.arbitrary_timestep:
            ends = [(task.pair, Fraction(0), task.timestep, Fraction(1)) for task in tasks]
            for task, image in zip(tasks, self._make(ends), strict=True):
                task.finish(image)
        else:
            self._run_by_halving(tasks)

    def _run_by_halving(self, tasks: list[_Task]) -> None:
        """For networks that know the midpoint only: midpoints of midpoints, each made once."""
        roads = [nearest_halving(task.timestep) for task in tasks]
        for level in range(max(len(halvings) for _, halvings in roads)):
            missing = {
                (id(task.pair), halvings[level][1]): (task.pair, *halvings[level])
                for task, (_, halvings) in zip(tasks, roads, strict=True)
                if level < len(halvings) and halvings[level][1] not in task.pair.between
            }
            for batch in _batches(list(missing.values()), self.batch_size):
                for (pair, _, middle, _), image in zip(batch, self._make(batch), strict=True):
                    pair.between[middle] = self.network.prepare(image[None], self.scale)
        for task, (target, _) in zip(tasks, roads, strict=True):
            task.finish(task.pair.at(target, self.network, self.scale).image[0])

    def _make(self, wanted: list[tuple[_Pair, Fraction, Fraction, Fraction]]) -> list[Tensor]:
        """Makes the middle frame of each (pair, low, middle, high), 3 H W."""
        try:
            return list(self._make_at_once(wanted))
        except torch.OutOfMemoryError:
            if len(wanted) == 1:
                raise
        self.batch_size = max(1, len(wanted) // 2)
        batches = _batches(wanted, self.batch_size)
        return list(chain.from_iterable(self._make(batch) for batch in batches))

    def _make_at_once(self, wanted: list[tuple[_Pair, Fraction, Fraction, Fraction]]) -> Tensor:
        network, scale = self.network, self.scale
        lows = [pair.at(low, network, scale) for pair, low, _, _ in wanted]
        highs = [pair.at(high, network, scale) for pair, _, _, high in wanted]
        times = [float((middle - low) / (high - low)) for _, low, middle, high in wanted]
        frame0, frame1 = Frame.join(lows), Frame.join(highs)
        return network.synthesize(frame0, frame1, torch.tensor(times), scale, self.ensemble)


def _batches(items: list[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _check_frame(frame: Tensor, first: Tensor | None = None) -> None:
    if frame.ndim != 3 or frame.shape[2] != CHANNELS or not frame.is_floating_point():
        raise ValueError(
            f"A frame must be H W {CHANNELS} of a floating type in [0, 1], but is "
            f"{tuple(frame.shape)} {frame.dtype}."
        )
    if first is not None and frame.shape != first.shape:
        raise ValueError(
            f"All frames must have one size: the first is {tuple(first.shape)}, "
            f"but another is {tuple(frame.shape)}."
        )
