"""Synthetic training scenes: painted layers, and what a camera makes of them.

Everything is drawn on the device that trains, from (seed, index) alone: batch n of
a seed is the same whether or not the batches before it were made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.warp import warp
from .scene import INVERSION_STEPS, STEEPNESS, Scene, SceneSettings
from .textures import Draw, make_texture

SHUTTER_SAMPLES = 3


@dataclass(frozen=True)
class SceneBatch:
    """Training samples.

    Attributes:
        img0, img1, gt: B 3 H W in [0, 1]; gt is the frame at `timestep`.
        timestep: B, in (0, 1).
        flow: B 4 H W, (flow_t0, flow_t1) of the visible layer, pixels; None where
            nobody knows it (real clips).
        occluded: None likewise, else B 2 H W in [0, 1]; 1 where the point seen in gt is
            hidden in img0 (first channel) or img1 (second), or lies outside of it.
        weight: None, or B 1 H W: how much the flow counts at each pixel; objects are small,
            so theirs counts for more.
        teacher_error: B 1 H W where the flow is that of a teacher network: the error that its
            own frame leaves (see `taught.frame_error`).
        teacher_mask: B 1 H W in [0, 1], 1 takes img0; that teacher's.
    """

    img0: Tensor
    img1: Tensor
    gt: Tensor
    timestep: Tensor
    flow: Tensor | None = None
    occluded: Tensor | None = None
    weight: Tensor | None = None
    teacher_error: Tensor | None = None
    teacher_mask: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Those that are there, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def mirrored(self, axis: int) -> SceneBatch:
        """The same scenes seen in a mirror: `axis` is -1 for left and right, -2 for up and down."""
        turned = {
            name: value.flip(axis) for name, value in self.tensors().items() if name != "timestep"
        }
        if self.flow is not None:
            turned["flow"] = mirrored_flow(self.flow, axis)
        return replace(self, **turned)


def mirrored_flow(flow: Tensor, axis: int) -> Tensor:
    """Flow, B 4 H W, as it is where frames are mirrored; for `axis` see `SceneBatch.mirrored`."""
    signs = (-1.0, 1.0) if axis == -1 else (1.0, -1.0)
    return flow.flip(axis) * flow.new_tensor(signs * 2).reshape(4, 1, 1)


class SceneGenerator:
    """Makes batches of scenes on a device.

    Args:
        settings: the kind of scenes.
        seed: decides everything.
        device: where they are made.
        pictures: 3 H W of bytes each, to cover layers with; see `SceneSettings.pictures`.

    Example:
        >>> scenes = SceneGenerator(SceneSettings(size=32, textures=4, texture_size=64), seed=3)
        >>> batch = scenes.batch(0, 2)
        >>> batch.gt.shape, batch.flow.shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 4, 32, 32]))
    """

    def __init__(
        self,
        settings: SceneSettings,
        seed: int,
        device: torch.device | str = "cpu",
        pictures: Sequence[Tensor] = (),
    ) -> None:
        self.settings = settings
        self.pictures = pictures
        self.seed = seed
        self.device = torch.device(device)
        self._slots: list[int] = [-1] * settings.textures
        size = settings.texture_size
        self._bank = torch.zeros(settings.textures, 3, size, size, device=self.device)

    @torch.no_grad()
    def batch(self, index: int, count: int) -> SceneBatch:
        """Batch number `index` of this seed, with `count` samples."""
        self._renew(index)
        draw = Draw(self._generator(1, index))
        scene = Scene(draw, self.settings, count, self._bank)
        exposure = (0.0,)
        if draw.number() < self.settings.blur:
            shutter = draw.number() * 0.4
            exposure = tuple(shutter * (k / (SHUTTER_SAMPLES - 1) - 0.5) for k in range(3))
        sides, weights = [], []
        for time in (torch.zeros_like(scene.timestep), scene.timestep, 1 + 0 * scene.timestep):
            shots = [scene.paint(time + offset) for offset in exposure]
            sides.append(torch.stack([shot[0] for shot in shots]).mean(0))
            weights.append(shots[len(shots) // 2][1])
        flow, occluded = scene.truth(weights)
        weight = 1 + self.settings.object_weight * (1 - weights[1][:, :1])
        if self.settings.relief:
            sides, flow = self._embossed(draw, sides, flow, scene.timestep)
        if self.settings.wobble:
            reach = _reach(flow)
            sides = [self._wobbled(draw, sides[0], reach), sides[1], sides[2]]
            sides[2] = self._wobbled(draw, sides[2], reach)
        img0, gt, img1 = self._camera(draw, sides)
        return SceneBatch(img0, img1, gt, scene.timestep, flow, occluded, weight)

    def _generator(self, stream: int, index: int) -> torch.Generator:
        generator = torch.Generator(self.device)
        # Distinct odd multipliers keep streams and indices of one seed apart.
        mixed = self.seed * 0x9E3779B1 + stream * 0x85EBCA6B + index * 0xC2B2AE35
        return generator.manual_seed(mixed % (1 << 62))

    def _renew(self, index: int) -> None:
        """Brings every texture slot to the generation that batch `index` uses."""
        count, every = self.settings.textures, self.settings.renewed
        turns = index // every
        wanted = [slot + count * ((turns + count - 1 - slot) // count) for slot in range(count)]
        stale = [slot for slot in range(count) if self._slots[slot] != wanted[slot]]
        for slot in stale:
            self._bank[slot] = self._texture(self._generator(2, wanted[slot]))
            self._slots[slot] = wanted[slot]

    def _texture(self, generator: torch.Generator) -> Tensor:
        """A part of a picture where there are some, in their share; else a painted one."""
        size, draw = self.settings.texture_size, Draw(generator)
        if not self.pictures or draw.number() >= self.settings.pictures:
            return make_texture(generator, size)
        picture = self.pictures[draw.integers(1, len(self.pictures))[0]].to(self.device)
        return F.interpolate(
            picture[None].float() / 255, (size, size), mode="bilinear", antialias=True
        )[0]

    def _wobbled(self, draw: Draw, frame: Tensor, reach: Tensor) -> Tensor:
        """The frame pulled about locally and smoothly, by chance."""
        field, _ = _smooth_field(draw, len(frame), frame.shape[-1])
        height = draw.uniform((len(frame),), 0, 1) * self.settings.wobble * reach
        return warp(frame, field * height.reshape(-1, 1, 1, 1))

    def _embossed(
        self, draw: Draw, sides: list[Tensor], flow: Tensor, timestep: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """The outer frames with locally varied motion, and the flow to them.

        Frame 0 is pulled by t * field, frame 1 by (t - 1) * field, so that a point moves
        on evenly in time.
        """
        field, cell = _smooth_field(draw, len(flow), flow.shape[-1])
        height = draw.uniform((len(flow),), 0, 1) * self.settings.relief * _reach(flow)
        height = height.clamp(max=STEEPNESS * cell)
        field = field * height.reshape(-1, 1, 1, 1)
        t = timestep.reshape(-1, 1, 1, 1)
        pulls = (t * field, (t - 1) * field)
        varied = []
        for pull, before in zip(pulls, flow.split(2, 1), strict=True):
            after = before
            for _ in range(INVERSION_STEPS + 1):  # the point that is pulled to where it was
                after = before - warp(pull, after)
            varied.append(after)
        img0, gt, img1 = sides
        return [warp(img0, pulls[0]), gt, warp(img1, pulls[1])], torch.cat(varied, 1)

    def _camera(self, draw: Draw, frames: list[Tensor]) -> list[Tensor]:
        """Exposure, lens noise and compression, as one camera would do to three frames."""
        settings, count = self.settings, len(frames[0])
        gain = draw.uniform((2, count, 1, 1, 1), -1, 1) * settings.exposure
        sigma = draw.uniform((count, 1, 1, 1), 0, 1) ** 2 * settings.noise
        coarse = (draw.uniform((count, 1, 1, 1), 0, 1) < settings.blocks).float()
        step = draw.uniform((count, 1, 1, 1), 0.02, 0.12)
        timed = (frames[0] * (1 + gain[0]), frames[1], frames[2] * (1 + gain[1]))
        seen = []
        for frame in timed:
            frame = frame + sigma * draw.normal(frame.shape)
            if settings.blocks:
                frame = torch.lerp(frame, _quantised(frame, step), coarse)
            seen.append(frame.clamp(0, 1))
        return seen


def _reach(flow: Tensor) -> Tensor:
    """The mean length of a flow, B 4 H W, plus half a pixel: B."""
    return flow.unflatten(1, (2, 2)).square().sum(2).sqrt().mean((1, 2, 3)) + 0.5


def _smooth_field(draw: Draw, count: int, size: int) -> tuple[Tensor, float]:
    """Random vectors that vary smoothly, B 2 H W, and over how many pixels they do."""
    cell = 8 + int(draw.number() * 40)
    cells = 3 + size // cell
    vectors = draw.normal((count, 2, cells, cells))
    field = F.interpolate(vectors, (size, size), mode="bicubic", align_corners=True)
    return field, cell


def _quantised(frame: Tensor, step: Tensor) -> Tensor:
    """The frame after its 8 x 8 cosine coefficients were rounded, as compression does."""
    height, width = frame.shape[-2:]
    if height % 8 or width % 8:
        return frame
    k = torch.arange(8, device=frame.device)
    basis = torch.cos(math.pi / 8 * (k + 0.5) * k[:, None]) * 0.5
    basis[0] /= math.sqrt(2)
    step = step[..., None, None] * (1 + (k + k[:, None]) / 4)
    tiles = frame.unflatten(-1, (width // 8, 8)).unflatten(-3, (height // 8, 8))
    tiles = tiles.transpose(-2, -3)
    coefficients = basis @ tiles @ basis.T
    coefficients = (coefficients / step).round() * step
    tiles = (basis.T @ coefficients @ basis).transpose(-2, -3)
    return tiles.flatten(-2).flatten(-3, -2)
