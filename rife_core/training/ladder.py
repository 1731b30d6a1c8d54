"""The motion ladder: painted clips whose every in-between frame is known, faster rung by rung.

Real clips seldom move far between frames, and where they do nobody knows the truth. A
rung is a short clip of one kind of motion at one speed: a disc, running legs, letters or
thin lines that cross a still picture, or a picture that is panned, zoomed or turned.
Speeds are pixels from one source frame to the next, where the motion is fastest.
Pictures and objects are cut out of real frames where some are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from ..charts.pictures import glyph
from ..video.sample_clip import ball
from ..video.sample_clip import frames as sample_frames
from .textures import make_texture

SPEEDS = (8, 16, 32, 48, 64, 96, 128)
"""Pixels from source frame to source frame."""

TIMES = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
"""When the frames of a rung are painted, in source frames: four sources, three truths."""

DEMO = "demo"
"""The kind of the demo clip's rung."""

HEIGHT, WIDTH = 480, 720
MARGIN = 32
"""Pixels around an object that are judged with it."""

_DISC_RADIUS = 64
_LEG, _LEG_WIDTH, _SPREAD = 160, 34, 0.35
_TEXT, _LETTER = "rife 4x", 10
_LINES, _LINE_WIDTH, _LINES_SIDE = 9, 2.5, 180
_INK = 0.06

Box = tuple[slice, slice]
"""Rows and columns of a frame that are judged."""


@dataclass(frozen=True)
class Rung:
    """A clip whose second, fourth ... frame is the truth between its neighbours.

    Attributes:
        kind: what moves.
        speed: pixels from source frame to source frame, for each truth.
        frames: 1 3 H W each, in [0, 1]: source, truth, source ... source.
        boxes: what is judged of each truth.
    """

    kind: str
    speed: tuple[float, ...]
    frames: list[Tensor]
    boxes: list[Box]


Paint = Callable[[Tensor, Tensor, float, float], tuple[Tensor, Tensor | None]]
"""Takes a picture 3 H W, what objects are cut from, the speed and the time; gives the frame, and
where in it the object is (H W), None for the whole frame."""


def rungs(
    pictures: Sequence[Tensor] = (),
    kinds: Sequence[str] | None = None,
    speeds: Sequence[float] = SPEEDS,
    over: int = 1,
) -> list[Rung]:
    """The ladder: each kind of motion at each speed, over one of the pictures after the other.

    Args:
        pictures: real frames, 3 H W in [0, 1] and at least 240 high and wide; without any
            they are painted.
        kinds: of `KINDS`; None for all.
        speeds: pixels from source frame to source frame.
        over: how many of the pictures each rung is painted over.

    Raises:
        ValueError: there is no such kind, a picture is too small, or a speed is too high.
    """
    kinds = list(KINDS) if kinds is None else kinds
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"The ladder has no {unknown[0]!r}; it has {', '.join(KINDS)}.")
    for picture in pictures:
        if min(picture.shape[1:]) < HEIGHT // 2:
            raise ValueError(
                f"A picture of {picture.shape[2]}x{picture.shape[1]} is too small for the motion "
                f"ladder; both sides must have at least {HEIGHT // 2}."
            )
    pictures = list(pictures) or painted_pictures()
    return [
        _rung(kind, float(speed), pictures, list(KINDS).index(kind) + turn)
        for kind, speed, turn in product(kinds, speeds, range(min(over, len(pictures))))
    ]


def painted_pictures(count: int = 2) -> list[Tensor]:
    """Pictures of dead leaves, noise and stripes, 3 H W."""
    generator = torch.Generator().manual_seed(1)
    return [make_texture(generator, WIDTH)[:, :HEIGHT].clamp(0, 1) for _ in range(count)]


def _rung(kind: str, speed: float, pictures: Sequence[Tensor], turn: int) -> Rung:
    picture = pictures[turn % len(pictures)]
    other = pictures[(turn + 1) % len(pictures)].flip(1)
    frames: list[Tensor] = []
    boxes: list[Box] = []
    for number, time in enumerate(TIMES):
        # Every second kind goes the other way.
        frame, object_ = KINDS[kind](picture, other, speed * (-1) ** turn, time)
        frames.append(frame.clamp(0, 1)[None])
        if number % 2:
            if object_ is not None and not (object_ > 0.5).any():
                raise ValueError(
                    f"At {speed:g} pixels a frame the {kind} of the ladder leave the picture; "
                    "give lower speeds."
                )
            boxes.append(_box(object_, frame))
    return Rung(kind, (speed,) * len(boxes), frames, boxes)


def _box(object_: Tensor | None, frame: Tensor) -> Box:
    """The object with its margin, inside the frame."""
    if object_ is None:
        return slice(None), slice(None)

    def reach(seen: Tensor, side: int) -> slice:
        places = seen.nonzero()
        low, high = int(places.min()) - MARGIN, int(places.max()) + 1 + MARGIN
        return slice(max(low, 0), min(high, side))

    seen = object_ > 0.5
    return reach(seen.any(1), frame.shape[1]), reach(seen.any(0), frame.shape[2])


def demo_rung(count: int = 25, height: int = HEIGHT, width: int = WIDTH) -> Rung:
    """The ball of the clip that `rife-video sample` paints, at half steps."""
    painted = sample_frames(2 * count - 1, height, width, step=0.5)
    frames = [frame.permute(2, 0, 1)[None] for frame in painted]
    boxes: list[Box] = []
    speeds: list[float] = []
    for index in range(count - 1):
        (x, y, radius), before, after = (ball(index + k, height) for k in (0.5, 0, 1))
        spans = ((y, height), (x, width))
        rows, columns = (
            slice(max(int(place - radius) - MARGIN, 0), min(int(place + radius) + MARGIN + 1, side))
            for place, side in spans
        )
        boxes.append((rows, columns))
        speeds.append(math.hypot(after[0] - before[0], after[1] - before[1]))
    return Rung(DEMO, tuple(speeds), frames, boxes)


# --- Painting: layers that are turned, zoomed and shifted about the middle of the frame


def _placed(
    layer: Tensor,
    size: tuple[int, int],
    shift: tuple[float, float] = (0, 0),
    angle: float = 0,
    zoom: float = 1,
    beyond: str = "zeros",
) -> Tensor:
    """C h w turned about its middle, zoomed, its middle put `shift` from the frame's: C H W."""
    height, width = size
    y = torch.arange(height, device="cpu")[:, None] - (height - 1) / 2 - shift[1]
    x = torch.arange(width, device="cpu")[None, :] - (width - 1) / 2 - shift[0]
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    there = torch.stack((cos * x + sin * y, cos * y - sin * x), -1)
    halves = torch.tensor([(layer.shape[2] - 1) / 2, (layer.shape[1] - 1) / 2], device="cpu")
    return F.grid_sample(
        layer[None],
        (there / halves)[None],
        mode="bicubic",
        padding_mode=beyond,
        align_corners=True,
    )[0]


def _over(picture: Tensor, sprite: Tensor) -> Tensor:
    """RGBA over RGB; the colours are multiplied by alpha already."""
    return picture * (1 - sprite[3:].clamp(0, 1)) + sprite[:3]


def _sprite(colours: Tensor, alpha: Tensor) -> Tensor:
    return torch.cat((colours * alpha, alpha[None]))


def _cut(other: Tensor, height: int, width: int) -> Tensor:
    """The middle of a picture, its contrast raised so that an object can be told from it."""
    top, left = (other.shape[1] - height) // 2, (other.shape[2] - width) // 2
    part = other[:, top : top + height, left : left + width]
    if part.shape[1:] != (height, width):
        part = F.interpolate(part[None], (height, width), mode="bicubic", align_corners=False)[0]
    return (0.5 + 1.3 * (part - part.mean())).clamp(0, 1)


def _softly(distance: Tensor) -> Tensor:
    """Cover of a pixel from how far inside an edge it lies."""
    return (distance + 0.5).clamp(0, 1)


def _away(side: int) -> tuple[Tensor, Tensor]:
    axis = torch.arange(side, device="cpu") - (side - 1) / 2
    return axis[None, :], axis[:, None]


def _crossing(picture: Tensor, sprite: Tensor, speed: float, time: float) -> tuple[Tensor, Tensor]:
    size = picture.shape[1], picture.shape[2]
    placed = _placed(sprite, size, (speed * time, 0))
    return _over(picture, placed), placed[3]


def _disc(
    picture: Tensor, other: Tensor, speed: float, time: float
) -> tuple[Tensor, Tensor | None]:
    side = 2 * _DISC_RADIUS + 4
    alpha = _softly(_DISC_RADIUS - torch.hypot(*_away(side)))
    return _crossing(picture, _sprite(_cut(other, side, side), alpha), speed, time)


def _legs(
    picture: Tensor, other: Tensor, speed: float, time: float
) -> tuple[Tensor, Tensor | None]:
    """Two legs that swing about one hip against each other, apart in the middle of the path.

    Their feet have the speed.
    """
    side = 2 * (_LEG + _LEG_WIDTH)
    x, y = _away(side)
    beside = torch.hypot(x, (y - y.clamp(0, _LEG - _LEG_WIDTH / 2)))
    cover = _softly(_LEG_WIDTH / 2 - beside)
    leg = _sprite(_cut(other, side, side), cover)
    size = picture.shape[1], picture.shape[2]
    seen = torch.zeros(size, device="cpu")
    for sign in (-1, 1):
        placed = _placed(leg, size, (0, -_LEG / 2), angle=sign * (_SPREAD + speed / _LEG * time))
        picture = _over(picture, placed)
        seen = torch.maximum(seen, placed[3])
    return picture, seen


def _text(
    picture: Tensor, other: Tensor, speed: float, time: float
) -> tuple[Tensor, Tensor | None]:
    blank = torch.zeros(5 * _LETTER, _LETTER, dtype=torch.bool, device="cpu")
    letters = torch.cat(
        [part for letter in _TEXT for part in (glyph(letter, _LETTER), blank)], 1
    ).float()
    letters = F.pad(letters, (6, 6, 6, 6))
    rim = F.max_pool2d(letters[None], 7, 1, 3)[0]
    return _crossing(picture, _sprite(letters.expand(3, -1, -1), rim), speed, time)


def _lines(
    picture: Tensor, other: Tensor, speed: float, time: float
) -> tuple[Tensor, Tensor | None]:
    """Thin dark lines at all angles, as twigs and wires are."""
    generator = torch.Generator().manual_seed(5)
    x, y = _away(_LINES_SIDE)
    cover = torch.zeros(_LINES_SIDE, _LINES_SIDE, device="cpu")
    for _ in range(_LINES):
        ends = (torch.rand(2, 2, generator=generator, device="cpu") - 0.5) * (_LINES_SIDE - 8)
        (x0, y0), (x1, y1) = ends.tolist()
        length = max(math.hypot(x1 - x0, y1 - y0), 1.0)
        along = (((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length**2).clamp(0, 1)
        away = torch.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
        cover = torch.maximum(cover, _softly(_LINE_WIDTH / 2 - away))
    ink = torch.full((3, _LINES_SIDE, _LINES_SIDE), _INK, device="cpu")
    return _crossing(picture, _sprite(ink, cover), speed, time)


def _pan(picture: Tensor, other: Tensor, speed: float, time: float) -> tuple[Tensor, Tensor | None]:
    size = picture.shape[1], picture.shape[2]
    return _placed(picture, size, (speed * time, 0), beyond="reflection"), None


def _zoom(
    picture: Tensor, other: Tensor, speed: float, time: float
) -> tuple[Tensor, Tensor | None]:
    """Towards the middle, or away from it; left and right edges have the speed."""
    size = picture.shape[1], picture.shape[2]
    share = 1 + abs(speed) / (size[1] / 2)
    return _placed(picture, size, zoom=share**time, beyond="reflection"), None


def _turn(
    picture: Tensor, other: Tensor, speed: float, time: float
) -> tuple[Tensor, Tensor | None]:
    """About the middle; left and right edges have the speed."""
    size = picture.shape[1], picture.shape[2]
    return _placed(picture, size, angle=speed / (size[1] / 2) * time, beyond="reflection"), None


KINDS: Mapping[str, Paint] = MappingProxyType(
    {
        "disc": _disc,
        "legs": _legs,
        "text": _text,
        "lines": _lines,
        "pan": _pan,
        "zoom": _zoom,
        "turn": _turn,
    }
)
"""What moves on the ladder."""
