"""Where networks run, and in which number format.

Only the convolutions run in a shorter format; flow, warp, mask and blend stay
float32.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from ..basics.arguments import checked, fitted, shown
from ..ops.weight_rounding import round_keeping_sum

PRECISIONS = ("auto", "fp32", "bf16", "fp16")

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def default_device() -> torch.device:
    """The accelerator that PyTorch sees, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@checked
def find_device(device: torch.device | str) -> torch.device:
    """A device of this machine, by its name.

    Raises:
        ValueError: it is no name of a device, or of one that is not here.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    found = _device(device)
    # Each kind of accelerator has a module of its name; what has none holds no numbers.
    count = getattr(getattr(torch, found.type, None), "device_count", lambda: 0)
    if found.type != "cpu" and (found.index or 0) >= count():
        raise ValueError(f"PyTorch finds no device {str(found)!r} on this machine.")
    return found


@checked
def resolve_precision(name: str, device: torch.device | str) -> torch.dtype:
    """The format that `name` means on `device`.

    "auto" is float16 on CUDA, bfloat16 on a CPU with instructions for it, and
    float32 elsewhere.

    Raises:
        ValueError: no such name, or float16 on a CPU, where it is slower than float32.

    Example:
        >>> resolve_precision("fp32", "cpu")
        torch.float32
    """
    device = _device(device)
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if device.type == "cpu" and has_bfloat16(device) else torch.float32
    if name not in _DTYPES:
        raise ValueError(f"precision is {name!r}; it must be one of {', '.join(PRECISIONS)}.")
    if name == "fp16" and device.type == "cpu":
        raise ValueError("precision fp16 is not for the CPU; choose bf16, fp32 or auto.")
    return _DTYPES[name]


def _device(name: torch.device | str) -> torch.device:
    try:
        return torch.device(name)
    except (RuntimeError, UnicodeError):  # half a character is no name
        raise ValueError(f"There is no device {shown(name)}.") from None


def precision_name(dtype: torch.dtype) -> str:
    """The name of a format that `resolve_precision` gives.

    Example:
        >>> precision_name(torch.bfloat16)
        'bf16'
    """
    return next(name for name, known in _DTYPES.items() if known is dtype)


def set_precision(network: nn.Module, dtype: torch.dtype) -> None:
    """Casts the weights of `network` in place and lays them out for fast convolutions.

    The networks of this project read their weights' type: what flows between the
    convolutions of a block is `dtype`, everything around them float32. In a shorter
    format kernels are new parameters, `round_keeping_sum`.
    """
    fitted("dtype", dtype, torch.dtype)
    if not dtype.is_floating_point or dtype.itemsize < torch.float16.itemsize:
        known = ", ".join(map(str, _DTYPES.values()))
        raise ValueError(f"Networks compute in {known} or torch.float64, not in {dtype}.")
    if dtype.itemsize < torch.float32.itemsize:
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                step = layer.stride[0] if isinstance(layer, nn.ConvTranspose2d) else 1
                short = round_keeping_sum(layer.weight, dtype, step)
                layer.weight = nn.Parameter(short, layer.weight.requires_grad)
    network.to(dtype=dtype)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16.

    A CPU without them takes 9 times as long as in float32.
    """
    return _cpu_has_bfloat16() if device.type == "cpu" else device.type != "mps"


@cache
def _cpu_has_bfloat16() -> bool:
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)
