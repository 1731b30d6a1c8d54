"""What training minimises: flow at each block, the mask, and the interpolated frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses.census import ternary
from ..losses.checks import check_numbers
from ..losses.laplacian import lap_loss
from ..networks.estimate import Estimate, TrainingOutput
from ..networks.ifnet import FlowNetwork
from ..ops.psnr import psnr
from .synthetic import SceneBatch
from .taught import frame_error

FLOW_SOFTNESS = 0.1
"""In pixels of the block: below it the flow error counts by its square."""

TEACHER_MARGIN = 0.004
"""A teacher is followed where its frame is nearer to the true one by this much."""

_MOST_PSNR = 100.0  # dB; equal frames would be infinite
_EDGE_REACH = 3
_PLAINLY_APART = 0.1  # of two sides: from here on the mask counts in full

Parts: TypeAlias = dict[str, Callable[[], Tensor]]
"""Losses by name, each computed only where it counts."""

NONE: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType({})


OF_FRAMES = ("frame", "frames", "squared", "census", "vgg", "lpips")
OF_SCENES = ("flow", "mask")
OF_CROPS = ("taught", "taught_mask")
"""Losses by what they need: a true frame alone, a painted scene, a teacher's flow beside a crop."""


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts.

    Attributes:
        flow: endpoint error of every block's flow, in that block's own pixels; where the
            material's flow is known.
        mask: cross entropy of the mask where the point is visible on one side only.
        frame: Laplacian pyramid loss of the interpolated frame (the refined one, and the
            teacher's, where the row has them).
        frames: the same for the frame after each block but the last.
        squared: mean squared error of the interpolated frame, which PSNR is the logarithm of.
        census: census distance of the interpolated frame.
        distill: distance to the teacher's flow, for rows that have a teacher.
        vgg: how differently VGG-19 sees the interpolated frame; needs its trained weights.
        lpips: LPIPS on AlexNet of the interpolated frame; needs its trained weights.
        taught: distance to the flow of a teacher network (see `taught`), in each block's own
            pixels, where the teacher's frame is nearer to the true one than the student's.
        taught_mask: distance to that teacher's mask, in the same places, where its two sides
            differ, so that the mask shows; the first block sees too little to have one.
        edge: how much more the flow of scenes counts beside a change of it.
    """

    flow: float = 1.0
    mask: float = 0.1
    frame: float = 0.0
    frames: float = 0.0
    squared: float = 0.0
    census: float = 0.0
    distill: float = 0.01
    vgg: float = 0.0
    lpips: float = 0.0
    taught: float = 0.0
    taught_mask: float = 0.0
    edge: float = 0.0

    def __post_init__(self) -> None:
        check_numbers("weights", **asdict(self))


def objective(
    network: FlowNetwork,
    batch: SceneBatch,
    scales: Sequence[float],
    weights: LossWeights,
    detach: bool,
    perceptual: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = NONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch and the figures to log, without gradient.

    Args:
        network, batch, scales, detach: see `FlowNetwork.flow_pyramid`.
        weights: of the parts.
        perceptual: the losses "vgg" and "lpips" of two frames in [0, 1], where `weights` want
            them.

    Returns:
        The loss, and a dictionary: "loss", each weighted part, "psnr" of the interpolated
        frame in dB, and, where the flow is known, "epe" of the last block and "zero" of no
        flow, in pixels.
    """
    output = network.forward_train(batch.img0, batch.img1, batch.gt, batch.timestep, scales, detach)
    frame = output.merged[-1]
    parts = {
        **_on_frames(output, batch, perceptual),
        **_on_taught_flow(output, batch, scales),
        **_on_known_flow(output.estimates, batch, scales, weights.edge),
    }
    wanted = {name: float(getattr(weights, name)) for name in parts}
    values = {name: parts[name]() for name, weight in wanted.items() if weight}
    loss = batch.gt.new_zeros(())
    for name, value in values.items():
        loss = loss + wanted[name] * value
    with torch.no_grad():
        figures = {**values, "loss": loss}
        figures["psnr"] = psnr(frame, batch.gt).clamp(max=_MOST_PSNR).mean()
        if batch.flow is not None:
            figures |= _flow_figures(output.estimates[-1], batch.flow)
    return loss, {name: value.detach() for name, value in figures.items()}


def _on_frames(
    output: TrainingOutput,
    batch: SceneBatch,
    perceptual: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
) -> Parts:
    """Losses that need a true frame alone."""
    frame, teacher = output.merged[-1], output.merged_teacher
    parts: Parts = {
        "frame": lambda: _frame_loss(frame, batch.gt) + _frame_loss(teacher, batch.gt),
        "frames": lambda: _mean([_frame_loss(each, batch.gt) for each in output.merged[:-1]]),
        "squared": lambda: (frame - batch.gt).square().mean(),
        "census": lambda: ternary(frame, batch.gt).mean(),
    }
    for name, distance in perceptual.items():
        parts[name] = lambda distance=distance: distance(frame, batch.gt).mean()
    if teacher is not None:
        parts["distill"] = lambda: torch.as_tensor(output.loss_distill, device=frame.device)
    return parts


def _on_taught_flow(output: TrainingOutput, batch: SceneBatch, scales: Sequence[float]) -> Parts:
    """Losses that need the flow of a teacher; they count where its frame is the better one."""
    flow, mask, estimates = batch.flow, batch.teacher_mask, output.estimates
    if flow is None or batch.teacher_error is None:
        return {}
    error = frame_error(output.merged[-1].detach(), batch.gt)
    better = (error > batch.teacher_error + TEACHER_MARGIN).float()
    parts: Parts = {
        "taught": lambda: _mean(
            [
                (better * flow_error(e.flow, flow, s)).mean()
                for e, s in zip(estimates, scales, strict=True)
            ]
        )
    }
    if mask is not None:
        parts["taught_mask"] = lambda: _mean(
            [taught_mask_loss(e, mask, better) for e in estimates[1:]]
        )
    return parts


def _on_known_flow(
    estimates: Sequence[Estimate], batch: SceneBatch, scales: Sequence[float], edge: float
) -> Parts:
    """Losses that need the true flow of a painted scene."""
    flow, occluded = batch.flow, batch.occluded
    if flow is None or occluded is None:
        return {}
    weight = edge_weight(flow, edge, batch.weight)
    return {
        "flow": lambda: _mean(
            [flow_loss(e.flow, flow, s, weight) for e, s in zip(estimates, scales, strict=True)]
        ),
        "mask": lambda: _mean([mask_loss(e.mask, occluded) for e in estimates]),
    }


def _frame_loss(frame: Tensor | None, gt: Tensor) -> Tensor:
    return lap_loss(frame, gt) if frame is not None else gt.new_zeros(())


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()


def _flow_figures(last: Estimate, flow: Tensor) -> dict[str, Tensor]:
    return {
        "epe": endpoint_error(last.flow, flow),
        "zero": endpoint_error(torch.zeros_like(flow), flow),
    }


def flow_error(flow: Tensor, truth: Tensor, scale: float) -> Tensor:
    """Softened endpoint error of both directions, in pixels of a block at `scale`.

    Shape:
        flow, truth: B 4 H W in pixels of the full image; returns B 2 H W
    """
    difference = ((flow - truth) / scale).unflatten(1, (2, 2))
    return (difference.square().sum(2) + FLOW_SOFTNESS**2).sqrt() - FLOW_SOFTNESS


def flow_loss(flow: Tensor, truth: Tensor, scale: float, weight: Tensor | None = None) -> Tensor:
    """The mean of `flow_error`, weighted where B 1 H W of weights are given; a scalar."""
    error = flow_error(flow, truth, scale)
    return error.mean() if weight is None else (error * weight).mean() / weight.mean()


def endpoint_error(flow: Tensor, truth: Tensor) -> Tensor:
    """Mean endpoint error in pixels, over both directions.

    Example:
        >>> flow = torch.zeros(1, 4, 2, 2)
        >>> endpoint_error(flow, flow + torch.tensor([3.0, 4, 0, 0]).reshape(4, 1, 1)).item()
        2.5
    """
    # Much faster on a CPU than a vector norm over a strided axis.
    return (flow - truth).unflatten(1, (2, 2)).square().sum(2).sqrt().mean()


def edge_weight(flow: Tensor, edge: float, weight: Tensor | None) -> Tensor | None:
    """The weights of the flow, and `edge` times as much more within three pixels of its edges.

    Shape:
        flow: B 4 H W; weight: None or B 1 H W; returns the same
    """
    if not edge:
        return weight
    window = 2 * _EDGE_REACH + 1
    most = F.max_pool2d(flow, window, 1, _EDGE_REACH)
    least = -F.max_pool2d(-flow, window, 1, _EDGE_REACH)
    steep = (most - least).amax(1, True).clamp(max=1)
    return (1 + edge * steep) * (1 if weight is None else weight)


def taught_mask_loss(estimate: Estimate, mask: Tensor, where: Tensor) -> Tensor:
    """How far the mask is from a teacher's (Kullback-Leibler divergence); a scalar.

    Shape:
        mask: B 1 H W in [0, 1]; where: B 1 H W, 1 at pixels that count
    """
    apart = (estimate.warped_img0 - estimate.warped_img1).detach().abs().mean(1, True)
    entropy = torch.special.entr(mask) + torch.special.entr(1 - mask)
    cross = F.binary_cross_entropy_with_logits(estimate.mask, mask, reduction="none")
    return ((cross - entropy) * where * (apart / _PLAINLY_APART).clamp(max=1)).mean()


def mask_loss(mask: Tensor, occluded: Tensor) -> Tensor:
    """Cross entropy of the mask, weighted by how one-sided the visibility is.

    Shape:
        mask: B 1 H W logits, high takes img0; occluded: B 2 H W in [0, 1]
    """
    difference = occluded[:, 1:] - occluded[:, :1]
    each = F.binary_cross_entropy_with_logits(mask, (difference > 0).float(), reduction="none")
    return (each * difference.abs()).mean()
