"""How much memory interpolation takes, and what to do when there is less.

The ladder: several frames at once, one at a time, in tiles that get smaller, and
at last on the CPU. Each rung gives the same picture; a lower one takes longer.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..inference.rife import RIFE
from .options import Options

_CONTAINER_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)

MIB, GIB = 2**20, 2**30

LEAST_TILE = 640
_BATCH_PIXELS = 2**21
_MAX_BATCH = 8
_CPU_BATCH_PIXELS = 2**22
_CPU_MAX_BATCH = 4

_PLANES = 49
_PLANES_OF_HEAD = 7
_PLANES_OF_CARRIED = 3
_PLANES_OF_REFINEMENT = 75
_FLOAT = 4
_HEADROOM = 2


@dataclass(frozen=True)
class Plan:
    """How frames of one size are interpolated. Made once for a run, and handed down.

    Attributes:
        device: where.
        height, width: of the frames.
        batch_size: how many at once.
        tile: side of a tile in pixels, or None for whole frames.
    """

    device: torch.device
    height: int
    width: int
    batch_size: int
    tile: int | None = None

    def smaller(self) -> Plan | None:
        """The next rung down the ladder, or None on the lowest."""
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        side = self.tile or max(self.height, self.width)
        if (tile := max(side // 2, LEAST_TILE)) < side:
            return replace(self, tile=tile)
        if self.device.type != "cpu":
            return Plan(torch.device("cpu"), self.height, self.width, 1)
        return None

    def memory(self, network: RIFE) -> int:
        """Bytes that it takes on the device, without weights."""
        side = self.tile or max(self.height, self.width)
        return estimate_memory(
            network, min(self.height, side), min(self.width, side), self.batch_size
        )

    def __str__(self) -> str:
        size = f", tiles of {self.tile} pixels" if self.tile else ""
        return f"{self.batch_size} at once on {self.device}{size}"


def estimate_memory(network: RIFE, height: int, width: int, batch_size: int = 1) -> int:
    """Bytes that a batch of `batch_size` frames takes on the network's device, without weights.

    Nor does it count kernels that fast forms keep beside them (`ops.winograd_tiles`: four times
    a trunk's weights). The number of full-resolution planes that live at once was counted on
    every row of the table (`tests/benchmarks/planes.py`) and is a sum over its parts; twice
    that leaves room for what convolutions work in.

    Example:
        >>> from ..inference.rife import build_network
        >>> estimate_memory(build_network("4.6"), 480, 720) // MIB
        132
    """
    spec = network.spec
    planes = _PLANES + _PLANES_OF_CARRIED * spec.carried
    planes += _PLANES_OF_HEAD * (spec.head.planes if spec.head else 0)
    planes += _PLANES_OF_REFINEMENT if spec.refine else 0
    pixels = (height + -height % spec.align) * (width + -width % spec.align)
    return _HEADROOM * _FLOAT * planes * pixels * batch_size


def free_memory() -> int | None:
    """Bytes of main memory that a program may still take; None where the system does not tell.

    A container's own limit counts where it has one.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration):
        return None
    for limit, used in _CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # "max" where there is no limit
            left = int(Path(limit).read_text()) - int(Path(used).read_text())
            free = min(free, max(0, left))
    return free


def check_room(count: int, height: int, width: int, frame: int, free: int | None, way: str) -> None:
    """Raises before any frame is made if the result would not fit into memory.

    Args:
        count: how many frames.
        height: of a frame.
        width: likewise.
        frame: bytes that each takes.
        free: bytes that are free; None lets all pass.
        way: what to do instead, as the end of a sentence.

    Raises:
        ValueError: they do not fit; the message has the sizes.
    """
    if free is None or count * frame <= free:
        return
    raise ValueError(
        f"The result would be {count} frames of {width}x{height}, which take "
        f"{count * frame / GIB:.1f} GiB of memory; {free / GIB:.1f} GiB are free. {way}"
    )


def auto_batch_size(device: torch.device, height: int, width: int) -> int:
    """How many frames to make at once: more if they are small; on a CPU, on a core each."""
    if device.type == "cpu":
        most = min(_CPU_MAX_BATCH, torch.get_num_threads())
        return max(1, min(most, _CPU_BATCH_PIXELS // (height * width)))
    return max(1, min(_MAX_BATCH, _BATCH_PIXELS // (height * width)))


def first_plan(
    network: RIFE, height: int, width: int, options: Options, device: torch.device | None = None
) -> Plan:
    """The highest rung that fits into the memory that `options` allow, the CPU's included.

    Args:
        network: the one that will run.
        height: of the frames.
        width: likewise.
        options: `batch_size` and `max_memory` are read.
        device: where it will run; by default where its weights are.

    Raises:
        ValueError: not even the smallest tile fits.
    """
    device = device or next(network.parameters()).device
    device = torch.empty(0, device=device).device  # with its number: "cuda" is not "cuda:0"
    batch_size = options.batch_size or auto_batch_size(device, height, width)
    plan = Plan(device, height, width, batch_size)
    limit = options.max_memory or math.inf
    while (needed := plan.memory(network)) > limit:
        lower = plan.smaller()
        if lower is None or lower.device != device:
            raise ValueError(
                f"max_memory is {options.max_memory // MIB} MiB, but the smallest tile needs "
                f"{needed // MIB + 1} MiB."
            )
        plan = lower
    return plan
