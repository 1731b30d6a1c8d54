"""The data that passes between blocks: source frames and estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.recording import is_recording
from ..ops.resize import resize
from ..ops.warp import warp, warp_both
from .specs import CARRIED_FROM, FLOW_CHANNELS, MASK_CHANNELS, Sampling

IMAGE_CHANNELS = 3

_SHOWN = 80


@dataclass(frozen=True)
class EncodedFrame:
    """A source frame as the network wants it: made once, used for both pairs it belongs to.

    Attributes:
        planes: B 3+F H W, the image and the head's features of it; padded, float32.
        context: levels of context features, where the network refines.
    """

    planes: Tensor
    context: tuple[Tensor, ...] = ()

    @property
    def image(self) -> Tensor:
        """B 3 H W, clamped to [0, 1], padded to the alignment."""
        return self.planes[:, :IMAGE_CHANNELS]

    @property
    def features(self) -> Tensor:
        """B F H W, what the head says of the image."""
        return self.planes[:, IMAGE_CHANNELS:]

    @staticmethod
    def join(frames: Sequence[EncodedFrame]) -> EncodedFrame:
        """Several frames as one batch."""
        if len(frames) == 1:
            return frames[0]
        levels = zip(*(frame.context for frame in frames), strict=True)
        return EncodedFrame(
            torch.cat([frame.planes for frame in frames]),
            tuple(torch.cat(level) for level in levels),
        )

    def split(self) -> list[EncodedFrame]:
        """The samples of a batch, one frame each."""
        levels = [level.split(1) for level in self.context]
        return [
            EncodedFrame(planes, tuple(level[i] for level in levels))
            for i, planes in enumerate(self.planes.split(1))
        ]


class FramePair(NamedTuple):
    """Two source frames, and where between them a frame is wanted.

    Attributes:
        times: B 1 1 1; 0 is frame0, 1 is frame1.
    """

    frame0: EncodedFrame
    frame1: EncodedFrame
    times: Tensor

    @property
    def images(self) -> tuple[Tensor, Tensor]:
        """Both images, B 3 H W each."""
        return self.frame0.image, self.frame1.image

    def split(self) -> list[FramePair]:
        """The samples of a batch, one pair each."""
        return [
            FramePair(*sample)
            for sample in zip(
                self.frame0.split(), self.frame1.split(), self.times.split(1), strict=True
            )
        ]


@dataclass(frozen=True)
class Estimate:
    """The state after a block: running flow, mask logits and the two warped sides.

    Attributes:
        mixed: the blend, where it came along with the warped sides.
    """

    flow: Tensor
    mask: Tensor
    warped_img0: Tensor
    warped_img1: Tensor
    mixed: Tensor | None = None

    @staticmethod
    def of(flow: Tensor, mask: Tensor, img0: Tensor, img1: Tensor) -> Estimate:
        """Warps both sides by `flow`."""
        return Estimate(flow, mask, *warp_both(img0, img1, flow, mask))

    @staticmethod
    def zero(img0: Tensor, img1: Tensor) -> Estimate:
        """Before anything is known: nothing moves, both sides count the same."""
        batch, _, height, width = img0.shape
        flow = img0.new_zeros(batch, FLOW_CHANNELS, height, width)
        return Estimate(flow, flow[:, :MASK_CHANNELS], img0, img1)

    def updated(self, update: Tensor, mask_adds: bool, img0: Tensor, img1: Tensor) -> Estimate:
        """The estimate after a block returned `update`, its output at full resolution."""
        flow = self.flow + update[:, :FLOW_CHANNELS]
        mask = update[:, FLOW_CHANNELS:CARRIED_FROM]
        mask = self.mask + mask if mask_adds else mask
        return Estimate.of(flow, mask, img0, img1)

    @staticmethod
    def join(parts: Sequence[Estimate]) -> Estimate:
        """Several estimates as one batch."""
        fields = [vars(part) for part in parts]
        known = [name for name, value in fields[0].items() if value is not None]
        return Estimate(**{name: torch.cat([each[name] for each in fields]) for name in known})

    def detach(self) -> Estimate:
        """The same values, detached from the graph."""
        parts = (self.flow, self.mask, self.warped_img0, self.warped_img1)
        return Estimate(*(part.detach() for part in parts))

    def resampled(self, mode: Sampling, img0: Tensor, img1: Tensor) -> Estimate:
        """The same, its sides sampled as `mode` says from B 3 H W in [0, 1]; they are bilinear."""
        if mode == "bilinear":
            return self
        sides = (img0, self.flow[:, :2]), (img1, self.flow[:, 2:])
        warped_img0, warped_img1 = (warp(*side, mode=mode).clamp(0, 1) for side in sides)
        return Estimate(self.flow, self.mask, warped_img0, warped_img1)

    def blend(self) -> Tensor:
        """The two warped sides mixed by the mask: B 3 H W."""
        if self.mixed is not None:
            return self.mixed
        return torch.lerp(self.warped_img1, self.warped_img0, torch.sigmoid(self.mask))

    def carry(self, plane0: Tensor, plane1: Tensor) -> Tensor:
        """Warps and mixes other channels of the two frames as their images were: B C H W."""
        warped0, warped1 = warp(plane0, self.flow[:, :2]), warp(plane1, self.flow[:, 2:])
        return torch.lerp(warped1, warped0, torch.sigmoid(self.mask))

    def disagreement(self) -> Tensor:
        """How far the two warped sides are apart, mean over colours: B 1 H W in [0, 1]."""
        return (self.warped_img0 - self.warped_img1).abs().mean(1, True)

    def doubt(self) -> Tensor:
        """How much of that disagreement shows, as the mask takes from both sides: B 1 H W.

        At an occlusion the sides disagree, but the mask takes one of them, and nothing shows.
        """
        share = torch.sigmoid(self.mask)
        return 4 * share * (1 - share) * self.disagreement()


def averaged(
    cell: int, pair: FramePair, before: Estimate | None
) -> tuple[FramePair, Estimate | None]:
    """A pair and its estimate at 1/`cell` of their size, as a block of an antialiased row reads.

    Of each square of pixels the frames have the mean, and they are warped as such; flow stays
    in pixels of the full image. Context is left out.
    """
    if cell == 1:
        return pair, before
    frame0, frame1 = (EncodedFrame(F.avg_pool2d(each.planes, cell)) for each in pair[:2])
    pair = FramePair(frame0, frame1, pair.times)
    if before is None:
        return pair, None
    flow, mask = resize(before.flow, 1 / cell), resize(before.mask, 1 / cell)
    return pair, Estimate(flow, mask, *warp_both(*pair.images, flow / cell, mask))


class TrainingOutput(NamedTuple):
    """The result of a training forward pass.

    Attributes:
        estimates: what is known after each block.
        merged: the blended frame after each block, B 3 H W; the last one refined.
        flow_teacher, merged_teacher: B 4 H W and B 3 H W, or None without ground truth
            or teacher.
        loss_distill: scalar, 0 without ground truth or teacher.
    """

    estimates: list[Estimate]
    merged: list[Tensor]
    flow_teacher: Tensor | None
    merged_teacher: Tensor | None
    loss_distill: Tensor | float


def as_timesteps(timestep: float | Fraction | Tensor, like: Tensor) -> Tensor:
    """Timesteps as B 1 1 1, on the device and in the type of `like`.

    Raises:
        ValueError: one is outside [0, 1] or no real number, or there is not one for each of the
            B samples.
    """
    try:
        if not isinstance(timestep, Tensor):
            timestep = torch.tensor(float(timestep), dtype=torch.float64, device="cpu")
        elif timestep.is_complex() or timestep.is_meta:
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"timestep is {str(timestep)[:_SHOWN]!r}; it must be a number in [0, 1], or a "
            "tensor of them."
        ) from None
    times = timestep.reshape(-1, 1, 1, 1)  # looked at where it is: a device would be waited for
    fits = len(times) in (1, len(like))
    # While work is recorded, no value can be looked at.
    if not fits or not (is_recording() or bool(((times >= 0) & (times <= 1)).all())):
        shown = str(timestep.tolist())[:_SHOWN]
        raise ValueError(
            f"timestep is {shown}; it must lie in [0, 1], one number for all "
            f"or one for each of the {len(like)} samples."
        )
    return times.to(like, non_blocking=True).expand(len(like), 1, 1, 1)
