"""Synthetic training scenes: layered moving pictures whose flow is known exactly.

A scene is a stack of layers, each a texture cut out by a soft shape and moved by
an affine motion with a smooth non-rigid part. Every layer lives in the coordinates
of the middle frame; `position` at time tau of the point x is

    F_tau(x) = pivot + M_tau (x - pivot) + shift_tau + amount_tau * waves(x)

so that the flow from the middle frame to either side is F_tau(x) - x in closed
form, and frame tau is painted by inverting F_tau (a contraction, a few steps).
Everything is drawn on the device that trains, from (seed, index) alone: batch n of
a seed is the same whether or not the batches before it were made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.warp import warp
from .textures import Draw, make_texture

WAVES = 2
"""Sine waves in the non-rigid motion of a layer."""
STEEPNESS = 0.16
"""Largest slope of the non-rigid motion: the inversion error shrinks by this each step."""
INVERSION_STEPS = 3
SHUTTER_SAMPLES = 3

Points = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class SceneSettings:
    """What kind of scenes are made.

    Attributes:
        size: height and width in pixels.
        speed: range of the camera's shift between the two frames, in pixels; drawn
            log-uniformly.
        object_speed: the same for each layer's own shift.
        layers: at most this many foreground layers.
        still_camera: share of scenes whose camera hardly moves.
        turn: largest rotation between the frames, radians.
        zoom: largest change of size between the frames, as a share.
        waves: largest non-rigid motion, as a share of the shift.
        acceleration: largest bend of the path, as a share of the shift.
        midpoint: share of samples at timestep 0.5; the rest is uniform in (0, 1).
        noise: largest standard deviation of the lens noise.
        exposure: largest brightness change between the frames, as a share.
        blur: share of batches with motion blur.
        blocks: share of samples with block artefacts of compression.
        wobble: largest local displacement of either frame that nothing in the other tells,
            as a share of the mean motion (plus half a pixel). The flow that is given
            leaves it out: it is what cannot be known.
        relief: largest local variation of the motion, as a share of its mean (plus half a
            pixel), as uneven depth gives it under a moving camera. The flow knows it.
        extent: range of an object's size, as a share of the scene's; drawn log-uniformly.
        pictures: share of the textures that are real pictures, where some are given.
        object_weight: how much more the flow counts where an object is seen.
        textures: how many textures are kept at a time.
        texture_size: their height and width.
        renewed: batches after which one texture is replaced by a new one.
    """

    size: int = 128
    speed: tuple[float, float] = (1.0, 12.0)
    object_speed: tuple[float, float] = (1.0, 12.0)
    layers: int = 3
    still_camera: float = 0.2
    turn: float = 0.1
    zoom: float = 0.08
    waves: float = 0.3
    acceleration: float = 0.1
    midpoint: float = 0.5
    noise: float = 0.01
    exposure: float = 0.03
    blur: float = 0.15
    blocks: float = 0.2
    wobble: float = 0.0
    relief: float = 0.0
    extent: tuple[float, float] = (0.15, 0.75)
    pictures: float = 0.0
    object_weight: float = 0.0
    textures: int = 48
    texture_size: int = 320
    renewed: int = 8


@dataclass(frozen=True)
class SceneBatch:
    """Training samples.

    Attributes:
        img0, img1, gt: B 3 H W in [0, 1]; gt is the frame at `timestep`.
        timestep: B, in (0, 1).
        flow: B 4 H W, (flow_t0, flow_t1) of the visible layer, pixels; None where
            nobody knows it (real clips).
        occluded: None likewise, else B 2 H W in [0, 1]; 1 where the point seen in gt is
            hidden in img0 (first plane) or img1 (second), or lies outside of it.
        weight: None, or B 1 H W: how much the flow counts at each pixel; objects are small,
            so theirs counts for more.
        teacher_error: B 1 H W where the flow is that of a teacher network: the error that its
            own frame leaves (see `taught.frame_error`).
    """

    img0: Tensor
    img1: Tensor
    gt: Tensor
    timestep: Tensor
    flow: Tensor | None = None
    occluded: Tensor | None = None
    weight: Tensor | None = None
    teacher_error: Tensor | None = None


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
        scene = _Scene(draw, self.settings, count, self._bank)
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


class _Scene:
    """The layers of a batch of scenes: background first, nearest last.

    Per-layer numbers are B L (x 2 or 2 2); points are two planes x, y, each B L H W, in
    pixels from the centre of the middle frame.
    """

    def __init__(self, draw: Draw, settings: SceneSettings, count: int, bank: Tensor) -> None:
        device, layers, size = bank.device, settings.layers + 1, settings.size
        self.size = size
        self.shape = (count, layers)
        grid = torch.arange(size, device=device) - (size - 1) / 2
        self.grid = (grid, grid[:, None])
        middle = draw.uniform((count,), 0, 1) < settings.midpoint
        anywhere = draw.uniform((count,), 0.06, 0.94)
        self.timestep = torch.where(middle, torch.full_like(anywhere, 0.5), anywhere)

        # Motion between the frames: the camera's, by each layer's nearness, and its own.
        still = (draw.uniform((count, 1, 1), 0, 1) < settings.still_camera).float()
        camera = draw.direction((count, 1)) * draw.log_uniform((count, 1, 1), *settings.speed)
        camera = camera * (1 - 0.97 * still)
        nearness = draw.uniform((*self.shape, 1), 0.5, 1.6).sort(1).values
        own = draw.direction(self.shape) * draw.log_uniform(
            (*self.shape, 1), *settings.object_speed
        )
        own[:, 0] = 0
        self.shift = camera * nearness + own
        reach = self.shift.norm(dim=-1)
        # Turning and zooming move the rim of a picture: bounded by what it shifts.
        rim = (3 * reach + 1) / size
        self.turn = draw.uniform(self.shape, -1, 1) * rim.clamp(max=settings.turn)
        self.zoom = draw.uniform(self.shape, -1, 1) * rim.clamp(max=settings.zoom)
        self.shear = draw.uniform(self.shape, -1, 1) * rim.clamp(max=settings.zoom) / 2
        self.bend = settings.acceleration * draw.normal((*self.shape, 2)) * reach[..., None]
        wavelength = draw.log_uniform((*self.shape, WAVES), 0.3 * size, 1.6 * size)
        frequency = 2 * math.pi / wavelength
        self.frequency = draw.direction((*self.shape, WAVES)) * frequency[..., None]
        height = draw.uniform((*self.shape, WAVES), 0, 1) * settings.waves * (reach[..., None] + 1)
        height = torch.minimum(height, STEEPNESS / WAVES / frequency)
        self.waves = draw.direction((*self.shape, WAVES)) * height[..., None]
        self.phase = draw.uniform((*self.shape, WAVES), 0, 2 * math.pi)

        # Where a layer's shape stands, and which part of which texture covers it.
        self.centre = draw.uniform((*self.shape, 2), -0.5, 0.5) * size
        self.pivot = (
            self.centre * torch.tensor([0.3] + [1.0] * (layers - 1), device=device)[:, None]
        )
        self.extent = size * draw.log_uniform(self.shape, *settings.extent)
        self.present = (draw.uniform(self.shape, 0, 1) < 0.75).float()
        self.opacity = torch.where(
            draw.uniform(self.shape, 0, 1) < 0.1, draw.uniform(self.shape, 0.3, 1), self.present**0
        )
        self.softness = draw.log_uniform(self.shape, 0.6, 3.0)
        soft = draw.uniform(self.shape, 0, 1) < 0.15
        self.softness = torch.where(soft, 4 * self.softness, self.softness)
        self.shapes = _Shapes(draw, self.shape)
        window = min(bank.shape[-1], int(1.3 * size))
        self.window = window
        picks = draw.integers(count * layers, len(bank))
        rest = bank.shape[-1] - window + 1
        rows, columns = draw.integers(count * layers, rest), draw.integers(count * layers, rest)
        self.textures = torch.stack(
            [
                bank[i, :, y : y + window, x : x + window]
                for i, y, x in zip(picks, rows, columns, strict=True)
            ]
        )
        angle = draw.uniform(self.shape, 0, 2 * math.pi)
        texels = draw.log_uniform(self.shape, 0.35, 1.3)
        self.laid = _rotation(angle) * texels[..., None, None]
        tone = draw.uniform((*self.shape, 3, 1, 1), -0.12, 0.12)
        self.tone = (tone + draw.uniform((*self.shape, 1, 1, 1), -0.15, 0.15)).flatten(0, 1)
        self.contrast = draw.uniform((*self.shape, 1, 1, 1), 0.5, 1.5).flatten(0, 1)

    def paint(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """The picture at `time` (B) and each layer's visible share: B 3 H W, B L H W."""
        points = self._to_middle(time)
        count, layers = self.shape
        on_texture = torch.stack(_turned(self.laid * (2 / self.window), points), -1)
        colours = F.grid_sample(
            self.textures, on_texture.flatten(0, 1), padding_mode="reflection", align_corners=False
        )
        colours = 0.5 + (colours - 0.5) * self.contrast + self.tone
        colours = colours.unflatten(0, (count, layers))
        cover = self.shapes.distance(_away(points, self.centre), self.extent)
        cover = torch.sigmoid(cover / (self.softness[..., None, None] / 2.5))
        cover = cover * (self.present * self.opacity)[..., None, None]
        picture = colours[:, 0]
        shares = [torch.ones_like(cover[:, 0])]
        for layer in range(1, layers):
            alpha = cover[:, layer]
            picture = torch.lerp(picture, colours[:, layer], alpha[:, None])
            shares = [share * (1 - alpha) for share in shares] + [alpha]
        return picture, torch.stack(shares, 1)

    def truth(self, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Flow of the visible layer and where its point is hidden at either end."""
        visible = weights[1].argmax(1, keepdim=True)
        flows, hidden = [], []
        for time, shares in ((0.0, weights[0]), (1.0, weights[2])):
            moved = self._from_middle(torch.full_like(self.timestep, time))
            ends = torch.cat([plane.gather(1, visible) for plane in moved], 1)
            flow = ends - torch.stack(torch.broadcast_tensors(*self.grid))
            seen = warp(shares, flow).gather(1, visible)
            inside = (ends.abs() <= (self.size - 1) / 2).all(1, keepdim=True)
            flows.append(flow)
            hidden.append((1 - seen * inside).clamp(0, 1))
        return torch.cat(flows, 1), torch.cat(hidden, 1)

    def _matrix(self, amount: Tensor) -> Tensor:
        turn, zoom, shear = (amount * value for value in (self.turn, self.zoom, self.shear))
        skew = torch.stack((1 + zoom + shear, shear, shear, 1 + zoom - shear), -1)
        return _rotation(turn) @ skew.unflatten(-1, (2, 2))

    def _shift(self, time: Tensor) -> Tensor:
        bent = time * (time - 1) - self.timestep * (self.timestep - 1)
        return self._amount(time)[..., None] * self.shift + bent[:, None, None] * self.bend

    def _amount(self, time: Tensor) -> Tensor:
        return (time - self.timestep)[:, None]

    def _bulge(self, points: Points, amount: Tensor) -> Points:
        """The non-rigid part of the motion at `points`."""
        moved_x = moved_y = torch.zeros((), device=amount.device)
        for k in range(WAVES):
            angle = self.frequency[..., k, 0, None, None] * points[0]
            angle = torch.addcmul(angle, self.frequency[..., k, 1, None, None], points[1])
            wave = (angle + self.phase[..., k, None, None]).sin_()
            height = (self.waves[:, :, k] * amount[..., None])[..., None, None]
            moved_x = torch.addcmul(moved_x, height[:, :, 0], wave)
            moved_y = torch.addcmul(moved_y, height[:, :, 1], wave)
        return moved_x, moved_y

    def _from_middle(self, time: Tensor) -> Points:
        """Where the point at each pixel of the middle frame is at `time`."""
        amount = self._amount(time)
        away = _turned(self._matrix(amount), _away(self.grid, self.pivot))
        bulge = self._bulge(self.grid, amount)
        return _away((away[0] + bulge[0], away[1] + bulge[1]), -self.pivot - self._shift(time))

    def _to_middle(self, time: Tensor) -> Points:
        """Where the point at each pixel at `time` is in the middle frame."""
        amount = self._amount(time)
        inverse = torch.linalg.inv(self._matrix(amount))
        target = _away(self.grid, self.pivot + self._shift(time))
        points = _away(_turned(inverse, target), -self.pivot)
        if bool(amount.any()):
            for _ in range(INVERSION_STEPS):
                bulge = self._bulge(points, amount)
                rest = (target[0] - bulge[0], target[1] - bulge[1])
                points = _away(_turned(inverse, rest), -self.pivot)
        return points


class _Shapes:
    """Signed distances to blobs, boxes, bars and lattices, in pixels, positive inside."""

    def __init__(self, draw: Draw, shape: tuple[int, int]) -> None:
        self.turn = _rotation(draw.uniform(shape, 0, 2 * math.pi))
        # 0 is round, 1 square.
        self.square = draw.uniform((*shape, 1, 1), -0.6, 1).clamp(min=0)
        slender = draw.uniform(shape, 0, 1) < 0.25
        aspect = draw.log_uniform(shape, 0.5, 2.0)
        aspect = torch.where(slender, aspect * draw.log_uniform(shape, 8.0, 30.0), aspect)
        self.aspect = aspect[..., None, None]
        size = torch.tensor([0.15, 0.12, 0.1, 0.06], device=aspect.device)
        self.lobes = draw.normal((2, len(size), *shape, 1, 1)) * size.reshape(1, -1, 1, 1, 1, 1)
        self.bars = draw.uniform((*shape, 1, 1), 0, 1) < 0.12
        self.bar_width = draw.log_uniform((*shape, 1, 1), 8.0, 30.0)

    def distance(self, points: Points, extent: Tensor) -> Tensor:
        """Distance to the edge at `points` (roughly, and exact in sign): B L H W."""
        points = _turned(self.turn, points)
        x, y = points[0] / self.aspect.sqrt(), points[1] * self.aspect.sqrt()
        radius = torch.hypot(x, y)
        cos, sin = x / (radius + 1e-6), y / (radius + 1e-6)
        cos_k, sin_k = cos, sin
        rim = torch.ones_like(radius)
        for even, odd in zip(*self.lobes, strict=True):
            cos_k, sin_k = cos_k * cos - sin_k * sin, sin_k * cos + cos_k * sin
            rim = rim + even * cos_k + odd * sin_k
        radius = torch.lerp(radius, torch.maximum(x.abs(), y.abs()), self.square)
        inside = (extent[..., None, None] / 2 * rim - radius) / self.aspect.clamp(min=1)
        bars = (torch.remainder(points[0], self.bar_width) - self.bar_width / 2).abs()
        return torch.where(self.bars, torch.minimum(inside, bars - self.bar_width / 5), inside)


def _turned(matrix: Tensor, points: Points) -> Points:
    """Points after a linear map B L 2 2."""
    m, (x, y) = matrix[..., None, None], points
    return (
        torch.addcmul(m[:, :, 0, 0] * x, m[:, :, 0, 1], y),
        torch.addcmul(m[:, :, 1, 0] * x, m[:, :, 1, 1], y),
    )


def _away(points: Points, origin: Tensor) -> Points:
    """Points seen from `origin`, B L 2."""
    return points[0] - origin[..., 0, None, None], points[1] - origin[..., 1, None, None]


def _rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos, -sin, sin, cos), -1).unflatten(-1, (2, 2))


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
