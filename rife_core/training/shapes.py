"""Soft shapes that layers of painted scenes are cut out by, and points in the plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .textures import Draw

Points = tuple[Tensor, Tensor]


class Shapes:
    """Signed distances to blobs, boxes, bars and lattices, in pixels, positive inside."""

    def __init__(self, draw: Draw, shape: tuple[int, int]) -> None:
        self.turn = rotation(draw.uniform(shape, 0, 2 * math.pi))
        # 0 is round, 1 square.
        self.square = draw.uniform((*shape, 1, 1), -0.6, 1).clamp(min=0)
        slender = draw.uniform(shape, 0, 1) < 0.25
        aspect = draw.log_uniform(shape, 0.5, 2.0)
        aspect = torch.where(slender, aspect * draw.log_uniform(shape, 8.0, 30.0), aspect)
        self.aspect = aspect[..., None, None]
        size = torch.tensor([0.15, 0.12, 0.1, 0.06], device=aspect.device)
        self.lobes = draw.normal((2, len(size), *shape, 1, 1)) * size.reshape(1, -1, 1, 1, 1, 1)
        self.bars = draw.uniform((*shape, 1, 1), 0, 1) < 0.12
        self.bar_width = draw.log_uniform((*shape, 1, 1), 8.0, 30.0)

    def distance(self, points: Points, extent: Tensor) -> Tensor:
        """Distance to the edge at `points` (roughly, and exact in sign): B L H W."""
        points = transform(self.turn, points)
        x, y = points[0] / self.aspect.sqrt(), points[1] * self.aspect.sqrt()
        radius = torch.hypot(x, y)
        cos, sin = x / (radius + 1e-6), y / (radius + 1e-6)
        cos_k, sin_k = cos, sin
        rim = torch.ones_like(radius)
        for even, odd in zip(*self.lobes, strict=True):
            cos_k, sin_k = cos_k * cos - sin_k * sin, sin_k * cos + cos_k * sin
            rim = rim + even * cos_k + odd * sin_k
        radius = torch.lerp(radius, torch.maximum(x.abs(), y.abs()), self.square)
        inside = (extent[..., None, None] / 2 * rim - radius) / self.aspect.clamp(min=1)
        bars = (torch.remainder(points[0], self.bar_width) - self.bar_width / 2).abs()
        return torch.where(self.bars, torch.minimum(inside, bars - self.bar_width / 5), inside)


def transform(matrix: Tensor, points: Points) -> Points:
    """Points after the linear map `matrix`, B L 2 2."""
    m, (x, y) = matrix[..., None, None], points
    return (
        torch.addcmul(m[:, :, 0, 0] * x, m[:, :, 0, 1], y),
        torch.addcmul(m[:, :, 1, 0] * x, m[:, :, 1, 1], y),
    )


def relative_to(points: Points, origin: Tensor) -> Points:
    """Points seen from `origin`, B L 2."""
    return points[0] - origin[..., 0, None, None], points[1] - origin[..., 1, None, None]


def rotation(angle: Tensor) -> Tensor:
    """Matrices ... 2 2 that turn by angles in radians."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos, -sin, sin, cos), -1).unflatten(-1, (2, 2))
