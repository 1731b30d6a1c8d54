"""How close two images are, one number per image: PSNR, SSIM and RIFE's own SSIM.

The learned distance LPIPS is in `lpips`, because it needs trained weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.dispatch import at_least_float32
from ..ops.psnr import psnr as of_each
from .checks import check_pair, full_precision

_WINDOW = 11
_SIGMA = 1.5


def psnr(input: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio of each image in decibels; higher is better.

    Shape:
        input, target: B C H W, in [0, data_range]
        returns: B, infinite for equal images

    Raises:
        ValueError: shapes differ, or no images.

    Example:
        >>> round(psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)).item(), 3)
        20.0
    """
    check_pair("PSNR", input, target)
    return of_each(at_least_float32(input), at_least_float32(target), data_range)


def ssim(input: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity of each image, channels averaged; higher is better.

    Gaussian window of 11 x 11, sigma 1.5, mirrored at the border.

    Shape:
        input, target: B C H W, in [0, data_range]; both sides at least 6
        returns: B, in [-1, 1], 1 for equal images

    Raises:
        ValueError: shapes differ, no images, or too small.

    Reference: Wang et al., "Image Quality Assessment: From Error Visibility to
    Structural Similarity", 2004.

    Example:
        >>> img = torch.rand(1, 3, 16, 16)
        >>> round(ssim(img, img).item(), 4)
        1.0
    """
    check_pair("SSIM", input, target, shortest=_WINDOW // 2 + 1)
    import kornia.metrics  # takes a sixth as long as torch, and few need it

    a, b = at_least_float32(input), at_least_float32(target)
    with full_precision(input.device):
        return kornia.metrics.ssim(a, b, _WINDOW, float(data_range), eps=0.0).mean((1, 2, 3))


def ssim_matlab(input: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """The SSIM that RIFE's papers report: its window also spans the colour channels.

    A Gaussian window of 11 x 11 x 11 over the stacked channels, whose border is
    repeated, so its values are not those of `ssim`.

    Shape:
        input, target: B C H W, in [0, data_range]
        returns: scalar, the mean of all images, in [-1, 1]; higher is better

    Raises:
        ValueError: shapes differ, or no images.

    Example:
        >>> img = torch.rand(1, 3, 16, 16)
        >>> round(ssim_matlab(img, img).item(), 4)
        1.0
    """
    check_pair("SSIM", input, target)
    a, b = at_least_float32(input).unsqueeze(1), at_least_float32(target).unsqueeze(1)
    with full_precision(input.device):
        mean_a, mean_b = _smooth(a), _smooth(b)
        variance_a = _smooth(a * a) - mean_a * mean_a
        variance_b = _smooth(b * b) - mean_b * mean_b
        covariance = _smooth(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    brightness = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (brightness * structure).mean()


def _smooth(x: Tensor) -> Tensor:
    """Gaussian mean around every point of B 1 D H W, one axis after the other."""
    distance = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    kernel = torch.exp(-distance.square() / (2 * _SIGMA**2))
    kernel = kernel / kernel.sum()
    x = F.pad(x, [_WINDOW // 2] * 6, mode="replicate")
    for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1)):
        x = F.conv3d(x, kernel.reshape(1, 1, *shape))
    return x
