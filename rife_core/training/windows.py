"""Where the refinement learns: the parts of each sample that show most, in place of all of it.

With the blocks left as they are, a pyramid costs a fraction of what the refinement and the
perceptual loss cost while they learn. So it runs on whole samples, and the refinement on two
windows of each: the one where the blended frame is furthest from the true one, and another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.estimate import EncodedFrame, Estimate, FramePair, TrainingOutput, as_timesteps
from ..networks.ifnet import FlowNetwork
from ..networks.refine import correct
from .objective import NONE, LossWeights, losses_of
from .synthetic import SceneBatch
from .taught import frame_error

_Samples = TypeVar("_Samples", SceneBatch, Estimate)

_STEP = 32
"""Windows begin at multiples of so many pixels."""

_GOLDEN = 0.618034
"""Its multiples are spread evenly between whole numbers."""


def refinement_objective(
    network: FlowNetwork,
    batch: SceneBatch,
    scales: Sequence[float],
    weights: LossWeights,
    window: int,
    perceptual: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = NONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """`objective` of the windows of a batch; arguments as there and in `refine_windows`."""
    output, cut = refine_windows(network, batch, scales, window)
    return losses_of(output, cut, scales[-1:], weights, perceptual)


def refine_windows(
    network: FlowNetwork, batch: SceneBatch, scales: Sequence[float], window: int
) -> tuple[TrainingOutput, SceneBatch]:
    """Refines two windows of each sample; gradients reach the refinement alone.

    Args:
        network: whose row refines.
        batch: B samples.
        scales: of the blocks.
        window: height and width of a window, pixels; a multiple of what the row refines.

    Returns:
        What `FlowNetwork.forward_train` would return of 2 B samples of that size, with the last
        estimate alone, and these samples.
    """
    side = batch.gt.shape[-1]
    with torch.no_grad():
        times = as_timesteps(batch.timestep, batch.gt)
        pair = FramePair(EncodedFrame(batch.img0), EncodedFrame(batch.img1), times)
        last = network.final_estimate(pair, scales)
        last = last.resampled(network.spec.sampling, *pair.images)
        places = worst_and_other(frame_error(last.blend(), batch.gt), window)
    # Context comes from where the flow points, often outside of the window: it is cut once warped.
    contexts = [
        [_windows(level, places, window, side // level.shape[-1]) for level in levels]
        for levels in map(network.contextnet, pair.images, last.flow.split(2, 1))
    ]
    batch, last = _cut(batch, places, window), _cut(replace(last, mixed=None), places, window)
    frame, last = correct(network.unet, (batch.img0, batch.img1), last, *contexts)
    return TrainingOutput([last], [frame], None, None, 0.0), batch


def worst_and_other(error: Tensor, window: int) -> list[tuple[int, int]]:
    """Top and left of two windows for each of B 1 H W: where most is wrong, and any other.

    The others of a batch are spread from the best place to the worst.

    Example:
        >>> error = torch.zeros(1, 1, 64, 64)
        >>> error[..., 40:, :8] = 1
        >>> worst_and_other(error, 32)[0]
        (32, 0)
    """
    score = F.avg_pool2d(error.float(), window, _STEP)
    order, columns = score.flatten(1).argsort(1).tolist(), score.shape[-1]
    places: list[tuple[int, int]] = []
    for number, ranked in enumerate(order):
        other = int((number + 1) * _GOLDEN % 1 * len(ranked))
        places += [divmod(ranked[at], columns) for at in (-1, other)]
    return [(_STEP * row, _STEP * column) for row, column in places]


def _cut(samples: _Samples, places: Sequence[tuple[int, int]], window: int) -> _Samples:
    """Two windows of each sample in every field; what has no height is repeated."""

    def cut(value: Tensor | None) -> Tensor | None:
        if value is None:
            return None
        if value.ndim < 4:
            return value.repeat_interleave(2, 0)
        return _windows(value, places, window)

    values: dict[str, Any] = {
        each.name: cut(getattr(samples, each.name)) for each in fields(samples)
    }
    return replace(samples, **values)


def _windows(
    value: Tensor, places: Sequence[tuple[int, int]], window: int, step: int = 1
) -> Tensor:
    """Two windows of each sample of B C H/step W/step; places and window are in pixels."""
    size = window // step
    parts = [
        value[number // 2, :, top : top + size, left : left + size]
        for number, (top, left) in enumerate((y // step, x // step) for y, x in places)
    ]
    return torch.stack(parts)
