"""LapLoss: the distance of two images' Laplacian pyramids."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.dispatch import at_least_float32
from ..ops.recording import constants
from .checks import check_images, check_pair, check_sizes, full_precision

# --- Laplacian pyramid


def laplacian_pyramid(x: Tensor, kernel: Tensor, max_levels: int) -> list[Tensor]:
    """The Laplacian pyramid of `x`, finest level first, without the low-pass residual.

    Shape:
        x: B C H W, any range
        kernel: C 1 5 5, summing to 1 per channel
        returns: `max_levels` tensors, B C H/2^i W/2^i
    """
    levels: list[Tensor] = []
    for _ in range(max_levels):
        down = _halved(x, kernel)
        levels.append(x - _doubled(down, kernel)[:, :, : x.shape[2], : x.shape[3]])
        x = down
    return levels


def _halved(x: Tensor, kernel: Tensor) -> Tensor:
    """Blurs, with reflection padding, and keeps every second pixel."""
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(x, kernel, stride=2, groups=x.shape[1])


def _doubled(x: Tensor, kernel: Tensor) -> Tensor:
    """Upsamples by inserting zeros, then blurs with four times the kernel."""
    # The reflection padding of the zero-filled image, computed before the zeros are inserted.
    x = torch.cat((x[:, :, 1:2], x, x[:, :, -1:]), 2)
    x = torch.cat((x[..., 1:2], x, x[..., -1:]), 3)
    turned = 4 * kernel.flip(2, 3)
    return F.conv_transpose2d(x, turned, None, 2, 4, 1, groups=x.shape[1])


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
    check_images("LapLoss", input)
    return _lap_loss(input, target, _gauss_kernel(input.shape[1], input.device), max_levels)


def _gauss_kernel(channels: int, device: torch.device | None = None) -> Tensor:
    row = constants((1, 4, 6, 4, 1), torch.empty(0, device=device)) / 16
    return torch.outer(row, row).repeat(channels, 1, 1, 1)


def _lap_loss(input: Tensor, target: Tensor, kernel: Tensor, max_levels: int) -> Tensor:
    check_pair("LapLoss", input, target)
    check_sizes("LapLoss", max_levels=max_levels)
    shortest = min(input.shape[-2:])
    if shortest.bit_length() <= max_levels or shortest == 2**max_levels:
        raise ValueError(
            f"LapLoss: {max_levels} levels need sides of more than 2 ** {max_levels} pixels; found "
            f"{shortest}. Use larger images or another max_levels."
        )
    with full_precision(input.device):
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

    Raises:
        ValueError: an argument is no whole number of 1 or more; images that do not fit.
    """

    gauss_kernel: Tensor

    def __init__(self, max_levels: int = 5, channels: int = 3) -> None:
        check_sizes(self, max_levels=max_levels, channels=channels)
        super().__init__()
        self.max_levels = max_levels
        self.channels = channels
        self.register_buffer("gauss_kernel", _gauss_kernel(channels), persistent=False)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `lap_loss`."""
        check_images("LapLoss", input, self.channels)
        return _lap_loss(input, target, self.gauss_kernel, self.max_levels)
