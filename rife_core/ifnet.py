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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from .corners import double
from .cpu import convolve_onto, is_short
from .padding import alignment, crop, pad_to_multiple
from .planes import convolve_planes, resize
from .prelu import PReLU
from .pyramid import CARRIED_FROM, Pyramid
from .refine import Contextnet, Unet, conv
from .rowpairs import RowPairConv2d, Rows
from .sampling import at_least_float32
from .specs import FLOW_PLANES, MASK_PLANES, HeadSpec, NetworkSpec, Output, Trunk, get_spec
from .warp import warp

HALVINGS = 6
"""Networks that know the midpoint only reach other timesteps to 1/2**HALVINGS."""

USER_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)

IMAGE_PLANES = 3
TRUNK_DEPTH = 8
TEACHER_CHANNELS = 90
LEAKY_SLOPE = 0.2

Result = tuple[list[Tensor], Tensor, list[Tensor], Tensor | None, Tensor | None, Tensor | float]
"""flow_list, mask, merged, flow_teacher, merged_teacher, loss_distill."""


def _leaky_conv(in_planes: int, out_planes: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_planes, out_planes, 3, stride, 1), nn.LeakyReLU(LEAKY_SLOPE, inplace=True)
    )


class ResConv(nn.Module):
    """A convolution added to its input after scaling each channel by a learned `beta`.

    Shape:
        x: B C H W -> B C H W
    """

    def __init__(self, planes: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(planes, planes, 3, 1, 1, groups=groups)
        self.beta = nn.Parameter(torch.ones(1, planes, 1, 1))
        self.relu = nn.LeakyReLU(LEAKY_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not is_short(x.device, x.dtype):
            return self.relu(torch.addcmul(x, self.conv(x), self.beta))
        conv, beta = self.conv, self.beta.view(-1)
        weight, bias = conv.weight * beta[:, None, None, None], cast(Tensor, conv.bias) * beta
        return self.relu(convolve_onto(x, x, weight, bias, (1, 1), conv.groups))


def _separate_head(c: int, planes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(c, c // 2, 4, 2, 1),
        PReLU(c // 2),
        nn.ConvTranspose2d(c // 2, planes, 4, 2, 1),
    )


class IFBlock(nn.Module):
    """Estimates what must be added to flow and mask, at 1/scale of the resolution.

    Callers see full-resolution pixels only: flow is divided by `scale` on the way
    in and multiplied by it on the way out.

    Args:
        in_planes: channels of `x` and the flow together.
        c: channels of the trunk.
        trunk, output, planes, groups: see `NetworkSpec`; the defaults are the paper's.

    Shape:
        x: B C H W; flow: B 4 H W in pixels, or None for the first block;
        H and W multiples of 4 * scale
        returns: flow update B 4 H W in pixels, mask logits B 1 H W; float32
    """

    def __init__(
        self,
        in_planes: int,
        c: int = 64,
        *,
        trunk: Trunk = "residual",
        output: Output = "half",
        planes: int = FLOW_PLANES + MASK_PLANES,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.growth = 2 if output == "half" else 1
        prelu = trunk in ("residual", "pairs")
        self.conv0 = nn.Sequential(
            *(conv(in_planes, c // 2, 3, 2, 1), conv(c // 2, c, 3, 2, 1))
            if prelu
            else (_leaky_conv(in_planes, c // 2, 2), _leaky_conv(c // 2, c, 2))
        )
        if trunk == "pairs":
            self.convblock0 = nn.Sequential(conv(c, c), conv(c, c))
            self.convblock1 = nn.Sequential(conv(c, c), conv(c, c))
            self.convblock2 = nn.Sequential(conv(c, c), conv(c, c))
            self.convblock3 = nn.Sequential(conv(c, c), conv(c, c))
        else:
            layer = {
                "residual": lambda: nn.Sequential(RowPairConv2d(c, c), PReLU(c)),
                "plain": lambda: _leaky_conv(c, c),
                "beta": lambda: ResConv(c, groups),
            }[trunk]
            self.convblock = nn.Sequential(*(layer() for _ in range(TRUNK_DEPTH)))
        if output == "separate":
            self.conv1 = _separate_head(c, FLOW_PLANES)
            self.conv2 = _separate_head(c, MASK_PLANES)
        elif output == "shuffle":
            self.lastconv = nn.Sequential(
                nn.ConvTranspose2d(c, 4 * planes, 4, 2, 1), nn.PixelShuffle(2)
            )
        else:
            self.lastconv = nn.ConvTranspose2d(c, planes, 4, 2, 1)
        self.output = output

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights, and so of what it computes in."""
        return next(self.parameters()).dtype

    def forward(self, x: Tensor, flow: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
        """See the class."""
        planes = self.planes([x], flow, scale)
        return planes[:, :FLOW_PLANES], planes[:, FLOW_PLANES:CARRIED_FROM]

    def planes(self, parts: Sequence[Tensor], flow: Tensor | None, scale: float) -> Tensor:
        """All output planes at full resolution: flow update, mask, then carried features.

        Args:
            parts: what `forward` takes as `x`, still apart: each is shrunk before they are
                laid side by side. B C H W, or B C 1 1 where a part is the same everywhere.
            flow: see the class.
            scale: see the class.
        """
        height, width = parts[0].shape[-2:]
        small = [part if part.shape[-1] == 1 else resize(part, 1 / scale) for part in parts]
        flow = None if flow is None else resize(flow, 1 / scale)
        planes = self.run(self.opened(small, flow, scale), scale)
        # A scale that does not divide the size rounds up; the surplus is at the far edges.
        return crop(resize(planes, self.growth * scale), height, width)

    def opened(self, parts: Sequence[Tensor], flow: Tensor | None, scale: float) -> Tensor:
        """What the first convolution makes of the block's input: all that is read of it.

        Args:
            parts: see `planes`, but shrunk already.
            flow: the same, in pixels of the full image.
            scale: see `planes`.

        Shape:
            parts, flow: B C h w -> B c/2 h/2 w/2
        """
        if flow is not None and scale != 1:
            flow = flow / scale
        return convolve_planes(parts, cast(nn.Sequential, self.conv0[0]), flow)

    def run(self, x: Tensor, scale: float, wanted: int | None = None) -> Tensor:
        """What the block makes of its `opened` input.

        Args:
            x: see `opened`.
            scale: see `planes`.
            wanted: how many of the planes are needed, where it is not all.

        Shape:
            x: B c/2 h/2 w/2 -> B P h/growth w/growth, the flow in it in pixels of the full image
        """
        x = self._head(self._trunk(self.conv0[1](x)), wanted)
        # What follows reads plane by plane.
        x = at_least_float32(x, torch.contiguous_format)
        pixels = self.growth * scale
        if pixels == 1:
            return x
        return torch.cat((x[:, :FLOW_PLANES] * pixels, x[:, FLOW_PLANES:]), 1)

    def _trunk(self, x: Tensor) -> Tensor:
        if self.trunk == "pairs":
            for pair in (self.convblock0, self.convblock1, self.convblock2, self.convblock3):
                x = pair(x) + x
            return x
        if self.trunk != "residual":
            return self.convblock(x)
        if not RowPairConv2d.pays(x):
            return self.convblock(x) + x
        rows = Rows.of(x)
        for layer in self.convblock:
            conv, activation = cast(nn.Sequential, layer)
            rows = Rows(*map(activation, cast(RowPairConv2d, conv).of_rows(rows)))
        return rows.plus(x)

    def _head(self, x: Tensor, wanted: int | None) -> Tensor:
        if self.output == "separate":
            return torch.cat((self.conv1(x), self.conv2(x)), 1)
        if self.output == "shuffle":
            deconv = cast(nn.Sequential, self.lastconv)[0]
            return double(x, cast(nn.ConvTranspose2d, deconv), 2, wanted)
        return double(x, cast(nn.ConvTranspose2d, self.lastconv), 1, wanted)


class Head(nn.Module):
    """The feature encoder under the names `cnn0` ... `cnn3`.

    Shape:
        x: B 3 H W in [0, 1], H and W even -> B planes H W
    """

    def __init__(self, hidden: int, planes: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, hidden, 3, 2, 1)
        self.cnn1 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.cnn2 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(hidden, planes, 4, 2, 1)
        self.relu = nn.LeakyReLU(LEAKY_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            x = self.relu(layer(x))
        return self.cnn3(x)


def _build_head(head: HeadSpec) -> nn.Module:
    if head.layout == "named":
        return Head(head.hidden, head.planes)
    first = nn.Conv2d(3, head.hidden, 3, 2, 1)
    last = nn.ConvTranspose2d(head.hidden, head.planes, 4, 2, 1)
    if head.layout == "short":
        return nn.Sequential(first, last)
    layers: list[nn.Module] = [first, nn.LeakyReLU(LEAKY_SLOPE, inplace=True)]
    for _ in range(2):
        layers += [
            nn.Conv2d(head.hidden, head.hidden, 3, 1, 1),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        ]
    return nn.Sequential(*layers, last)


@dataclass(frozen=True)
class Frame:
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
        return self.planes[:, :IMAGE_PLANES]

    @property
    def features(self) -> Tensor:
        """B F H W, what the head says of the image."""
        return self.planes[:, IMAGE_PLANES:]

    @staticmethod
    def join(frames: Sequence[Frame]) -> Frame:
        """Several frames as one batch."""
        if len(frames) == 1:
            return frames[0]
        levels = zip(*(frame.context for frame in frames), strict=True)
        return Frame(
            torch.cat([frame.planes for frame in frames]),
            tuple(torch.cat(level) for level in levels),
        )

    def split(self) -> list[Frame]:
        """The samples of a batch, one frame each."""
        levels = [level.split(1) for level in self.context]
        return [
            Frame(planes, tuple(level[i] for level in levels))
            for i, planes in enumerate(self.planes.split(1))
        ]


@dataclass(frozen=True)
class Estimate:
    """What is known after a block: running flow, mask logits and the two warped sides.

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
        if img0.is_cuda and not torch.is_grad_enabled():
            from .kernels import blend  # Triton is loaded only where it can run

            return Estimate(flow, mask, *blend(img0, img1, flow, mask))
        return Estimate(flow, mask, warp(img0, flow[:, :2]), warp(img1, flow[:, 2:]))

    @staticmethod
    def zero(img0: Tensor, img1: Tensor) -> Estimate:
        """Before anything is known: nothing moves, both sides count the same."""
        batch, _, height, width = img0.shape
        flow = img0.new_zeros(batch, FLOW_PLANES, height, width)
        return Estimate(flow, flow[:, :MASK_PLANES], img0, img1)

    def updated(self, planes: Tensor, mask_adds: bool, img0: Tensor, img1: Tensor) -> Estimate:
        """The estimate after a block gave `planes`."""
        flow = self.flow + planes[:, :FLOW_PLANES]
        mask = planes[:, FLOW_PLANES:CARRIED_FROM]
        mask = self.mask + mask if mask_adds else mask
        return Estimate.of(flow, mask, img0, img1)

    def detach(self) -> Estimate:
        """The same numbers, with no gradient to what made them."""
        parts = (self.flow, self.mask, self.warped_img0, self.warped_img1)
        return Estimate(*(part.detach() for part in parts))

    def blend(self) -> Tensor:
        """The two warped sides mixed by the mask: B 3 H W."""
        if self.mixed is not None:
            return self.mixed
        return torch.lerp(self.warped_img1, self.warped_img0, torch.sigmoid(self.mask))

    def carry(self, plane0: Tensor, plane1: Tensor) -> Tensor:
        """Warps and mixes other planes of the two frames as their images were: B C H W."""
        warped0, warped1 = warp(plane0, self.flow[:, :2]), warp(plane1, self.flow[:, 2:])
        return torch.lerp(warped1, warped0, torch.sigmoid(self.mask))

    def disagreement(self) -> Tensor:
        """How far the two warped sides are apart, mean over colours: B 1 H W in [0, 1]."""
        return (self.warped_img0 - self.warped_img1).abs().mean(1, True)


class Made(NamedTuple):
    """A made frame, and the estimate that it was painted by.

    Attributes:
        image: B 3 H W of the padded size, in [0, 1], float32.
        estimate: its last flow, mask and warped sides.
    """

    image: Tensor
    estimate: Estimate

    @staticmethod
    def join(parts: Sequence[Made]) -> Made:
        """Several made frames as one batch."""
        estimates = [vars(part.estimate) for part in parts]
        known = [name for name, value in estimates[0].items() if value is not None]
        joined = {name: torch.cat([each[name] for each in estimates]) for name in known}
        return Made(torch.cat([part.image for part in parts]), Estimate(**joined))


class Outcome(NamedTuple):
    """What a run gives that learns.

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


class Runner(Protocol):
    """Runs the two steps of inference in another way than PyTorch's eager one; see `backends`."""

    def frame(self, image: Tensor) -> Frame | None:
        """What `RIFE.prepare` gives for B 3 H W, clamped and padded; None: not this one."""
        ...

    def made(self, frame0: Frame, frame1: Frame, times: Tensor, scale: float) -> Made | None:
        """What `RIFE.synthesize` gives, `times` being B 1 1 1; None: not this one."""
        ...


_MIRROR = str.maketrans("01", "10")


def _mirror_flow(flow: Tensor) -> Tensor:
    return torch.cat((flow[:, 2:4], flow[:, :2]), 1)


def _mirror_inputs(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same pair seen from its other end."""
    mirrored = {name.translate(_MIRROR): value for name, value in named.items()}
    if "timestep" in mirrored:
        mirrored["timestep"] = 1 - mirrored["timestep"]
    if "mask" in mirrored:
        mirrored["mask"] = -mirrored["mask"]
    return mirrored


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
        self.runner: Runner | None = None

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
            self.encode = _build_head(spec.head)
        if spec.refine:
            self.contextnet = Contextnet()
            self.unet = Unet()

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own; what was compiled for these must not run for it.
        return {**self.__dict__, "runner": None}

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
            times = _timesteps(timestep, img0).flatten().tolist()
            samples = zip(img0.split(1), img1.split(1), times, strict=True)
            return torch.cat([self._halve(*sample, scale, ensemble) for sample in samples])
        frame0, frame1 = self.prepare(img0, scale), self.prepare(img1, scale)
        made = self.synthesize(frame0, frame1, timestep, scale, ensemble).image
        return crop(made, *img0.shape[-2:])

    def prepare(self, img: Tensor, scale: float = 1.0) -> Frame:
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
        frame = self.runner.frame(image) if self.runner else None
        return frame or self._frame(image)

    def synthesize(
        self,
        frame0: Frame,
        frame1: Frame,
        timestep: float | Fraction | Tensor = 0.5,
        scale: float = 1.0,
        ensemble: bool = False,
    ) -> Made:
        """Makes the frame between two prepared ones, in one run of the network.

        Arguments are those of `inference`, but a network that knows the midpoint
        only takes no other timestep than 0.5 here.
        """
        self.check_ensemble(ensemble)
        times = _timesteps(timestep, frame0.image)
        if not self.spec.arbitrary_timestep and bool((times != 0.5).any()):
            raise ValueError(
                f"The network {self.spec.version!r} knows the midpoint only; `inference` "
                "reaches other timesteps by halving."
            )
        if self.spec.rerun_above and len(times) > 1:  # a sample must not rerun its neighbours
            samples = zip(frame0.split(), frame1.split(), times, strict=True)
            return Made.join([self.synthesize(*one, scale, ensemble) for one in samples])
        if self.runner and not ensemble:
            made = self.runner.made(frame0, frame1, times, scale)
            if made is not None:
                return made
        made = self._made(frame0, frame1, times, scale, ensemble)
        if ensemble and self.spec.ensemble == "flip":
            turned0, turned1 = (self._frame(f.image.flip(2, 3)) for f in (frame0, frame1))
            turned = self._made(turned0, turned1, times, scale, ensemble)
            made = Made((made.image + turned.image.flip(2, 3)) / 2, made.estimate)
        return made

    def estimate(
        self, frame0: Frame, frame1: Frame, timestep: float | Tensor = 0.5, scale: float = 1.0
    ) -> Estimate:
        """Flow, mask and warped sides between two prepared frames, without painting the frame.

        Arguments are those of `inference`.
        """
        times = _timesteps(timestep, frame0.image)
        return self._last_estimate(frame0, frame1, times, scale, ensemble=False)

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
                H and W multiples of the row's alignment.
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
            return self.estimates(img0, img1, timestep, scales)[-1].flow
        outcome = self.outcome(img0, img1, gt if gt.shape[1] else None, timestep, scales)
        flows = [estimate.flow for estimate in outcome.estimates]
        mask = torch.sigmoid(outcome.estimates[-1].mask)
        return flows, mask, *outcome[1:]

    def outcome(
        self,
        img0: Tensor,
        img1: Tensor,
        gt: Tensor | None = None,
        timestep: float | Tensor = 0.5,
        scales: Sequence[float] | None = None,
        detach: bool = False,
    ) -> Outcome:
        """All that one run gives, for training; arguments as those of `estimates`.

        Args:
            gt: the frame at the timestep, B 3 H W, for the teacher.
        """
        frame0, frame1 = self._frame(img0), self._frame(img1)
        named = self._named_inputs(frame0, frame1, _timesteps(timestep, img0))
        estimates = list(self._trained(named, scales, detach))
        merged = [estimate.blend() for estimate in estimates]
        last = estimates[-1]
        flow_teacher = merged_teacher = None
        loss_distill: Tensor | float = 0.0
        if gt is not None and self.block_tea is not None:
            names = (*self.spec.inputs, "gt")
            planes = self.block_tea.planes(_listed({**named, "gt": gt}, names), last.flow, 1)
            teacher = last.updated(planes, True, img0, img1)
            flow_teacher, merged_teacher = teacher.flow, teacher.blend()
            for estimate, made in zip(estimates, merged, strict=True):
                loss_distill = loss_distill + distillation_loss(
                    estimate.flow, flow_teacher, made, merged_teacher, gt
                )
        merged[-1] = self._refined(frame0, frame1, last, merged[-1])
        return Outcome(estimates, merged, flow_teacher, merged_teacher, loss_distill)

    def estimates(
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
        named = self._named_inputs(frame0, frame1, _timesteps(timestep, img0))
        return list(self._trained(named, scales, detach))

    def _trained(
        self, named: dict[str, Tensor], scales: Sequence[float] | None, detach: bool
    ) -> Iterator[Estimate]:
        scales = self.spec.scales if scales is None else scales
        return self._estimates(named, scales, self.spec.ensemble == "always", detach)

    def _check_forward(self, x: Tensor, scales: Sequence[float]) -> None:
        align = self.spec.align
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

    def _frame(self, image: Tensor) -> Frame:
        if self.spec.refine:
            return Frame(image, tuple(self.contextnet.features(image)))
        if self.spec.head:
            dtype = next(self.encode.parameters()).dtype
            return Frame(torch.cat((image, self.encode(image.to(dtype)).to(image.dtype)), 1))
        return Frame(image)

    def _named_inputs(self, frame0: Frame, frame1: Frame, times: Tensor) -> dict[str, Tensor]:
        named = {"img0": frame0.image, "img1": frame1.image}
        if self.spec.arbitrary_timestep:
            named["timestep"] = times
        if self.spec.head:
            named |= {"feat0": frame0.features, "feat1": frame1.features}
        return named

    def _made(
        self, frame0: Frame, frame1: Frame, times: Tensor, scale: float, ensemble: bool
    ) -> Made:
        last = self._last_estimate(frame0, frame1, times, scale, ensemble)
        return Made(self._refined(frame0, frame1, last, last.blend()), last)

    def _last_estimate(
        self, frame0: Frame, frame1: Frame, times: Tensor, scale: float, ensemble: bool
    ) -> Estimate:
        mode = self.spec.ensemble
        swap = mode == "always" or (ensemble and mode == "swap")
        scales, size = [s / scale for s in self.spec.scales], frame0.planes.shape[-2:]
        if not self.spec.rerun_above and Pyramid.can_run(scales, *size):
            return self._sparse_estimate(frame0, frame1, times, scales, swap)
        last = None
        for last in self._estimates(self._named_inputs(frame0, frame1, times), scales, swap):
            pass  # only the last one counts; none before it is kept
        assert last is not None
        return last

    def _sparse_estimate(
        self, frame0: Frame, frame1: Frame, times: Tensor, scales: Sequence[float], swap: bool
    ) -> Estimate:
        """The last of `_estimates`, computing of the ones before only what the blocks read."""
        spec = self.spec
        pyramid = Pyramid((frame0.planes, frame1.planes), spec.mask_adds)
        for index, (block, scale) in enumerate(zip(self.blocks, scales, strict=True)):
            wanted = CARRIED_FROM + (spec.carried if index + 1 < len(scales) else 0)
            # What a block reads is let go of before it runs.
            inputs = self._inputs(pyramid, index, times, scale, swap)
            pyramid.add(
                _average([block.run(inputs.pop(0), scale, wanted) for _ in range(len(inputs))]),
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
        named = {"timestep": times, **_view(pyramid, names, scale, spec.carried, block.dtype)}
        flow = None if first else pyramid.flow(scale)
        return [block.opened(*order, scale) for order in _orders(names, named, flow, swap)]

    def _refined(self, frame0: Frame, frame1: Frame, last: Estimate, merged: Tensor) -> Tensor:
        if not self.spec.refine:
            return merged
        c0 = Contextnet.warp_features(frame0.context, last.flow[:, :2])
        c1 = Contextnet.warp_features(frame1.context, last.flow[:, 2:4])
        sides = (frame0.image, frame1.image, last.warped_img0, last.warped_img1)
        residual = self.unet(*sides, last.mask, last.flow, c0, c1)
        return (merged + 2 * residual - 1).clamp(0, 1)

    def _estimates(
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
            orders = _orders(names, named, before.flow if before else None, swap)
            planes = _average([blocks[index].planes(*order, scales[index]) for order in orders])
            img0, img1 = named["img0"], named["img1"]
            start = before or Estimate.zero(img0, img1)
            after = start.updated(planes, spec.mask_adds, img0, img1)
            seen = after.detach() if detach else after
            named.update(mask=seen.mask, warped_img0=seen.warped_img0, warped_img1=seen.warped_img1)
            if index + 1 < len(blocks):
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
        for index in range(len(blocks)):
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


def nearest_halving(
    timestep: float | Fraction,
) -> tuple[Fraction, list[tuple[Fraction, Fraction, Fraction]]]:
    """How a network that knows the midpoint only reaches `timestep`.

    Returns:
        The multiple of 1/64 that is nearest, and the midpoints on the way to it:
        (low, middle, high), where low and high are known before middle is made.

    Example:
        >>> target, halvings = nearest_halving(0.75)
        >>> [str(middle) for _, middle, _ in halvings]
        ['1/2', '3/4']
    """
    steps = 2**HALVINGS
    target = Fraction(round(timestep * steps), steps)
    low, high = Fraction(0), Fraction(1)
    halvings: list[tuple[Fraction, Fraction, Fraction]] = []
    while target not in (low, high):
        middle = (low + high) / 2
        halvings.append((low, middle, high))
        low, high = (low, middle) if target <= middle else (middle, high)
    return target, halvings


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


def _timesteps(timestep: float | Fraction | Tensor, like: Tensor) -> Tensor:
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


def _listed(named: Mapping[str, Tensor], names: Sequence[str]) -> list[Tensor]:
    """The named inputs in order; a name of no width in this row is absent."""
    return [named[name] for name in names if name in named]


def _view(
    pyramid: Pyramid, names: Sequence[str], scale: float, carried: int, dtype: torch.dtype
) -> dict[str, Tensor]:
    """What a block at `scale` reads of the pair, by name.

    What is made for it alone waits in `dtype`, the block's own, to be joined: it takes
    less memory so.
    """
    view: dict[str, Tensor] = {}
    for index, side in enumerate(pyramid.shrunk(scale) if "img0" in names else ()):
        view |= _split(side, f"img{index}", f"feat{index}")
    for index, side in enumerate(pyramid.warped(scale) if "warped_img0" in names else ()):
        view |= _split(side.to(dtype), f"warped_img{index}", f"warped_feat{index}")
    if "mask" in names:
        view["mask"] = pyramid.mask(scale)
    if carried and "carried" in names:
        view["carried"] = pyramid.carried(scale, carried).to(dtype)
    return view


def _split(side: Tensor, image: str, features: str) -> dict[str, Tensor]:
    """The parts of a frame's planes under these names; features of no width are absent."""
    parts = {image: side[:, :IMAGE_PLANES], features: side[:, IMAGE_PLANES:]}
    return {name: part for name, part in parts.items() if part.shape[1]}


def _orders(
    names: Sequence[str], named: Mapping[str, Tensor], flow: Tensor | None, swap: bool
) -> Iterator[tuple[list[Tensor], Tensor | None]]:
    """What a block reads; with `swap` also as seen from the pair's other end."""
    yield _listed(named, names), flow
    if swap:
        flow = _mirror_flow(flow) if flow is not None else None
        yield _listed(_mirror_inputs(named), names), flow


def _average(planes: list[Tensor]) -> Tensor:
    """A block's planes; where it ran in both orders, their mean."""
    if len(planes) == 1:
        return planes[0]
    there, back = planes
    back = torch.cat((_mirror_flow(back), -back[:, FLOW_PLANES:]), 1)
    return (there + back) / 2
