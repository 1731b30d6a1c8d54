"""Linear light in and out of the engine: curves under which values of any size lie in [0, 1].

Networks read pictures in [0, 1] as displays are sent them. Rendered pictures hold light: most of
it below 1, lamps at thousands, and filters leave values below 0. `LogLight` brings all of it into
[0, 1] and back, so that interpolated frames keep it; source frames come back as the very tensors
that they were. `DisplayLight` is the curve of sRGB, for pictures that become video and back.
"""

from __future__ import annotations

from math import log2
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_FINEST = 1024  # light of 1 / 1024 is where the logarithm begins
_BRIGHTEST = 65504  # the largest half
_STEPS = log2(1 + _FINEST * _BRIGHTEST)
_BELOW_ZERO = 1 / 8  # of the range
_KNEE, _SLOPE, _OFFSET, _POWER = 0.0031308, 12.92, 0.055, 2.4  # of sRGB, IEC 61966-2-1


class Light(Protocol):
    """A curve between linear light and what the engine works on."""

    def encode(self, light: Tensor) -> Tensor:
        """H W C of light, as the engine is given it."""
        ...

    def decode(self, frame: Tensor) -> Tensor:
        """H W C of the engine, as light again."""
        ...


class LogLight:
    """Logarithms on both sides of zero.

    Alpha lies in the upper half of [0, 1]: the engine weighs colours by it, and light that
    covers nothing (fire, glow) has an alpha of 0.

    Example:
        >>> curve, light = LogLight(), torch.tensor([[[-0.5, 0.18, 4000.0]]])
        >>> frame = curve.encode(light)
        >>> curve.decode(frame) is light
        True
        >>> [round(value, 2) for value in curve.decode(frame.clone())[0, 0].tolist()]
        [-0.5, 0.18, 4000.0]
    """

    def __init__(self) -> None:
        self._given = WeakTensorKeyDictionary()
        self._dtype = torch.float32

    def encode(self, light: Tensor) -> Tensor:
        """See `Light`; remembers the tensor for as long as what is returned lives."""
        values = light.float()
        frame = values.clone()
        values = values[..., :3]
        steps = torch.log2(1 + _FINEST * values.abs()) / _STEPS
        frame[..., :3] = torch.where(
            values < 0, _BELOW_ZERO * (1 - steps), _BELOW_ZERO + (1 - _BELOW_ZERO) * steps
        )
        frame[..., 3:] = (1 + frame[..., 3:].clamp(0, 1)) / 2
        self._given[frame], self._dtype = light, light.dtype
        return frame

    def decode(self, frame: Tensor) -> Tensor:
        """See `Light`: the very tensor that was given, or a new one of its type."""
        given = self._given.get(frame)
        if given is not None:
            return given
        light = frame.float().clone()
        values = light[..., :3] - _BELOW_ZERO
        steps = torch.where(values < 0, -values / _BELOW_ZERO, values / (1 - _BELOW_ZERO))
        size = (torch.exp2(steps * _STEPS) - 1) / _FINEST
        light[..., :3] = torch.where(values < 0, -size, size)
        light[..., 3:] = (2 * light[..., 3:] - 1).clamp(0, 1)
        return light.to(self._dtype)


class DisplayLight:
    """The curve of sRGB; values outside [0, 1] are clipped.

    Example:
        >>> encoded = DisplayLight().encode(torch.tensor([[[0.0, 0.5, 2.0]]]))
        >>> [round(value, 4) for value in encoded.flatten().tolist()]
        [0.0, 0.7354, 1.0]
    """

    def encode(self, light: Tensor) -> Tensor:
        frame = light.float().clone()
        values = frame[..., :3].clamp(0, 1)
        curved = (1 + _OFFSET) * values.clamp(min=_KNEE) ** (1 / _POWER) - _OFFSET
        frame[..., :3] = torch.where(values <= _KNEE, values * _SLOPE, curved)
        return frame

    def decode(self, frame: Tensor) -> Tensor:
        light = frame.float().clone()
        values = light[..., :3]
        curved = ((values + _OFFSET) / (1 + _OFFSET)) ** _POWER
        light[..., :3] = torch.where(values <= _KNEE * _SLOPE, values / _SLOPE, curved)
        return light
