"""How much memory interpolation takes, and what to do when there is less.

The ladder: several frames at once, one at a time, in tiles that get smaller, and
at last on the CPU. Each rung gives the same picture; a lower one takes longer.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..inference.rife import RIFE

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
    """How frames are made.

    Attributes:
        device: where.
        batch_size: how many at once.
        tile: side of a tile in pixels, or None for whole frames.
    """

    device: torch.device
    batch_size: int
    tile: int | None = None

    def smaller(self, height: int, width: int) -> Plan | None:
        """The next rung down the ladder, or None at its foot."""
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        side = self.tile or max(height, width)
        if (tile := max(side // 2, LEAST_TILE)) < side:
            return replace(self, tile=tile)
        if self.device.type != "cpu":
            return Plan(torch.device("cpu"), 1)
        return None

    def __str__(self) -> str:
        size = f", tiles of {self.tile} pixels" if self.tile else ""
        return f"{self.batch_size} at once on {self.device}{size}"


def estimate_memory(network: RIFE, height: int, width: int, batch_size: int = 1) -> int:
    """Bytes that a batch of `batch_size` frames takes on the network's device, without weights.

    The number of full-resolution planes that live at once was counted on every row
    of the table (`tests/benchmarks/planes.py`) and is a sum over its parts; twice
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
    """Refuses frames that would not fit into memory, before any is made.

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
    network: RIFE, height: int, width: int, batch_size: int = 0, max_memory: int = 0
) -> Plan:
    """The highest rung that fits into `max_memory` bytes (0: no limit), the CPU's included.

    Raises:
        ValueError: not even the smallest tile fits.
    """
    device = next(network.parameters()).device
    plan = Plan(device, batch_size or auto_batch_size(device, height, width))
    if not max_memory:
        return plan
    while True:
        side = plan.tile or max(height, width)
        size = min(height, side), min(width, side)
        needed = estimate_memory(network, *size, plan.batch_size)
        if needed <= max_memory:
            return plan
        lower = plan.smaller(height, width)
        if lower is None or lower.device != device:
            raise ValueError(
                f"max_memory is {max_memory // MIB} MiB, but the smallest tile needs "
                f"{needed // MIB + 1} MiB."
            )
        plan = lower
