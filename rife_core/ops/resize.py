"""Bilinear resizing as the published networks do it: no antialiasing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import FastForm, runs_on_cpu, wave

_LARGEST = 512
"""Pixels to a side of what is learned through by products, whose work grows by the third power."""


def resize(x: Tensor, factor: float) -> Tensor:
    """Resizes height and width by `factor`.

    Shape:
        x: B C H W -> B C H*factor W*factor, rounded down
    """
    return x if factor == 1 else _resize(x, factor)


def _plain(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _fast(x: Tensor, factor: float) -> Tensor:
    return _upsampled(x, int(factor)) if factor > 1 else _downsampled(x, round(1 / factor))


def _applies(x: Tensor, factor: float) -> bool:
    return runs_on_cpu(x.device) and _is_whole(x, factor)


def _is_whole(x: Tensor, factor: float) -> bool:
    """Whether every new pixel is as far from its neighbours as in the next cell."""
    if factor > 1:
        return factor == int(factor)
    step = round(1 / factor)
    return step % 2 == 0 and factor * step == 1 and not any(side % step for side in x.shape[-2:])


def _sample(x: Tensor, factor: float) -> tuple[Tensor, float]:
    side = max(3, 2 * round(1 / factor))
    return wave(1, 2, side, side, dtype=x.dtype), factor


def _upsampled(x: Tensor, times: int) -> Tensor:
    """The same by a whole factor, five times as fast as PyTorch on a CPU.

    Along an axis every pixel becomes `times` new ones, each a fixed mixture of it and the
    neighbour that it is nearer to: so many passes over whole channels.
    """
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for axis in (3, 2):
        count = x.shape[axis] - 2
        before, here, after = (x.narrow(axis, first, count) for first in range(3))
        size = list(here.shape)
        size[axis] = count * times
        upsampled = x.new_empty(size)
        for phase, place in enumerate(upsampled.unflatten(axis, (count, times)).unbind(axis + 1)):
            beyond = (phase + 0.5) / times - 0.5
            torch.lerp(here, before if beyond < 0 else after, abs(beyond), out=place)
        x = upsampled
    return x


def _downsampled(x: Tensor, times: int) -> Tensor:
    """The same by a whole, even factor that divides the size: the mean of each cell's middle."""
    low, high = times // 2 - 1, times // 2
    rows = x[:, :, low::times] + x[:, :, high::times]
    return (rows[..., low::times] + rows[..., high::times]).mul_(0.25)


def _by_products(x: Tensor, factor: float) -> Tensor:
    """The same where gradients go through it on a CUDA device.

    PyTorch's backward pass adds every gradient to four places by turns: a quarter of a training
    step. A matrix product's is a matrix product, and that of a mean a copy.
    """
    if factor < 1:
        step = round(1 / factor)
        low = step // 2 - 1
        return F.avg_pool2d(x[:, :, low:, low:], 2, step)
    with torch.autocast(x.device.type, enabled=False):
        rows, columns = (_mixtures(length, int(factor), x) for length in x.shape[-2:])
        return rows.mT @ (x @ columns)


def _mixtures(length: int, times: int, like: Tensor) -> Tensor:
    """What each of `length` pixels gives to each of the new ones along an axis: a matrix."""
    pixels = torch.eye(length, dtype=like.dtype, device=like.device)
    return F.interpolate(pixels[None], scale_factor=times, mode="linear")[0]


def _is_learned(x: Tensor, factor: float) -> bool:
    large = max(x.shape[-2:]) * max(factor, 1) > _LARGEST
    return x.is_cuda and torch.is_grad_enabled() and not large and _is_whole(x, factor)


_resize_learned = FastForm(
    "resizing by products",
    _plain,
    _by_products,
    _is_learned,
    _sample,
    kind=lambda x, factor: (x.dtype, factor),
)
_resize = FastForm(
    "resizing on a CPU",
    _resize_learned,
    _fast,
    _applies,
    _sample,
    kind=lambda x, factor: (x.dtype, factor),
    near=1e-2,
)
