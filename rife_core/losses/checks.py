"""Checks of what losses and metrics are given, with errors that say what was found."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, SupportsIndex, cast

import torch
from torch import Tensor

from ..basics.arguments import is_whole, number_of, shown

_LARGEST = sys.float_info.max


def check_tensor(name: str, x: object, form: str = "(B, C, H, W)") -> None:
    """Raises ValueError unless `x` is a dense tensor.

    Args:
        name: the caller's name, for the message.
        x: the tensor.
        form: the shape that it must have, for the message.

    Example:
        >>> check_tensor("PSNR", None)
        Traceback (most recent call last):
        ...
        ValueError: PSNR: found a NoneType, expected a tensor (B, C, H, W).
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"{name}: found a {type(x).__name__}, expected a tensor {form}.")
    if x.layout is not torch.strided:
        layout = str(x.layout).removeprefix("torch.")
        raise ValueError(f"{name}: found a tensor of layout {layout}, expected a dense one {form}.")


def check_images(name: str, x: Tensor, channels: int | None = None, shortest: int = 1) -> None:
    """Raises unless `x` is a non-empty floating point tensor (B, channels, H, W).

    Args:
        name: the caller's name, for the message.
        x: the tensor.
        channels: how many it must have; None for any number.
        shortest: the least length of either side in pixels.

    Raises:
        ValueError: what was found and what was expected.
    """
    check_tensor(name, x)
    if x.ndim != 4 or (channels is not None and x.shape[1] != channels):
        wanted = "C" if channels is None else channels
        raise ValueError(
            f"{name}: found a tensor of shape {tuple(x.shape)}, expected (B, {wanted}, H, W)."
        )
    if x.numel() == 0:
        raise ValueError(f"{name}: the tensor of shape {tuple(x.shape)} is empty; give an image.")
    if not x.is_floating_point():
        raise ValueError(
            f"{name}: found values of type {x.dtype}, expected floating point. "
            "Divide 8-bit images by 255 first."
        )
    if min(x.shape[-2:]) < shortest:
        raise ValueError(
            f"{name}: an image of {x.shape[-2]} x {x.shape[-1]} pixels is too small; "
            f"both sides must have at least {shortest}."
        )


def check_pair(
    name: str, a: Tensor, b: Tensor, channels: int | None = None, shortest: int = 1
) -> None:
    """Raises unless both are images as `check_images` wants them, of one shape and device.

    Raises:
        ValueError: what was found and what was expected.
    """
    check_images(name, a, channels, shortest)
    check_images(name, b, channels, shortest)
    check_same(name, a, b)


def check_same(name: str, a: Tensor, b: Tensor) -> None:
    """Raises ValueError unless both tensors have the same shape and device."""
    if a.shape != b.shape:
        raise ValueError(
            f"{name}: the two sides have shapes {tuple(a.shape)} and {tuple(b.shape)}; "
            "they must be the same."
        )
    if a.device != b.device:
        raise ValueError(
            f"{name}: one side is on {a.device}, the other on {b.device}; move them together."
        )


def check_sizes(owner: object, **sizes: object) -> None:
    """Raises ValueError unless all are whole numbers of 1 or more.

    Args:
        owner: the object or function that takes them, for the message.
        sizes: by the names of the arguments.

    Example:
        >>> check_sizes("LapLoss", max_levels=0)
        Traceback (most recent call last):
        ...
        ValueError: LapLoss: max_levels is 0; it must be a whole number of 1 or more.
    """
    for name, value in sizes.items():
        if not is_whole(value) or operator.index(cast(SupportsIndex, value)) < 1:
            raise ValueError(
                f"{_named(owner)}: {name} is {shown(value)}; it must be a whole number of 1 or "
                "more."
            )


def check_numbers(
    owner: object,
    *,
    least: float = 0.0,
    above: bool = False,
    most: float = _LARGEST,
    **values: object,
) -> None:
    """Raises ValueError unless all are numbers from `least` (or `above` it) to `most`.

    Example:
        >>> check_numbers("LapLoss", above=True, data_range=float("nan"))
        Traceback (most recent call last):
        ...
        ValueError: LapLoss: data_range is nan; it must be a number above 0.
        >>> check_numbers("a stage", most=1, real=2)
        Traceback (most recent call last):
        ...
        ValueError: a stage: real is 2; it must be a number of 0 or more, and at most 1.
    """
    words = f"above {least:g}" if above else f"of {least:g} or more"
    if most < _LARGEST:
        words += f", and at most {most:g}"
    for name, value in values.items():
        number = number_of(value)
        if not least <= number <= most or (above and number == least):
            raise ValueError(
                f"{_named(owner)}: {name} is {shown(value)}; it must be a number {words}."
            )


def check_ranges(owner: object, *, most: float = _LARGEST, **ranges: object) -> None:
    """Raises ValueError unless all are two numbers above 0, the smaller one first.

    Example:
        >>> check_ranges("scenes", speed=(12.0, 1.0))
        Traceback (most recent call last):
        ...
        ValueError: scenes: speed is (12.0, 1.0); it must be two numbers, the smaller one first.
    """
    for name, value in ranges.items():
        ends: list[Any] = list(cast("Iterable[Any]", value)) if type(value) in (tuple, list) else []
        for end in ends:
            check_numbers(owner, above=True, most=most, **{name: end})
        if len(ends) != 2 or number_of(ends[0]) > number_of(ends[1]):
            raise ValueError(
                f"{_named(owner)}: {name} is {shown(value)}; it must be two numbers, the smaller "
                "one first."
            )


def check_switches(owner: object, **switches: object) -> None:
    """Raises ValueError unless all are True or False, or 1 or 0."""
    for name, value in switches.items():
        if not isinstance(value, int) or value not in (0, 1):
            raise ValueError(
                f"{_named(owner)}: {name} is {shown(value)}; it must be True or False."
            )


def check_folders(owner: object, folders: object) -> None:
    """Raises ValueError unless `folders` are paths: several, not one."""
    is_one = isinstance(folders, (str, bytes, os.PathLike)) or not isinstance(folders, Iterable)
    several = [] if is_one else list(cast("Iterable[object]", folders))
    if is_one or not all(isinstance(each, (str, os.PathLike)) for each in several):
        raise ValueError(
            f"{_named(owner)}: folders is {shown(folders)}; it must be a list of folders."
        )


def _named(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast: half precision would lose small differences."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
