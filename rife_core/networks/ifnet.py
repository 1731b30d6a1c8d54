"""The plain network, as the paper describes it."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

TEACHER_CHANNELS = 90

Result = tuple[list[Tensor], Tensor, list[Tensor], Tensor | None, Tensor | None, Tensor | float]
"""flow_list, mask, merged, flow_teacher, merged_teacher, loss_distill."""


def distillation_loss(
    flow: Tensor, flow_teacher: Tensor, merged: Tensor, merged_teacher: Tensor, gt: Tensor
) -> Tensor:
    """How far the student's flow is from the teacher's, where the teacher paints better.

    The teacher takes no gradient.

    Shape:
        flow, flow_teacher: B 4 H W; merged, merged_teacher, gt: B 3 H W; returns a scalar

    Reference: section 3.3 of the paper.
    """
    worse = (merged - gt).abs().mean(1, True) > (merged_teacher - gt).abs().mean(1, True) + 0.01
    distance = (flow_teacher.detach() - flow).square().mean(1, True)
    # sqrt has no gradient at zero; the smallest normal number keeps it finite.
    return (distance + torch.finfo(distance.dtype).tiny).sqrt().mul(worse.detach()).mean()


def as_timesteps(timestep: float | Fraction | Tensor, like: Tensor) -> Tensor:
    """Timesteps as B 1 1 1."""
    if not isinstance(timestep, Tensor):
        timestep = torch.tensor(float(timestep))
    times = timestep.reshape(-1, 1, 1, 1)  # looked at where it is: a device would be waited for
    if len(times) not in (1, len(like)) or not bool(((times >= 0) & (times <= 1)).all()):
        raise ValueError(
            f"timestep is {timestep.tolist()}; it must lie in [0, 1], one number for all "
            f"or one for each of the {len(like)} samples."
        )
    return times.to(like, non_blocking=True).expand(len(like), 1, 1, 1)
