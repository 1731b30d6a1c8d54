"""How much work a run takes, and how fast this machine could do it at best."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from ..engine.memory_plan import MIB

_TRIES = 20
_MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
_PLANES = {"cpu": (1, 256, 32, 48), "cuda": (8, 256, 240, 368)}
_COPIED = {"cpu": 256 * MIB, "cuda": 2048 * MIB}

_WRITE_ONLY = ("copy_", "fill_", "zero_")


@dataclass(frozen=True)
class Work:
    """The work of a run.

    Attributes:
        flop: floating point operations of convolutions and matrix products; a
            multiplication and an addition count as two.
        bytes: of all tensors that its operations read and write.
    """

    flop: float
    bytes: float


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of the tensors that each operation reads and writes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        results = func._schema.returns
        is_view = any(r.alias_info and not r.alias_info.is_write for r in results)
        if is_view or name.startswith(("empty", "new_empty")):
            return output
        written = _tensors(output)
        read = _tensors((args, kwargs))
        if name in _WRITE_ONLY or func._overloadname == "out":
            read = [x for x in read if all(x is not y for y in written)]
        self.bytes += sum(map(_size, written)) + sum(map(_size, read))
        return output


def _tensors(tree: Any) -> list[Tensor]:
    return [x for x in tree_iter(tree) if isinstance(x, Tensor)]


def _size(x: Tensor) -> int:
    """Bytes in memory: those of an expanded tensor count once."""
    return min(x.numel() * x.element_size(), x.untyped_storage().nbytes())


def _added_conv_flop(x: Any, _: Any, weight: Any, *__: Any, out_shape: Any, **___: Any) -> int:
    return conv_flop_count(x, weight, out_shape)


_HAS_ONEDNN = torch.backends.mkldnn.is_available()
_FLOP = {torch.ops.mkldnn._convolution_pointwise: _added_conv_flop} if _HAS_ONEDNN else {}
"""What PyTorch does not count by itself: the residual convolutions of `layers`."""


def work_of(run: Callable[[], object]) -> Work:
    """The work that `run` asks of PyTorch in this thread.

    Example:
        >>> conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
        >>> image = torch.rand(1, 3, 10, 10)
        >>> with torch.no_grad():
        ...     work = work_of(lambda: conv(image))
        >>> work.flop == 2 * 3 * 8 * 9 * 100, work.bytes == 4 * (300 + 216 + 800)
        (True, True)
    """
    traffic = _Traffic()
    with FlopCounterMode(display=False, custom_mapping=_FLOP) as counter, traffic:
        run()
    return Work(counter.get_total_flops(), traffic.bytes)


def best_seconds(run: Callable[[], object], device: torch.device, tries: int = _TRIES) -> float:
    """The shortest of several runs."""
    return min(seconds(run, device) for _ in range(tries))


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """How long a run takes until the device is done with it."""
    synchronize(device)
    started = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: torch.device) -> None:
    """Waits until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.no_grad()
def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP per second of a large matrix product or a large convolution, the faster one."""
    side = _MATRIX_SIDE.get(device.type, 1024)
    batch, channels, height, width = _PLANES.get(device.type, _PLANES["cpu"])
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    x = torch.randn(batch, channels, height, width, device=device).to(dtype)
    kernel = torch.randn(channels, channels, 3, 3, device=device).to(dtype)
    x, kernel = (each.to(memory_format=torch.channels_last) for each in (x, kernel))
    product = 2 * side**3 / best_seconds(lambda: a @ b, device)
    flop = 2 * 9 * channels**2 * batch * height * width
    return max(product, flop / best_seconds(lambda: F.conv2d(x, kernel, padding=1), device))


@torch.no_grad()
def copy_rate(device: torch.device) -> float:
    """Bytes per second, read and written, of copying a large tensor."""
    count = _COPIED.get(device.type, _COPIED["cpu"])
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * count / best_seconds(lambda: target.copy_(source), device)
