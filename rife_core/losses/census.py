"""Ternary: the census distance of two images."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.dispatch import at_least_float32
from ..ops.recording import constants
from .checks import check_images, check_pair, full_precision

PATCH = 7
"""Side of the patch that the census transform describes."""
_REACH = PATCH // 2
_HALF_PATCH = [
    (dy, dx) for dy in range(_REACH + 1) for dx in range(-_REACH, _REACH + 1) if (dy, dx) > (0, 0)
]
"""Steps to one of each two neighbours that lie opposite."""
_CENSUS_SOFTNESS = 0.81
_HAMMING_SOFTNESS = 0.1
_LUMA = (0.2989, 0.5870, 0.1140)
_BORDER = 1


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
        inside = total[..., _BORDER:-_BORDER, _BORDER:-_BORDER] / PATCH**2
        return F.pad(inside, [_BORDER] * 4)


def _gray(rgb: Tensor) -> Tensor:
    weights = constants(_LUMA, rgb).reshape(1, 3, 1, 1)
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
    """Census distance; see `ternary`. Its steps are methods as well."""

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
