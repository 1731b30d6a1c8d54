"""One batch of painted scenes: layered moving pictures whose flow is known exactly.

A scene is a stack of layers, each a texture cut out by a soft shape and moved by
an affine motion with a smooth non-rigid part. Every layer lives in the coordinates
of the middle frame; `position` at time tau of the point x is

    F_tau(x) = pivot + M_tau (x - pivot) + shift_tau + amount_tau * waves(x)

so that the flow from the middle frame to either side is F_tau(x) - x in closed
form, and frame tau is painted by inverting F_tau (a contraction, a few steps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..losses.checks import check_numbers, check_ranges
from ..ops.warp import warp
from .shapes import Points, Shapes, relative_to, rotation, transform
from .textures import Draw

WAVES = 2
"""Sine waves in the non-rigid motion of a layer."""
STEEPNESS = 0.16
"""Largest slope of the non-rigid motion: the inversion error falls by this factor each step."""
INVERSION_STEPS = 3
_CRISP = (0.6, 1.0)  # softness of a sharp rim, pixels
_PERIOD = (0.12, 0.5)  # of a texture that repeats, as a share of the window
_UNLIKE = 0.08  # how much lighter or darker one time is than the next
_OWNER = "scenes"
_FASTEST, _WIDEST = 1e5, 100.0
_BOUNDS = {
    (0, 1): (
        *("still_camera", "midpoint", "noise", "exposure", "blur", "blocks"),
        *("pictures", "crisp", "repeats"),
    ),
    (0, 0.9): ("zoom",),  # a layer as small as nothing has no inverse
    (0, 10): ("turn", "waves", "acceleration", "wobble", "relief"),
    (0, 64): ("layers",),
    (0, 1e6): ("object_weight",),
    (1, 1e6): ("textures", "renewed"),
    (4, 2**14): ("size", "texture_size"),
}
"""Least and most of what is one number."""


@dataclass(frozen=True)
class SceneSettings:
    """The settings of the painted scenes.

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
        texels: range of the texture's pixels to a pixel of the scene; above 1 makes it smaller.
        extent: range of an object's size, as a share of the scene's; drawn log-uniformly.
        pictures: share of the textures that are real pictures, where some are given.
        object_weight: how much more the flow counts where an object is seen.
        crisp: share of the layers that are opaque and have a sharp rim, whatever else was drawn.
        repeats: share of the layers whose texture repeats along one axis, each time a little
            lighter or darker, as windows and railings do.
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
    texels: tuple[float, float] = (0.35, 1.3)
    extent: tuple[float, float] = (0.15, 0.75)
    pictures: float = 0.0
    object_weight: float = 0.0
    crisp: float = 0.0
    repeats: float = 0.0
    textures: int = 48
    texture_size: int = 320
    renewed: int = 8

    def __post_init__(self) -> None:
        check_ranges(_OWNER, most=_FASTEST, speed=self.speed, object_speed=self.object_speed)
        check_ranges(_OWNER, most=_WIDEST, texels=self.texels, extent=self.extent)
        for (least, most), names in _BOUNDS.items():
            values = {name: getattr(self, name) for name in names}
            check_numbers(_OWNER, least=least, most=most, **values)


class Scene:
    """The layers of a batch of scenes: background first, nearest last.

    Per-layer numbers are B L (x 2 or 2 2); points are coordinates x, y, each B L H W, in
    pixels from the centre of the middle frame.
    """

    def __init__(self, draw: Draw, settings: SceneSettings, count: int, bank: Tensor) -> None:
        self.size = settings.size
        self.shape = (count, settings.layers + 1)
        grid = torch.arange(self.size, device=bank.device) - (self.size - 1) / 2
        self.grid = (grid, grid[:, None])
        middle = draw.uniform((count,), 0, 1) < settings.midpoint
        anywhere = draw.uniform((count,), 0.06, 0.94)
        self.timestep = torch.where(middle, torch.full_like(anywhere, 0.5), anywhere)
        self._move(draw, settings)
        self._place(draw, settings)
        self._cover(draw, settings)
        self.shapes = Shapes(draw, self.shape)
        self._texture(draw, settings, bank)

    def _move(self, draw: Draw, settings: SceneSettings) -> None:
        """Motion between the frames: the camera's, by each layer's nearness, and its own."""
        count, size = self.shape[0], self.size
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

    def _place(self, draw: Draw, settings: SceneSettings) -> None:
        """Where each layer's shape stands, and how large it is."""
        self.centre = draw.uniform((*self.shape, 2), -0.5, 0.5) * self.size
        share = torch.tensor([0.3] + [1.0] * (self.shape[1] - 1), device=self.centre.device)
        self.pivot = self.centre * share[:, None]
        self.extent = self.size * draw.log_uniform(self.shape, *settings.extent)

    def _cover(self, draw: Draw, settings: SceneSettings) -> None:
        """Which layers are there, how opaque they are and how sharp their rim is."""
        self.present = (draw.uniform(self.shape, 0, 1) < 0.75).float()
        self.opacity = torch.where(
            draw.uniform(self.shape, 0, 1) < 0.1, draw.uniform(self.shape, 0.3, 1), self.present**0
        )
        self.softness = draw.log_uniform(self.shape, 0.6, 3.0)
        soft = draw.uniform(self.shape, 0, 1) < 0.15
        self.softness = torch.where(soft, 4 * self.softness, self.softness)
        if settings.crisp:
            crisp = draw.uniform(self.shape, 0, 1) < settings.crisp
            self.softness = torch.where(crisp, self.softness.clamp(*_CRISP), self.softness)
            self.opacity = torch.where(crisp, torch.ones_like(self.opacity), self.opacity)

    def _texture(self, draw: Draw, settings: SceneSettings, bank: Tensor) -> None:
        """Which part of which texture covers each layer, how it is turned, scaled and toned."""
        self.window = window = min(bank.shape[-1], int(1.3 * self.size))
        layers, rest = math.prod(self.shape), bank.shape[-1] - window + 1
        picks = draw.integers(layers, len(bank))
        rows, columns = draw.integers(layers, rest), draw.integers(layers, rest)
        self.textures = torch.stack(
            [
                bank[i, :, y : y + window, x : x + window]
                for i, y, x in zip(picks, rows, columns, strict=True)
            ]
        )
        angle = draw.uniform(self.shape, 0, 2 * math.pi)
        texels = draw.log_uniform(self.shape, *settings.texels)
        self.texture_axes = rotation(angle) * texels[..., None, None]
        tone = draw.uniform((*self.shape, 3, 1, 1), -0.12, 0.12)
        self.tone = (tone + draw.uniform((*self.shape, 1, 1, 1), -0.15, 0.15)).flatten(0, 1)
        self.contrast = draw.uniform((*self.shape, 1, 1, 1), 0.5, 1.5).flatten(0, 1)
        self.period: Tensor | None = None
        if settings.repeats:
            repeated = draw.uniform((*self.shape, 1, 1), 0, 1) < settings.repeats
            period = 2 * draw.log_uniform((*self.shape, 1, 1), *_PERIOD)
            self.period = torch.where(repeated, period, math.inf)

    def paint(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """The picture at `time` (B) and each layer's visible share: B 3 H W, B L H W."""
        points = self._to_middle(time)
        count, layers = self.shape
        on_texture = torch.stack(transform(self.texture_axes * (2 / self.window), points), -1)
        lighter = 0.0 if self.period is None else _repeat(on_texture, self.period)
        colours = F.grid_sample(
            self.textures, on_texture.flatten(0, 1), padding_mode="reflection", align_corners=False
        )
        colours = 0.5 + (colours - 0.5) * self.contrast + self.tone + lighter
        colours = colours.unflatten(0, (count, layers))
        cover = self.shapes.distance(relative_to(points, self.centre), self.extent)
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
        return rotation(turn) @ skew.unflatten(-1, (2, 2))

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
        away = transform(self._matrix(amount), relative_to(self.grid, self.pivot))
        bulge = self._bulge(self.grid, amount)
        return relative_to(
            (away[0] + bulge[0], away[1] + bulge[1]), -self.pivot - self._shift(time)
        )

    def _to_middle(self, time: Tensor) -> Points:
        """Where the point at each pixel at `time` is in the middle frame."""
        amount = self._amount(time)
        inverse = torch.linalg.inv(self._matrix(amount))
        target = relative_to(self.grid, self.pivot + self._shift(time))
        points = relative_to(transform(inverse, target), -self.pivot)
        if bool(amount.any()):
            for _ in range(INVERSION_STEPS):
                bulge = self._bulge(points, amount)
                rest = (target[0] - bulge[0], target[1] - bulge[1])
                points = relative_to(transform(inverse, rest), -self.pivot)
        return points


def _repeat(on_texture: Tensor, period: Tensor) -> Tensor:
    """Folds texture coordinates to one period; returns how much lighter each time is."""
    along = on_texture[..., 0]
    time = (along / period).floor()
    on_texture[..., 0] = torch.where(period < math.inf, along.remainder(period), along)
    return (_UNLIKE * (2.4 * time).sin()).flatten(0, 1)[:, None]
