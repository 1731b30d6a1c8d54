"""RIFE's training losses: pure functions first, then modules that own the buffers.

Everything is computed in float32 (float64 where the input is), whatever
precision the images come in and whether or not autocast is on: differences of
nearly equal images are what half precision is worst at.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .warp import at_least_float32


def _full_precision(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, enabled=False)


def _check_same_shape(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(
            f"{name}: the two sides have shapes {tuple(a.shape)} and {tuple(b.shape)}; "
            "they must be the same."
        )


def _check_images(name: str, x: Tensor, channels: int | None = None) -> None:
    """Raises unless `x` is a floating point B C H W tensor without an empty side."""
    if x.ndim != 4 or (channels is not None and x.shape[1] != channels):
        wanted = "C" if channels is None else channels
        raise ValueError(
            f"{name}: found a tensor of shape {tuple(x.shape)}, expected (B, {wanted}, H, W)."
        )
    if x.numel() == 0:
        raise ValueError(
            f"{name}: the batch of shape {tuple(x.shape)} is empty; there is nothing to compare."
        )
    if not x.is_floating_point():
        raise ValueError(
            f"{name}: found values of type {x.dtype}, expected floating point; "
            "divide 8-bit images by 255 first."
        )


def _check_pair(name: str, a: Tensor, b: Tensor, channels: int | None = None) -> None:
    _check_images(name, a, channels)
    _check_images(name, b, channels)
    _check_same_shape(name, a, b)


# --- Laplacian pyramid


def _gauss_kernel(channels: int) -> Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    return torch.outer(row, row).expand(channels, 1, 5, 5)


def _blur(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, groups=x.shape[1])


def laplacian_pyramid(x: Tensor, kernel: Tensor, max_levels: int) -> list[Tensor]:
    """What each halving of `x` loses, finest first; the last, blurred rest is left out.

    Shape:
        x: B C H W, any range
        kernel: C 1 5 5, summing to 1 per channel
        returns: `max_levels` tensors, B C H/2^i W/2^i
    """
    levels: list[Tensor] = []
    for _ in range(max_levels):
        down = _blur(x, kernel)[:, :, ::2, ::2]
        height, width = down.shape[-2:]
        # Three of four pixels are zero, so the blur must count the fourth four times.
        spread = x.new_zeros(*x.shape[:2], 2 * height, 2 * width)
        spread[:, :, ::2, ::2] = 4 * down
        up = _blur(spread, kernel)[:, :, : x.shape[2], : x.shape[3]]
        levels.append(x - up)
        x = down
    return levels


def lap_loss(input: Tensor, target: Tensor, max_levels: int = 5) -> Tensor:
    """Sum over the Laplacian pyramid's levels of the mean absolute difference.

    Shape:
        input, target: B C H W, any range; each side longer than 2 ** max_levels pixels
        returns: scalar, 0 for equal images

    Raises:
        ValueError: shapes differ, or a side is too short for `max_levels` levels.

    Reference: Bojanowski et al., "Optimizing the Latent Space of Generative
    Networks", ICML 2018.

    Example:
        >>> black, white = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)
        >>> round(lap_loss(black, black).item(), 6), round(lap_loss(black, white).item(), 6)
        (0.0, 0.0)
        >>> dotted = black.clone()
        >>> dotted[..., 32, 32] = 1
        >>> bool(lap_loss(black, dotted) > 0)
        True
    """
    return _lap_loss(input, target, _gauss_kernel(input.shape[1]), max_levels)


def _lap_loss(input: Tensor, target: Tensor, kernel: Tensor, max_levels: int) -> Tensor:
    _check_pair("LapLoss", input, target)
    shortest = min(input.shape[-2:])
    if shortest <= 2**max_levels:
        raise ValueError(
            f"LapLoss: a side of {shortest} pixels is too short for {max_levels} levels; "
            f"it needs more than {2**max_levels}. Use larger images or a smaller max_levels."
        )
    with _full_precision(input.device):
        # The pyramid is linear, so one pyramid of the difference stands for two.
        difference = at_least_float32(input) - at_least_float32(target)
        levels = laplacian_pyramid(difference, kernel.to(difference), max_levels)
        return torch.stack([level.abs().mean() for level in levels]).sum()


class LapLoss(nn.Module):
    """`lap_loss` with its kernel as a buffer.

    Args:
        max_levels: how often the images are halved.
        channels: of the images, 3 for RGB.

    Shape:
        input, target: B channels H W -> scalar
    """

    gauss_kernel: Tensor

    def __init__(self, max_levels: int = 5, channels: int = 3) -> None:
        super().__init__()
        self.max_levels = max_levels
        self.channels = channels
        self.register_buffer("gauss_kernel", _gauss_kernel(channels), persistent=False)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `lap_loss`."""
        _check_images("LapLoss", input, self.channels)
        return _lap_loss(input, target, self.gauss_kernel, self.max_levels)
