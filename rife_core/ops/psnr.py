"""Peak signal-to-noise ratio."""

from __future__ import annotations

import torch
from torch import Tensor


def psnr(input: Tensor, target: Tensor, data_range: float | Tensor = 1.0) -> Tensor:
    """10 log10(range^2 / mean squared error) of each sample, in decibels; higher is better.

    Shape:
        input, target: B ..., in [0, data_range]
        returns: B; infinite where they are equal, NaN where one of them is

    Example:
        >>> psnr(torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.1)).round()
        tensor([20., 20.])
    """
    error = (input - target).square().flatten(1).mean(1)
    return 10 * torch.log10(data_range**2 / error)
