"""Textures that painted scenes are made of."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


class Draw:
    """Random numbers of one generator, in short words."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, shape: tuple[int, ...], low: float, high: float) -> Tensor:
        drawn = torch.rand(shape, generator=self.generator, device=self.generator.device)
        return low + (high - low) * drawn

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def log_uniform(self, shape: tuple[int, ...], low: float, high: float) -> Tensor:
        return self.uniform(shape, math.log(low), math.log(high)).exp()

    def direction(self, shape: tuple[int, ...]) -> Tensor:
        angle = self.uniform(shape, 0, 2 * math.pi)
        return torch.stack((angle.cos(), angle.sin()), -1)

    def number(self) -> float:
        return float(self.uniform((1,), 0, 1))

    def integers(self, count: int, high: int) -> list[int]:
        drawn = torch.randint(
            high, (count,), generator=self.generator, device=self.generator.device
        )
        return [int(value) for value in drawn.tolist()]


@torch.no_grad()
def make_texture(generator: torch.Generator, size: int) -> Tensor:
    """One texture: leaves of many sizes over natural noise, with stripes and marks at times.

    Shape:
        returns: 3 size size in [0, 1]

    Reference: Lee, Mumford and Huang, "Occlusion models for natural images", 2001 (dead
    leaves); Field, "Relations between the statistics of natural images", 1987 (1/f).
    """
    draw = Draw(generator)
    device = generator.device
    fine, coarse = (_natural_noise(draw, size, draw.number() * 0.9 + 0.7) for _ in range(2))
    strength = float(draw.log_uniform((1,), 0.015, 0.15))
    smooth = draw.number() < 0.15
    picture = _colour(draw)[:, None, None] + float(draw.log_uniform((1,), 0.04, 0.25)) * coarse
    axis = torch.linspace(-1, 1, size, device=device)
    y, x = axis[:, None], axis
    for _ in range(0 if smooth else int(draw.log_uniform((1,), 20, 400))):
        picture = _leaf(draw, picture, fine * strength, x, y)
    if smooth:
        picture = picture + strength * 0.3 * fine
    if draw.number() < 0.25:
        picture = _stripes(draw, picture, x, y)
    if draw.number() < 0.3:
        picture = _marks(draw, picture)
    if draw.number() < 0.3:  # out of focus, or upscaled
        factor = 1 / float(draw.log_uniform((1,), 1.3, 4.0))
        small = F.interpolate(picture[None], scale_factor=factor, mode="bilinear", antialias=True)
        picture = F.interpolate(small, size=(size, size), mode="bicubic")[0]
    return picture.clamp(0, 1)


def _colour(draw: Draw) -> Tensor:
    """A colour as films have them: any lightness, seldom saturated."""
    return draw.uniform((1,), 0.02, 0.98) + 0.08 * draw.normal((3,))


def _natural_noise(draw: Draw, size: int, slope: float) -> Tensor:
    """Coloured noise whose amplitude falls as 1 / frequency**slope; mean 0, deviation 1."""
    device = draw.generator.device
    frequency = torch.hypot(
        torch.fft.fftfreq(size, device=device)[:, None], torch.fft.rfftfreq(size, device=device)
    )
    spectrum = torch.fft.rfft2(draw.normal((3, size, size)))
    spectrum = spectrum / frequency.clamp(min=1 / size) ** slope
    planes = torch.fft.irfft2(spectrum, s=(size, size))
    planes = planes - planes.mean((1, 2), keepdim=True)
    planes = planes / planes.std((1, 2), keepdim=True)
    # Lightness in common, some colour on top.
    return (planes[:1] + 0.2 * planes) / 1.1


def _leaf(draw: Draw, picture: Tensor, grain: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Paints one leaf: an ellipse or box of one colour with a gradient and some grain."""
    size = picture.shape[-1]
    radius = min(0.03 * (1 - 0.98 * draw.number()) ** -0.75, 0.8)
    centre_x, centre_y, angle, aspect, soft, box, steep, rough = draw.uniform((8,), 0, 1).tolist()
    centre_x, centre_y, angle = 2 * centre_x - 1, 2 * centre_y - 1, 2 * math.pi * angle
    aspect = 4 ** (aspect - 0.5)
    reach = 1.5 * radius * max(aspect, 1 / aspect) + 4 / size
    columns = slice(
        max(0, int((centre_x - reach + 1) / 2 * size)),
        max(0, int((centre_x + reach + 1) / 2 * size) + 1),
    )
    rows = slice(
        max(0, int((centre_y - reach + 1) / 2 * size)),
        max(0, int((centre_y + reach + 1) / 2 * size) + 1),
    )
    dx, dy = x[columns] - centre_x, y[rows] - centre_y
    u = (dx * math.cos(angle) + dy * math.sin(angle)) / aspect
    v = (dy * math.cos(angle) - dx * math.sin(angle)) * aspect
    away = torch.maximum(u.abs(), v.abs()) if box < 0.35 else torch.hypot(u, v)
    edge = 1.0 if soft < 0.8 else 1 + 20 * (soft - 0.8) * radius * size / 10
    alpha = (0.5 + (radius - away) * size / 2 / edge).clamp(0, 1)
    slope = (steep - 0.5) * 0.5 / radius
    fill = _colour(draw)[:, None, None] + slope * u + 2 * rough * grain[:, rows, columns]
    picture[:, rows, columns] = torch.lerp(picture[:, rows, columns], fill, alpha)
    return picture


def _stripes(draw: Draw, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Paints stripes, hard or soft, over a part of the picture."""
    size = picture.shape[-1]
    angle, sharp, strength, low, high = draw.uniform((5,), 0, 1).tolist()
    angle *= 2 * math.pi
    along = (x * math.cos(angle) + y * math.sin(angle)) * size / 2
    across = y * math.cos(angle) - x * math.sin(angle)
    period = float(draw.log_uniform((1,), 5.0, 40.0))
    wave = torch.sin(2 * math.pi * along / period) * (1 + 6 * sharp**2)
    part = ((across > low - 1) & (across < high)).float()
    return picture + part * 0.25 * strength * wave.clamp(-1, 1)


def _marks(draw: Draw, picture: Tensor) -> Tensor:
    """Paints rows of small strokes, like writing, over a part of the picture."""
    size = picture.shape[-1]
    cell = 2 + int(draw.number() * 3)
    cells = size // cell + 1
    strokes = (draw.uniform((1, 1, cells, cells), 0, 1) < 0.5).float()
    row = torch.arange(cells, device=picture.device)
    strokes = strokes * (row % 7 < 5)[:, None] * (draw.uniform((cells,), 0, 1) < 0.85)
    strokes = F.interpolate(strokes, scale_factor=cell)[0, :, :size, :size]
    top, left = draw.integers(2, size // 2)
    height, width = draw.integers(2, size // 2)
    alpha = torch.zeros_like(strokes)
    rows, columns = slice(top, top + height), slice(left, left + width)
    alpha[:, rows, columns] = strokes[:, rows, columns]
    return torch.lerp(picture, _colour(draw)[:, None, None], alpha)
