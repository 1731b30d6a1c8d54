"""RIFE's training losses: pure functions first, then modules that own the buffers.

Everything is computed in float32 (float64 where the input is), whatever
precision the images come in and whether or not autocast is on: differences of
nearly equal images are what half precision is worst at. A NaN in an input comes
out as NaN, in the maps only at the pixels that it reaches.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .image_checks import check_images, check_pair, full_precision
from .perceptual import MeanShift, VGGPerceptualLoss, mean_shift
from .sampling import at_least_float32

__all__ = [
    "EPE",
    "SOBEL",
    "LapLoss",
    "MeanShift",
    "Ternary",
    "VGGPerceptualLoss",
    "epe",
    "lap_loss",
    "laplacian_pyramid",
    "mean_shift",
    "sobel",
    "ternary",
]

PATCH = 7
"""Side of the patch that the census transform describes."""
_REACH = PATCH // 2
_HALF_PATCH = [
    (dy, dx) for dy in range(_REACH + 1) for dx in range(-_REACH, _REACH + 1) if (dy, dx) > (0, 0)
]
"""Steps to one of each two neighbours that lie opposite."""

_EPE_FLOOR = 1e-6  # keeps the square root differentiable where the flow is right
_CENSUS_SOFTNESS = 0.81
_HAMMING_SOFTNESS = 0.1
_LUMA = (0.2989, 0.5870, 0.1140)
_BORDER = 1


# --- Flow


def epe(flow: Tensor, gt: Tensor, loss_mask: Tensor) -> Tensor:
    """Endpoint error: how far, in pixels, each flow vector ends from the true one.

    No gradient goes to `gt`.

    Shape:
        flow, gt: B 2 H W, in pixels
        loss_mask: B 1 H W (or broadcast to it), 1 where the error counts, 0 where not
        returns: B 1 H W, 0.001 where the flow is right and counts

    Raises:
        ValueError: the shapes do not fit each other.

    Example:
        >>> right = torch.zeros(1, 2, 1, 1)
        >>> wrong = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
        >>> round(epe(wrong, right, torch.ones(1, 1, 1, 1)).item(), 4)
        5.0
    """
    check_pair("EPE", flow, gt)
    batch, _, height, width = flow.shape
    counts_as = (batch, 1, height, width)
    if loss_mask.ndim != 4 or any(
        n not in (1, m) for n, m in zip(loss_mask.shape, counts_as, strict=True)
    ):
        raise ValueError(
            f"EPE: the mask has shape {tuple(loss_mask.shape)}, but the flow "
            f"{tuple(flow.shape)} needs a mask of shape {counts_as}."
        )
    difference = at_least_float32(flow) - at_least_float32(gt.detach())
    return (difference.square().sum(1, keepdim=True) + _EPE_FLOOR).sqrt() * loss_mask


class EPE(nn.Module):
    """Endpoint error of optical flow; see `epe`."""

    def forward(self, flow: Tensor, gt: Tensor, loss_mask: Tensor) -> Tensor:
        """See `epe`."""
        return epe(flow, gt, loss_mask)


# --- Census transform


def ternary(img0: Tensor, img1: Tensor) -> Tensor:
    """Census distance: how differently two images' pixels relate to their neighbours.

    Each pixel is described by its 7 x 7 neighbourhood, softly compared with it,
    so a change of brightness hardly counts. The outermost pixels count as 0.

    Shape:
        img0, img1: B 3 H W, in [0, 1]; sides of at least 3 pixels
        returns: B 1 H W, in [0, 1), 0 for equal images

    Raises:
        ValueError: no RGB images, shapes differ, or too small.

    Reference: Meister et al., "UnFlow", AAAI 2018.

    Example:
        >>> img = torch.rand(1, 3, 8, 8)
        >>> ternary(img, img).abs().max().item()
        0.0
    """
    check_pair("Ternary", img0, img1, channels=3, shortest=2 * _BORDER + 1)
    with full_precision(img0.device):
        grays = [_gray(at_least_float32(img)) for img in (img0, img1)]
        padded = [F.pad(gray, [_REACH] * 4) for gray in grays]
        total = torch.zeros_like(grays[0])
        height, width = total.shape[-2:]
        # A pixel differs from a neighbour as that one does from it, so half of them are enough;
        # one at a time: its planes stay in the processor's cache.
        for dy, dx in _HALF_PATCH:
            left, right = max(dx, 0), max(-dx, 0)
            rows, columns = height + dy, width + left + right
            transforms: list[Tensor] = []
            for gray in padded:
                here = gray[..., _REACH - dy :, _REACH - left :][..., :rows, :columns]
                there = gray[..., _REACH:, _REACH - left + dx :][..., :rows, :columns]
                transforms.append(_soft_sign(there - here))
            distance = _soft_distance(*transforms)
            total = total + distance[..., dy:, left : left + width]
            total = total + distance[..., :height, right : right + width]
        mean = total / PATCH**2
        return mean * _valid_mask(mean, _BORDER)


def _gray(rgb: Tensor) -> Tensor:
    weights = rgb.new_tensor(_LUMA).reshape(1, 3, 1, 1)
    return (rgb * weights).sum(1, keepdim=True)


def _census(img: Tensor) -> Iterator[Tensor]:
    """How each pixel's neighbours compare with it, one neighbour after the other."""
    height, width = img.shape[-2:]
    padded = F.pad(img, [_REACH] * 4)
    for dy in range(PATCH):
        for dx in range(PATCH):
            yield _soft_sign(padded[..., dy : dy + height, dx : dx + width] - img)


def _soft_sign(difference: Tensor) -> Tensor:
    return difference * (_CENSUS_SOFTNESS + difference.square()).rsqrt()


def _soft_distance(t1: Tensor, t2: Tensor) -> Tensor:
    distance = (t1 - t2).square()
    return distance / (_HAMMING_SOFTNESS + distance)


def _valid_mask(t: Tensor, padding: int) -> Tensor:
    batch, _, height, width = t.shape
    inner = t.new_ones(batch, 1, height - 2 * padding, width - 2 * padding)
    return F.pad(inner, [padding] * 4)


class Ternary(nn.Module):
    """Census distance; see `ternary`. The steps are there one by one, too."""

    def transform(self, img: Tensor) -> Tensor:
        """Soft census transform of a grey image: B 1 H W -> B 49 H W, in (-1, 1)."""
        check_images("Ternary.transform", img, channels=1)
        return torch.cat(list(_census(img)), 1)

    def rgb2gray(self, rgb: Tensor) -> Tensor:
        """Brightness: B 3 H W -> B 1 H W."""
        check_images("Ternary.rgb2gray", rgb, channels=3)
        return _gray(rgb)

    def hamming(self, t1: Tensor, t2: Tensor) -> Tensor:
        """Soft Hamming distance of two transforms: twice B N H W -> B 1 H W, in [0, 1)."""
        check_pair("Ternary.hamming", t1, t2)
        return _soft_distance(t1, t2).mean(1, keepdim=True)

    def valid_mask(self, t: Tensor, padding: int) -> Tensor:
        """0 on the outermost `padding` pixels, 1 inside: B C H W -> B 1 H W."""
        check_images("Ternary.valid_mask", t, shortest=2 * padding + 1)
        return _valid_mask(t, padding)

    def forward(self, img0: Tensor, img1: Tensor) -> Tensor:
        """See `ternary`."""
        return ternary(img0, img1)


# --- Edges


def sobel(pred: Tensor, gt: Tensor) -> Tensor:
    """Difference of horizontal plus that of vertical edges, channel by channel.

    Shape:
        pred, gt: B C H W, in [0, 1]
        returns: B*C 1 H W, from 0 (equal images) up

    Raises:
        ValueError: shapes differ, or no images.

    Example:
        >>> flat, edge = torch.zeros(1, 1, 3, 4), torch.tensor([0.0, 0, 1, 1]).expand(1, 1, 3, 4)
        >>> sobel(flat, edge)[0, 0, 1].tolist()
        [0.0, 4.0, 4.0, 4.0]
    """
    return _sobel(pred, gt, _sobel_kernels())


def _sobel_kernels() -> Tensor:
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    return torch.stack((across, across.T)).unsqueeze(1)


def _sobel(pred: Tensor, gt: Tensor, kernels: Tensor) -> Tensor:
    check_pair("SOBEL", pred, gt)
    with full_precision(pred.device):
        # The filter is linear, so the edges of the difference are the difference of the edges.
        difference = at_least_float32(pred) - at_least_float32(gt)
        planes = difference.reshape(-1, 1, *difference.shape[-2:])
        edges = F.conv2d(planes, kernels.to(planes), padding=1)
        return edges.abs().sum(1, keepdim=True)


class SOBEL(nn.Module):
    """Edge difference; see `sobel`."""

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", _sobel_kernels(), persistent=False)

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """See `sobel`."""
        return _sobel(pred, gt, self.kernels)


# --- Laplacian pyramid


def laplacian_pyramid(x: Tensor, kernel: Tensor, max_levels: int) -> list[Tensor]:
    """What each halving of `x` loses, finest first; the last, blurred rest is left out.

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
    """Every second pixel of the blurred planes, which go on as in a mirror."""
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(x, kernel, stride=2, groups=x.shape[1])


def _doubled(x: Tensor, kernel: Tensor) -> Tensor:
    """The planes with a zero after each pixel and row, blurred as above, four times as bright."""
    # What the mirror shows of the planes with their zeros, without the zeros.
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
    return _lap_loss(input, target, _gauss_kernel(input.shape[1]), max_levels)


def _gauss_kernel(channels: int) -> Tensor:
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    return torch.outer(row, row).repeat(channels, 1, 1, 1)


def _lap_loss(input: Tensor, target: Tensor, kernel: Tensor, max_levels: int) -> Tensor:
    check_pair("LapLoss", input, target)
    shortest = min(input.shape[-2:])
    if max_levels < 1 or shortest <= 2**max_levels:
        raise ValueError(
            f"LapLoss: {max_levels} levels need at least 1, and sides of more than 2 ** levels "
            f"= {2**max_levels} pixels; found {shortest}. "
            "Use larger images or another max_levels."
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
    """

    gauss_kernel: Tensor

    def __init__(self, max_levels: int = 5, channels: int = 3) -> None:
        super().__init__()
        self.max_levels = max_levels
        self.channels = channels
        self.register_buffer("gauss_kernel", _gauss_kernel(channels), persistent=False)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See `lap_loss`."""
        check_images("LapLoss", input, self.channels)
        return _lap_loss(input, target, self.gauss_kernel, self.max_levels)
