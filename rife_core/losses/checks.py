"""Input checks of losses and metrics, with errors that say what was found."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


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
    """Raises ValueError unless both tensors have one shape and lie on one device."""
    if a.shape != b.shape:
        raise ValueError(
            f"{name}: the two sides have shapes {tuple(a.shape)} and {tuple(b.shape)}; "
            "they must be the same."
        )
    if a.device != b.device:
        raise ValueError(
            f"{name}: one side is on {a.device}, the other on {b.device}; move them together."
        )


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast: half precision would lose small differences."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
