"""The intermediate flow network: one module that is every row of `specs`.

A pyramid of blocks estimates, coarse to fine, the flow from the middle frame to
each source frame and the mask that blends the two warped sides:

    img0, img1, timestep -> block0 (1/8) -> block1 (1/4) -> ... -> flow, mask
    made = warp(img0, flow_t0) * mask + warp(img1, flow_t1) * (1 - mask)

Conventions: images are B 3 H W in [0, 1]; flow is B 4 H W in pixels of the full
image, (flow_t0 dx, dy, flow_t1 dx, dy); masks are logits until the blend; scales
are listed coarsest first. Parameter names are those of the published files.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from ..networks.block import IFBlock
from ..networks.estimate import EncodedFrame, Estimate, TrainingOutput
from ..networks.frame_order import average, frame_orders, listed
from ..networks.ifnet import TEACHER_CHANNELS, Result, as_timesteps, distillation_loss
from ..networks.layers import build_head
from ..networks.padding import alignment, crop, forward_multiple, pad_to_multiple
from ..networks.refine import Contextnet, Unet
from ..networks.specs import (
    CARRIED_FROM,
    NetworkSpec,
    get_spec,
)
from ..ops.warp import warp
from .halving import nearest_halving
from .sparse_pyramid import Pyramid, view_of_pair

USER_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


class Synthesis(NamedTuple):
    """A made frame, and the estimate that it was painted by.

    Attributes:
        image: B 3 H W of the padded size, in [0, 1], float32.
        estimate: its last flow, mask and warped sides.
    """

    image: Tensor
    estimate: Estimate

    @staticmethod
    def join(parts: Sequence[Synthesis]) -> Synthesis:
        """Several made frames as one batch."""
        estimates = [vars(part.estimate) for part in parts]
        known = [name for name, value in estimates[0].items() if value is not None]
        joined = {name: torch.cat([each[name] for each in estimates]) for name in known}
        return Synthesis(torch.cat([part.image for part in parts]), Estimate(**joined))


class InferenceBackend(Protocol):
    """Runs the two steps of inference in another way than PyTorch's eager one; see `backends`."""

    def encode(self, image: Tensor) -> EncodedFrame | None:
        """What `RIFE.prepare` gives for B 3 H W, clamped and padded; None: not this one."""
        ...

    def synthesize(
        self, frame0: EncodedFrame, frame1: EncodedFrame, times: Tensor, scale: float
    ) -> Synthesis | None:
        """What `RIFE.synthesize` gives, `times` being B 1 1 1; None: not this one."""
        ...


class RIFE(nn.Module):
    """Any row of the table of RIFE networks.

    `inference` makes a frame of any size. `forward` is the documented call that
    training uses. `prepare` and `synthesize` are the two halves of `inference`, for
    those who keep what neighbouring pairs share.

    Args:
        spec: the row.
        teacher: build the teacher block where the row has one; only `forward`
            with ground truth needs it.
    """

    def __init__(self, spec: NetworkSpec, *, teacher: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.backend: InferenceBackend | None = None

        def block(in_planes: int, c: int) -> IFBlock:
            return IFBlock(
                in_planes,
                c,
                trunk=spec.trunk,
                output=spec.output,
                planes=spec.planes,
                groups=spec.groups,
            )

        for index, c in enumerate(spec.channels):
            self.add_module(f"block{index}", block(spec.in_planes(index), c))
        self.block_tea = (
            block(spec.teacher_in_planes, TEACHER_CHANNELS) if spec.teacher and teacher else None
        )
        if spec.head:
            self.encode = build_head(spec.head)
        if spec.refine:
            self.contextnet = Contextnet()
            self.unet = Unet()

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own; what was compiled for these must not run for it.
        return {**self.__dict__, "backend": None}

    @property
    def blocks(self) -> list[IFBlock]:
        """The pyramid's blocks, coarsest first."""
        modules = (self.get_submodule(f"block{i}") for i in range(len(self.spec.channels)))
        return cast(list[IFBlock], list(modules))

    @torch.no_grad()
    def inference(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Fraction | Tensor = 0.5,
        scale: float = 1.0,
        ensemble: bool = False,
    ) -> Tensor:
        """Makes the frame at `timestep` between two frames of any size.

        Networks that know the midpoint only ("rife", "hdv3") reach other timesteps
        by halving the interval again and again, to the nearest 1/64.

        Args:
            img0: B 3 H W in [0, 1] (values beyond are clamped), any H and W.
            img1: the same.
            timestep: 0 is img0, 1 is img1; a number, or a tensor with one for each
                of the B samples.
            scale: below 1 estimates motion on smaller frames (large sizes, fast
                motion), above 1 on larger ones; 0.25, 0.5, 1, 2 or 4.
            ensemble: average over two ways to look at the pair; twice the time.

        Returns:
            B 3 H W in [0, 1], float32.

        Raises:
            ValueError: shapes, timestep or scale do not fit, or the network has no
                ensemble.
        """
        if img0.ndim != 4 or img0.shape[1] != 3 or img0.shape != img1.shape:
            raise ValueError(
                "img0 and img1 must both be B 3 H W, but are "
                f"{tuple(img0.shape)} and {tuple(img1.shape)}."
            )
        if not self.spec.arbitrary_timestep:
            times = as_timesteps(timestep, img0).flatten().tolist()
            samples = zip(img0.split(1), img1.split(1), times, strict=True)
            return torch.cat([self._halve(*sample, scale, ensemble) for sample in samples])
        frame0, frame1 = self.prepare(img0, scale), self.prepare(img1, scale)
        made = self.synthesize(frame0, frame1, timestep, scale, ensemble).image
        return crop(made, *img0.shape[-2:])

    def prepare(self, img: Tensor, scale: float = 1.0) -> EncodedFrame:
        """Clamps, pads and encodes one source frame, or a batch of them.

        Shape:
            img: B 3 H W in [0, 1], any H and W, any floating type
        """
        if scale not in USER_SCALES:
            known = ", ".join(map(str, USER_SCALES))
            raise ValueError(f"scale is {scale}; it must be one of {known}.")
        multiple = alignment(self.spec, self.spec.scales[0] / scale)
        image = img.to(torch.promote_types(next(self.parameters()).dtype, torch.float32))
        image = pad_to_multiple(image.clamp(0, 1), multiple)
        frame = self.backend.encode(image) if self.backend else None
        return frame or self._frame(image)

    def synthesize(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        timestep: float | Fraction | Tensor = 0.5,
        scale: float = 1.0,
        ensemble: bool = False,
    ) -> Synthesis:
        """Makes the frame between two prepared ones, in one run of the network.

        Arguments are those of `inference`, but a network that knows the midpoint
        only takes no other timestep than 0.5 here.
        """
        self.check_ensemble(ensemble)
        times = as_timesteps(timestep, frame0.image)
        if not self.spec.arbitrary_timestep and bool((times != 0.5).any()):
            raise ValueError(
                f"The network {self.spec.version!r} knows the midpoint only; `inference` "
                "reaches other timesteps by halving."
            )
        if self.spec.rerun_above and len(times) > 1:  # a sample must not rerun its neighbours
            samples = zip(frame0.split(), frame1.split(), times, strict=True)
            return Synthesis.join([self.synthesize(*one, scale, ensemble) for one in samples])
        if self.backend and not ensemble:
            made = self.backend.synthesize(frame0, frame1, times, scale)
            if made is not None:
                return made
        made = self._made(frame0, frame1, times, scale, ensemble)
        if ensemble and self.spec.ensemble == "flip":
            turned0, turned1 = (self._frame(f.image.flip(2, 3)) for f in (frame0, frame1))
            turned = self._made(turned0, turned1, times, scale, ensemble)
            made = Synthesis((made.image + turned.image.flip(2, 3)) / 2, made.estimate)
        return made

    def estimate(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        timestep: float | Tensor = 0.5,
        scale: float = 1.0,
    ) -> Estimate:
        """Flow, mask and warped sides between two prepared frames, without painting the frame.

        Arguments are those of `inference`.
        """
        times = as_timesteps(timestep, frame0.image)
        return self._final_estimate(frame0, frame1, times, scale, ensemble=False)

    def check_ensemble(self, ensemble: bool) -> None:
        """Raises ValueError where `ensemble` is asked of a network that has none."""
        if ensemble and self.spec.ensemble == "none":
            raise ValueError(
                f"The network {self.spec.version!r} was published without an ensemble mode. "
                "Switch ensemble off, or choose a release before 4.21."
            )

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
        scales = tuple(self.spec.scales if scale is None else scale)
        self._check_forward(x, scales)
        img0, img1, gt = x.split((3, 3, x.shape[1] - 6), 1)
        if returnflow:
            return self.flow_pyramid(img0, img1, timestep, scales)[-1].flow
        output = self.forward_train(img0, img1, gt if gt.shape[1] else None, timestep, scales)
        flows = [estimate.flow for estimate in output.estimates]
        mask = torch.sigmoid(output.estimates[-1].mask)
        return flows, mask, *output[1:]

    def forward_train(
        self,
        img0: Tensor,
        img1: Tensor,
        gt: Tensor | None = None,
        timestep: float | Tensor = 0.5,
        scales: Sequence[float] | None = None,
        detach: bool = False,
    ) -> TrainingOutput:
        """All that one run gives, for training; arguments as those of `flow_pyramid`.

        Args:
            gt: the frame at the timestep, B 3 H W, for the teacher.
        """
        frame0, frame1 = self._frame(img0), self._frame(img1)
        named = self._named_inputs(frame0, frame1, as_timesteps(timestep, img0))
        estimates = list(self._trained(named, scales, detach))
        merged = [estimate.blend() for estimate in estimates]
        last = estimates[-1]
        flow_teacher = merged_teacher = None
        loss_distill: Tensor | float = 0.0
        if gt is not None and self.block_tea is not None:
            names = (*self.spec.inputs, "gt")
            planes = self.block_tea.update(listed({**named, "gt": gt}, names), last.flow, 1)
            teacher = last.updated(planes, True, img0, img1)
            flow_teacher, merged_teacher = teacher.flow, teacher.blend()
            for estimate, made in zip(estimates, merged, strict=True):
                loss_distill = loss_distill + distillation_loss(
                    estimate.flow, flow_teacher, made, merged_teacher, gt
                )
        merged[-1] = self._refined(frame0, frame1, last, merged[-1])
        return TrainingOutput(estimates, merged, flow_teacher, merged_teacher, loss_distill)

    def flow_pyramid(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Tensor = 0.5,
        scales: Sequence[float] | None = None,
        detach: bool = False,
    ) -> list[Estimate]:
        """What is known after each block, for training.

        Args:
            img0: B 3 H W in [0, 1]; H and W multiples of 4 * scales[0].
            img1: the same.
            timestep: a number, or a tensor with one for each of the B samples.
            scales: of the blocks, or None for the row's own.
            detach: each block's estimate has a gradient to that block alone.
        """
        frame0, frame1 = self._frame(img0), self._frame(img1)
        named = self._named_inputs(frame0, frame1, as_timesteps(timestep, img0))
        return list(self._trained(named, scales, detach))

    def _trained(
        self, named: dict[str, Tensor], scales: Sequence[float] | None, detach: bool
    ) -> Iterator[Estimate]:
        scales = self.spec.scales if scales is None else scales
        return self._each_estimate(named, scales, self.spec.ensemble == "always", detach)

    def _check_forward(self, x: Tensor, scales: Sequence[float]) -> None:
        align = forward_multiple(self.spec, scales)
        if x.ndim != 4 or x.shape[1] not in (6, 9) or x.shape[2] % align or x.shape[3] % align:
            raise ValueError(
                f"The network {self.spec.version!r} takes B 6 H W (two frames) or B 9 H W (with "
                f"ground truth), H and W multiples of {align}, but got {tuple(x.shape)}. "
                "`inference` takes any size."
            )
        if len(scales) != len(self.spec.channels):
            raise ValueError(
                f"The network {self.spec.version!r} has {len(self.spec.channels)} blocks, "
                f"but scale lists {len(scales)}: {tuple(scales)}."
            )

    def _frame(self, image: Tensor) -> EncodedFrame:
        if self.spec.refine:
            return EncodedFrame(image, tuple(self.contextnet.features(image)))
        if self.spec.head:
            dtype = next(self.encode.parameters()).dtype
            return EncodedFrame(torch.cat((image, self.encode(image.to(dtype)).to(image.dtype)), 1))
        return EncodedFrame(image)

    def _named_inputs(
        self, frame0: EncodedFrame, frame1: EncodedFrame, times: Tensor
    ) -> dict[str, Tensor]:
        named = {"img0": frame0.image, "img1": frame1.image}
        if self.spec.arbitrary_timestep:
            named["timestep"] = times
        if self.spec.head:
            named |= {"feat0": frame0.features, "feat1": frame1.features}
        return named

    def _made(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        times: Tensor,
        scale: float,
        ensemble: bool,
    ) -> Synthesis:
        last = self._final_estimate(frame0, frame1, times, scale, ensemble)
        return Synthesis(self._refined(frame0, frame1, last, last.blend()), last)

    def _final_estimate(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        times: Tensor,
        scale: float,
        ensemble: bool,
    ) -> Estimate:
        mode = self.spec.ensemble
        swap = mode == "always" or (ensemble and mode == "swap")
        scales, size = [s / scale for s in self.spec.scales], frame0.planes.shape[-2:]
        if not self.spec.rerun_above and Pyramid.can_run(scales, *size):
            return self._sparse_estimate(frame0, frame1, times, scales, swap)
        last = None
        for last in self._each_estimate(self._named_inputs(frame0, frame1, times), scales, swap):
            pass  # only the last one counts; none before it is kept
        assert last is not None
        return last

    def _sparse_estimate(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        times: Tensor,
        scales: Sequence[float],
        swap: bool,
    ) -> Estimate:
        """The last of `_each_estimate`, computing of the ones before only what the blocks read."""
        spec = self.spec
        pyramid = Pyramid((frame0.planes, frame1.planes), spec.mask_adds)
        for index, (block, scale) in enumerate(zip(self.blocks, scales, strict=True)):
            wanted = CARRIED_FROM + (spec.carried if index + 1 < len(scales) else 0)
            # What a block reads is let go of before it runs.
            inputs = self._inputs(pyramid, index, times, scale, swap)
            pyramid.add(
                average([block.body(inputs.pop(0), scale, wanted) for _ in range(len(inputs))]),
                block.growth * scale,
            )
        return Estimate.of(pyramid.flow(1), pyramid.mask(1), frame0.image, frame1.image)

    def _inputs(
        self, pyramid: Pyramid, index: int, times: Tensor, scale: float, swap: bool
    ) -> list[Tensor]:
        """The opened input of block `index`; with `swap` that of the other order too."""
        spec, block = self.spec, self.blocks[index]
        first = index == 0 and not spec.starts_at_zero
        names = spec.first_inputs if first else spec.inputs
        named = {
            "timestep": times,
            **view_of_pair(pyramid, names, scale, spec.carried, block.dtype),
        }
        flow = None if first else pyramid.flow(scale)
        return [block.stem(*order, scale) for order in frame_orders(names, named, flow, swap)]

    def _refined(
        self, frame0: EncodedFrame, frame1: EncodedFrame, last: Estimate, merged: Tensor
    ) -> Tensor:
        if not self.spec.refine:
            return merged
        c0 = Contextnet.warp_features(frame0.context, last.flow[:, :2])
        c1 = Contextnet.warp_features(frame1.context, last.flow[:, 2:4])
        sides = (frame0.image, frame1.image, last.warped_img0, last.warped_img1)
        residual = self.unet(*sides, last.mask, last.flow, c0, c1)
        return (merged + 2 * residual - 1).clamp(0, 1)

    def _each_estimate(
        self,
        named: dict[str, Tensor],
        scales: Sequence[float],
        swap: bool,
        detach: bool = False,
    ) -> Iterator[Estimate]:
        """Runs the blocks; `named` is updated to what the next block would read.

        With `detach`, each block's estimate has a gradient to that block alone.
        """
        spec, blocks = self.spec, self.blocks

        def advance(index: int, before: Estimate | None, swap: bool) -> Estimate:
            names = spec.first_inputs if before is None else spec.inputs
            orders = frame_orders(names, named, before.flow if before else None, swap)
            planes = average([blocks[index].update(*order, scales[index]) for order in orders])
            img0, img1 = named["img0"], named["img1"]
            start = before or Estimate.zero(img0, img1)
            after = start.updated(planes, spec.mask_adds, img0, img1)
            seen = after.detach() if detach else after
            named.update(mask=seen.mask, warped_img0=seen.warped_img0, warped_img1=seen.warped_img1)
            if index + 1 < len(scales):
                if spec.head:
                    named["warped_feat0"] = warp(named["feat0"], seen.flow[:, :2])
                    named["warped_feat1"] = warp(named["feat1"], seen.flow[:, 2:])
                if spec.carried:
                    named["carried"] = planes[:, CARRIED_FROM : CARRIED_FROM + spec.carried]
            return after

        state = None
        if spec.starts_at_zero:
            state = Estimate.zero(named["img0"], named["img1"])
            named.update(
                mask=state.mask, warped_img0=state.warped_img0, warped_img1=state.warped_img1
            )
        for index in range(len(scales)):
            after = advance(index, state, swap)
            if index == 1 and spec.rerun_above and state is not None and not self.training:
                moved = (after.flow - state.flow).abs()
                if min(moved[:, :2].max(), moved[:, 2:].max()) > spec.rerun_above:
                    scales = [2 * s for s in scales]
                    after = advance(1, advance(0, None, swap=False), swap)
            state = after.detach() if detach else after
            yield after

    def _halve(
        self, img0: Tensor, img1: Tensor, timestep: float, scale: float, ensemble: bool
    ) -> Tensor:
        size = img0.shape[-2:]
        known = {Fraction(0): self.prepare(img0, scale), Fraction(1): self.prepare(img1, scale)}
        target, halvings = nearest_halving(timestep)
        for low, middle, high in halvings:
            made = self.synthesize(known[low], known[high], 0.5, scale, ensemble)
            known[middle] = self.prepare(crop(made.image, *size), scale)
        return crop(known[target].image, *size)


class IFNet(RIFE):
    """The paper's network: three blocks at scales 4, 2, 1, refinement, the midpoint.

    Shape:
        see `RIFE.forward`; the network has no timestep input, so none is read
    """

    def __init__(self) -> None:
        super().__init__(get_spec("rife"))


class IFNet_m(RIFE):  # noqa: N801 - the documented name
    """The paper's network with a timestep input: any time between the two frames.

    Shape:
        see `RIFE.forward`
    """

    def __init__(self) -> None:
        super().__init__(get_spec("rife_m"))


def build_network(version: str) -> RIFE:
    """The network of one row, with fresh weights and the published parameter names.

    Raises:
        ValueError: no such version.

    Example:
        >>> network = build_network("4.25.lite").eval()
        >>> img0, img1 = torch.rand(2, 1, 3, 30, 50)
        >>> network.inference(img0, img1, timestep=0.25).shape
        torch.Size([1, 3, 30, 50])
    """
    documented = {"rife": IFNet, "rife_m": IFNet_m}
    return documented[version]() if version in documented else RIFE(get_spec(version))
