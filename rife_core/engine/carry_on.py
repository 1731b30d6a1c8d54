"""Motion carried on beyond the last frame of a scene, where there is no frame to lead to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.rife import RIFE, Synthesis
from ..networks.estimate import EncodedFrame, Estimate
from ..ops.splat import splat
from ..ops.warp import warp

_PRECEDENCE = 10.0
"""What moves most comes e to this times before what moves as most of the picture does."""

_COVERED = 0.5  # of a pixel; where less arrives, there is a hole


@dataclass(frozen=True, kw_only=True)
class CarriedEstimate(Estimate):
    """An estimate within a pair, and where its second side goes from there.

    Attributes:
        onward: B 2 H W in pixels.
    """

    onward: Tensor

    def carry(self, plane0: Tensor, plane1: Tensor) -> Tensor:
        """Channels of the second frame, moved on; of the first one nothing is shown."""
        values = warp(plane1, self.flow[:, 2:])
        usual = self.onward.flatten(2).median(2).values[..., None, None]
        apart = (self.onward - usual).norm(dim=1, keepdim=True)
        weight = (_PRECEDENCE * apart / (1 + apart.amax((1, 2, 3), True))).exp()
        channels = torch.cat((values * weight, weight, torch.ones_like(weight)), 1)
        moved = splat(channels, self.onward)
        total, covered = moved[:, -2:-1], moved[:, -1:]
        known = covered > _COVERED
        behind = known * covered / total.clamp(min=1e-6)  # holes open behind what moves
        return _filled(moved[:, :-2] / total.clamp(min=1e-6), behind)


def carried_on(
    network: RIFE, frame0: EncodedFrame, frame1: EncodedFrame, times: Tensor, scale: float
) -> Synthesis:
    """Frames after the second one of a pair, as if its motion went on evenly.

    The flow between the two frames is prolonged, and the second frame is moved along it. What
    appears behind moving things is filled from around it.

    Args:
        network: any row.
        frame0, frame1: the pair, prepared.
        times: above 1; 2 is as far behind the second frame as the first one lies before it.
        scale: see `RIFE.inference`.

    Shape:
        times: B
    """
    # Networks know the middle best: on painted discs 1 to 19 dB better than the second frame.
    seen = network.estimate(frame0, frame1, 0.5, scale)
    to0, to1 = seen.flow.float().split(2, 1)
    beyond = (times.to(to1) - 1).reshape(-1, 1, 1, 1)
    estimate = CarriedEstimate(**vars(seen), onward=to1 + beyond * (to1 - to0))
    image = estimate.carry(frame0.image, frame1.image).clamp(0, 1)
    return Synthesis(image, estimate)


def _filled(values: Tensor, weights: Tensor) -> Tensor:
    """`values` where there is a weight, elsewhere their weighted mean around, coarse to fine."""
    known = weights > 0
    if max(values.shape[2:]) == 1 or bool(known.all()):
        return values
    share = F.avg_pool2d(weights, 2, ceil_mode=True)
    mean = F.avg_pool2d(values * weights, 2, ceil_mode=True) / share.clamp(min=1e-12)
    around = F.interpolate(_filled(mean, share), values.shape[2:], mode="bilinear")
    return torch.where(known, values, around)
