"""FlowNetwork: every row of `specs`, plain and differentiable, as the paper describes it.

Two frames and a time go in. A pyramid of blocks estimates, coarse to fine, the flow from
the frame in between to each of the two, and the mask that blends them once warped:

    img0, img1, timestep -> block0 (1/8) -> block1 (1/4) -> ... -> flow, mask
    merged = warp(img0, flow_t0) * mask + warp(img1, flow_t1) * (1 - mask)

The paper networks refine the blend. A teacher block that also sees the true frame corrects
the flow while training; the student learns from it where the teacher does better.

Conventions: images are B 3 H W in [0, 1]; flow is B 4 H W in pixels of the full image,
(flow_t0 dx, dy, flow_t1 dx, dy); masks are logits until the blend; scales are listed
coarsest first. Parameter names are those of the published files.

Nothing here is about speed: `inference.rife.RIFE` is this network, run with less work.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022, section 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ..basics.arguments import fitted
from ..ops.warp import warp
from .block import IFBlock
from .estimate import EncodedFrame, Estimate, FramePair, TrainingOutput, as_timesteps, averaged
from .frame_order import average, frame_orders, listed
from .inputs import scales_of
from .layers import build_head
from .padding import check_input
from .refine import build_refinement, refine
from .specs import CARRIED_FROM, NetworkSpec

TEACHER_CHANNELS = 90
TEACHER_MARGIN = 0.01  # how much closer to the truth the teacher must be to teach a pixel

Result = tuple[list[Tensor], Tensor, list[Tensor], Tensor | None, Tensor | None, Tensor | float]
"""flow_list, mask, merged, flow_teacher, merged_teacher, loss_distill."""


class FlowNetwork(nn.Module):
    """Any row of the table of RIFE networks.

    Args:
        spec: the row.
        teacher: build the teacher block where the row has one; only `forward`
            with ground truth needs it.
    """

    def __init__(self, spec: NetworkSpec, *, teacher: bool = True) -> None:
        super().__init__()
        self.spec = spec
        names = ("trunk", "depth", "output", "planes", "groups")
        block = partial(IFBlock, **{name: getattr(spec, name) for name in names})
        for index, c in enumerate(spec.channels):
            unit = spec.flow_unit(index)
            self.add_module(f"block{index}", block(spec.in_planes(index), c, flow_unit=unit))
        self.block_tea = (
            block(spec.teacher_in_planes, TEACHER_CHANNELS) if spec.teacher and teacher else None
        )
        if spec.head:
            self.encode = build_head(spec.head)
        if spec.refine:
            self.contextnet, self.unet = build_refinement(spec.refine)

    @property
    def blocks(self) -> list[IFBlock]:
        """The pyramid's blocks, coarsest first."""
        modules = [getattr(self, f"block{i}") for i in range(len(self.spec.channels))]
        return cast(list[IFBlock], modules)

    # --- Section 3.1: two frames in, the frame between them out

    def forward(
        self,
        x: Tensor,
        scale: Sequence[float] | None = None,
        timestep: float | Tensor = 0.5,
        returnflow: bool = False,
    ) -> Result | Tensor:
        """The documented call: every block's result and, with ground truth, the teacher's.

        Args:
            x: B 6 H W (img0, img1) or B 9 H W (img0, img1, ground truth), in [0, 1];
                H and W multiples of 4 times the coarsest scale, and of 16 where the row refines.
            scale: the pyramid, coarsest first; the row's own by default.
            timestep: a number, or one for each sample.
            returnflow: return the final flow, B 4 H W, and nothing else.

        Returns:
            flow_list: the running flow after each block, B 4 H W in pixels.
            mask: the final mask, B 1 H W in [0, 1].
            merged: the blended frame after each block, B 3 H W; the last one refined.
            flow_teacher, merged_teacher: B 4 H W and B 3 H W, or None without
                ground truth or teacher.
            loss_distill: scalar, 0 without ground truth or teacher.

        Raises:
            ValueError: the shape or the number of scales does not fit.
        """
        scales = self.spec.scales if scale is None else scales_of(scale)
        check_input(self.spec, x, scales, next(self.parameters()).device)
        img0, img1, gt = x.split((3, 3, x.shape[1] - 6), 1)
        if fitted("returnflow", returnflow, bool):
            return self.flow_pyramid(img0, img1, timestep, scales)[-1].flow
        output = self.forward_train(img0, img1, gt if gt.shape[1] else None, timestep, scales)
        mask = torch.sigmoid(output.estimates[-1].mask)
        return [estimate.flow for estimate in output.estimates], mask, *output[1:]

    # --- Section 3.2: intermediate flow, block by block

    def flow_pyramid(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Tensor = 0.5,
        scales: Sequence[float] | None = None,
        detach: bool = False,
    ) -> list[Estimate]:
        """The estimate after each block, for training.

        Args:
            img0: B 3 H W in [0, 1]; H and W multiples of 4 * scales[0].
            img1: the same.
            timestep: a number, or a tensor with one for each of the B samples.
            scales: of the blocks, or None for the row's own.
            detach: see `estimates`.
        """
        return list(self.estimates(self._pair(img0, img1, timestep), scales, detach=detach))

    def _pair(self, img0: Tensor, img1: Tensor, timestep: float | Tensor) -> FramePair:
        times = as_timesteps(timestep, img0)
        return FramePair(self.encode_frame(img0), self.encode_frame(img1), times)

    def encode_frame(self, image: Tensor) -> EncodedFrame:
        """What belongs to one frame alone: its image, the head's features or its context.

        Shape:
            image: B 3 H W in [0, 1], H and W multiples of the row's alignment
        """
        if self.spec.refine:
            return EncodedFrame(image, tuple(self.contextnet.features(image)))
        if not self.spec.head:
            return EncodedFrame(image)
        features = self.encode(image.to(next(self.encode.parameters()).dtype))
        return EncodedFrame(torch.cat((image, features.to(image.dtype)), 1))

    def estimates(
        self,
        pair: FramePair,
        scales: Sequence[float] | None = None,
        ensemble: bool = False,
        detach: bool = False,
    ) -> Iterator[Estimate]:
        """Runs the blocks one after the other and yields what is known after each.

        Args:
            pair: the two frames, and the time of the frame between them.
            scales: of the blocks, or None for the row's own.
            ensemble: average each block over both orders of the frames, where the row can.
            detach: the flow, mask and warped frames that a block reads take no gradient, so
                that its loss teaches that block alone. Features handed on keep theirs: only
                the next block's loss can teach them.
        """
        spec = self.spec
        scales = spec.scales if scales is None else scales
        before = Estimate.zero(*pair.images) if spec.starts_at_zero else None
        carried = None
        for index in range(len(scales)):
            swap = self.swaps(index, ensemble)
            after, carried = self._advance(index, scales[index], pair, (before, carried), swap)
            if index == 1 and self._moves_far(before, after):  # 4.0 starts again, twice as coarse
                scales = [2 * scale for scale in scales]
                known = self._advance(0, scales[0], pair, (None, None), swap=False)
                after, carried = self._advance(1, scales[1], pair, known, swap)
            yield after
            before = after.detach() if detach else after

    def final_estimate(
        self, pair: FramePair, scales: Sequence[float] | None = None, ensemble: bool = False
    ) -> Estimate:
        """The last of `estimates`; none before it is kept."""
        return deque(self.estimates(pair, scales, ensemble), maxlen=1).pop()

    def swaps(self, index: int, ensemble: bool) -> bool:
        """Whether block `index` sees the frames in both orders."""
        return index < self.spec.both_orders or (ensemble and self.spec.ensemble == "swap")

    def _advance(
        self,
        index: int,
        scale: float,
        pair: FramePair,
        known: tuple[Estimate | None, Tensor | None],
        swap: bool,
    ) -> tuple[Estimate, Tensor]:
        """What is known after block `index`: the estimate, and the features it hands on."""
        spec, (before, carried) = self.spec, known
        names = spec.first_inputs if before is None else spec.inputs
        seen, last = averaged(cell := spec.cell(scale), pair, before)
        named = self._named_inputs(seen, last, carried)
        orders = frame_orders(names, named, last and last.flow, swap)
        update = average([self.blocks[index].update(*order, scale, cell) for order in orders])
        after = (before or Estimate.zero(*pair.images)).updated(
            update, spec.mask_adds, *pair.images
        )
        return after, update[:, CARRIED_FROM : CARRIED_FROM + spec.carried]

    def _named_inputs(
        self, pair: FramePair, before: Estimate | None, carried: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All that a block may read, by the names that the table uses."""
        (frame0, frame1, times), spec = pair, self.spec
        named = {"img0": frame0.image, "img1": frame1.image, "timestep": times}
        if spec.head:
            named.update(feat0=frame0.features, feat1=frame1.features)
        if before is not None:
            warped0, warped1 = before.warped_img0, before.warped_img1
            named.update(mask=before.mask, warped_img0=warped0, warped_img1=warped1)
            if spec.head:
                named["warped_feat0"] = warp(frame0.features, before.flow[:, :2])
                named["warped_feat1"] = warp(frame1.features, before.flow[:, 2:])
        if spec.carried and carried is not None:
            named["carried"] = carried
        return named

    def _moves_far(self, before: Estimate | None, after: Estimate) -> bool:
        if self.spec.rerun_above is None or before is None or self.training:
            return False
        moved = (after.flow - before.flow).abs().unflatten(1, (2, 2))
        return bool(moved.amax((0, 2, 3, 4)).min() > self.spec.rerun_above)

    def refine(self, pair: FramePair, last: Estimate) -> tuple[Tensor, Estimate]:
        """The blended frame, corrected where the row refines: B 3 H W; and its estimate."""
        last = last.resampled(self.spec.sampling, *pair.images)
        if not self.spec.refine:
            return last.blend(), last
        return refine(self.contextnet, self.unet, pair, last)

    # --- Section 3.3: privileged distillation

    def forward_train(
        self,
        img0: Tensor,
        img1: Tensor,
        gt: Tensor | None = None,
        timestep: float | Tensor = 0.5,
        scales: Sequence[float] | None = None,
        detach: bool = False,
    ) -> TrainingOutput:
        """What a training forward pass returns; arguments as those of `flow_pyramid`.

        Args:
            gt: the frame at the timestep, B 3 H W, for the teacher.
        """
        pair = self._pair(img0, img1, timestep)
        estimates = list(self.estimates(pair, scales, detach=detach))
        merged = [estimate.blend() for estimate in estimates]
        last = estimates[-1]
        flow_teacher = merged_teacher = None
        loss_distill: Tensor | float = 0.0
        if gt is not None and self.block_tea is not None:
            seen = last.detach() if detach else last
            named = {**self._named_inputs(pair, seen), "gt": gt}
            parts = listed(named, (*self.spec.inputs, "gt"))
            teacher = seen.updated(self.block_tea.update(parts, seen.flow, 1), True, img0, img1)
            flow_teacher, merged_teacher = teacher.flow, teacher.blend()
            for estimate, student in zip(estimates, merged, strict=True):
                loss_distill = loss_distill + distillation_loss(
                    estimate.flow, flow_teacher, student, merged_teacher, gt
                )
        merged[-1], estimates[-1] = self.refine(pair, last)
        return TrainingOutput(estimates, merged, flow_teacher, merged_teacher, loss_distill)


def distillation_loss(
    flow: Tensor, flow_teacher: Tensor, merged: Tensor, merged_teacher: Tensor, gt: Tensor
) -> Tensor:
    """How far the student's flow is from the teacher's, where the teacher's frame is closer.

    The teacher takes no gradient.

    Shape:
        flow, flow_teacher: B 4 H W; merged, merged_teacher, gt: B 3 H W; returns a scalar
    """
    error, error_teacher = ((m - gt).abs().mean(1, True) for m in (merged, merged_teacher))
    worse = error > error_teacher + TEACHER_MARGIN
    distance = (flow_teacher.detach() - flow).square().mean(1, True)
    # sqrt has no gradient at zero; the smallest normal number keeps it finite.
    return (distance + torch.finfo(distance.dtype).tiny).sqrt().mul(worse.detach()).mean()
