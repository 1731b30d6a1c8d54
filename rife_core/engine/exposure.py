"""Motion blur: each output frame is the mean of its exposures, in linear light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from ..ops.light import Light
from .pixel_formats import as_type_of, from_bytes


def exposed(
    exposures: Iterable[tuple[Tensor, int]], count: int, first: int, light: Light
) -> Iterator[Tensor]:
    """Means of `count` exposures each, of those that show the scene of the first of them.

    Args:
        exposures: H W C each, and the number of the scene that it shows.
        count: how many make a frame; the last frame may have fewer.
        first: how many of the first frame's are left out, because the clip begins among them.
        light: the curve between frames and light.

    Yields:
        H W C, of the type of the exposures.
    """
    mean: _Mean | None = None
    for number, (frame, scene) in enumerate(exposures, first):
        if mean is None:
            mean = _Mean(frame, scene, light)
        mean.add(frame, scene)
        if number % count == count - 1:
            yield mean.frame()
            mean = None
    if mean is not None:
        yield mean.frame()


class _Mean:
    """Light that is collected for one frame; colours count by their alpha, where there is one."""

    def __init__(self, like: Tensor, scene: int, light: Light) -> None:
        self._like, self._scene, self._light = like, scene, light
        self._only: Tensor | None = None
        self._total = torch.empty(0, device="cpu")
        self._count = 0
        self._light_dtype = torch.float32

    def add(self, frame: Tensor, scene: int) -> None:
        if scene != self._scene:
            return
        self._count += 1
        self._only = frame if self._count == 1 else None
        light = self._light.decode(from_bytes(frame))
        self._light_dtype = light.dtype
        light = light.float()
        if light.shape[-1] == 4:
            light = torch.cat((light[..., :3] * light[..., 3:], light[..., 3:]), -1)
        self._total = light if self._count == 1 else self._total + light

    def frame(self) -> Tensor:
        if self._only is not None:
            return self._only
        light = self._total / self._count
        if light.shape[-1] == 4:
            alpha = light[..., 3:]
            light = torch.cat((light[..., :3] / alpha.clamp(min=1e-6), alpha), -1)
        return as_type_of(self._light.encode(light.to(self._light_dtype)), self._like)
