"""A painted clip to try things on, with sound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Audio

FPS = Fraction(8)
FRAMES = 49
WIDTH, HEIGHT = 720, 480

_FINER = 2  # painted larger, then downsampled: soft edges
_SAMPLE_RATE = 24000
_SKY = ((0.36, 0.55, 0.80), (0.96, 0.82, 0.66))
_HILLS = (  # colour, height of the ridge, its roughness, speed in pixels a frame
    ((0.55, 0.60, 0.74), 0.52, 0.05, 2.0),
    ((0.35, 0.47, 0.55), 0.64, 0.07, 4.5),
    ((0.20, 0.36, 0.30), 0.78, 0.05, 9.0),
)
_BALL = ((0.90, 0.28, 0.20), (0.98, 0.94, 0.86))
_BALL_RADIUS = 0.11
_BALL_SPEED = 11.0  # pixels a frame
_BOUNCE = 14.0  # frames from ground to ground


def frames(
    count: int = FRAMES, height: int = HEIGHT, width: int = WIDTH, step: float = 1.0
) -> Iterator[Tensor]:
    """A ball that rolls and bounces before hills that pass at different speeds.

    Args:
        count: how many.
        height, width: in pixels.
        step: frames of the clip from one to the next; 0.5 shows what lies between them too.

    Yields:
        H W 3, float32 in [0, 1].
    """
    y = torch.linspace(0, 1, _FINER * height, device="cpu")[:, None, None]
    x = torch.linspace(0, width / height, _FINER * width, device="cpu")[None, :, None]
    for index in (number * step for number in range(count)):
        picture = torch.lerp(
            torch.tensor(_SKY[0], device="cpu"),
            torch.tensor(_SKY[1], device="cpu"),
            y.expand(-1, x.shape[1], 1),
        )
        for number, (colour, level, rough, speed) in enumerate(_HILLS):
            at = x + index * speed / height
            ridge = level + rough * sum(
                torch.sin(at * frequency + number * 9 + frequency) / frequency**0.8
                for frequency in (2.0, 5.3, 11.7, 27.1)
            )
            meadow = 1 + 0.10 * torch.sin(60 * (y - ridge) + 25 * at) * torch.sin(31 * at - 18 * y)
            picture = torch.where(y > ridge, torch.tensor(colour, device="cpu") * meadow, picture)
        picture = _with_ball(picture, x, y, index, height)
        planes = picture.clamp(0, 1).permute(2, 0, 1)[None]
        yield F.avg_pool2d(planes, _FINER)[0].permute(1, 2, 0).contiguous()


def ball(index: float, height: int = HEIGHT) -> tuple[float, float, float]:
    """Where the ball is in frame `index`: its centre's column and row, its radius, in pixels."""
    x = 0.25 * height + index * _BALL_SPEED * 0.5
    phase = index / _BOUNCE % 1
    y = 0.86 - _BALL_RADIUS - 0.42 * 4 * phase * (1 - phase)
    return x, y * height, _BALL_RADIUS * height


def _with_ball(picture: Tensor, x: Tensor, y: Tensor, index: float, height: int) -> Tensor:
    centre_x, centre_y = (place / height for place in ball(index, height)[:2])
    dx, dy = x - centre_x, y - centre_y
    distance = torch.hypot(dx, dy)
    segments = torch.atan2(dy, dx) * 3 - index * 0.7
    paint = torch.where(
        torch.sin(segments) > 0,
        torch.tensor(_BALL[0], device="cpu"),
        torch.tensor(_BALL[1], device="cpu"),
    )
    shade = 1 - 1.8 * (dx + dy + _BALL_RADIUS).clamp(min=0)
    return torch.where(distance < _BALL_RADIUS, paint * shade, picture)


def sound() -> Audio:
    """A tone for as long as the clip, louder each time the ball lands."""
    time = torch.arange(int(_SAMPLE_RATE * FRAMES / FPS), device="cpu") / _SAMPLE_RATE
    since_bounce = time % (_BOUNCE / float(FPS))
    wave = 0.3 * torch.exp(-9 * since_bounce) * torch.sin(2 * math.pi * 220 * time)
    return {"waveform": wave.expand(1, 2, -1), "sample_rate": _SAMPLE_RATE}
