"""The CompareFrames node: source and result side by side, and a strip of both."""

from __future__ import annotations

from fractions import Fraction
from itertools import count, pairwise
from math import ceil, floor
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..rife_core.basics.arguments import within
from ..rife_core.basics.whole_file import write_whole
from ..rife_core.charts.strip import resized, strip
from ..rife_core.timeline import as_fraction
from ..rife_core.video import encode_png
from .host import colours, temporary_path, work

_GLANCE = 8  # every so many pixels are looked at first
_SKIPPED = 64  # source frames that a lower frame rate may leave out between two that it keeps
_TRIED = 48  # steps between frames that are tried where nothing tells the rate
_AS_LIKE = 1.2  # times the least difference
_FIELDS = 8  # in each direction, by whose means frames are compared then
_MOST, _WIDEST = 1_000_000, 16_384  # frames, pixels


class CompareFrames:
    """Shows source frames beside the frames made of them."""

    DISPLAY_NAME = "Compare Frames"
    CATEGORY = "RIFE Video"
    DESCRIPTION = (
        "Shows frames before and after interpolation: side by side as a clip, and as one picture, "
        "source frames above and those made between them below. The picture is shown on the node."
    )
    SEARCH_ALIASES = ("before after", "side by side", "compare interpolation", "rife compare")

    RETURN_TYPES = ("IMAGE", "IMAGE")
    RETURN_NAMES = ("side_by_side", "strip")
    OUTPUT_TOOLTIPS = (
        "For every frame of the result: left the source as it was shown at that time, right the "
        "result. Wire it to Create Video.",
        "One picture: some source frames, and below them, in the gaps, what was made between.",
    )
    OUTPUT_NODE = True
    FUNCTION = "compare"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "before": ("IMAGE", {"tooltip": "The source frames."}),
                "after": (
                    "IMAGE",
                    {"tooltip": "The frames that became of them, from Interpolate Frames."},
                ),
            },
            "optional": {
                "first": (
                    "INT",
                    {
                        "default": 1,
                        "min": 1,
                        "max": 1_000_000,
                        "tooltip": "The source frame with which the strip begins, counted from 1.",
                    },
                ),
                "count": (
                    "INT",
                    {
                        "default": 4,
                        "min": 2,
                        "max": 32,
                        "tooltip": "How many source frames the strip shows.",
                    },
                ),
                "width": (
                    "INT",
                    {
                        "default": 320,
                        "min": 16,
                        "max": 4096,
                        "tooltip": "Width of each frame in the strip, in pixels.",
                    },
                ),
                "source_fps": (
                    "FLOAT",
                    {
                        "advanced": True,
                        "default": 0.0,
                        "min": 0.0,
                        "max": 1000.0,
                        "step": 0.001,
                        "tooltip": "The frame rate before; with fps it tells which frames belong "
                        "together where the result was changed since, for example made larger. "
                        "0: found out from the frames.",
                    },
                ),
                "fps": (
                    "FLOAT",
                    {
                        "advanced": True,
                        "default": 0.0,
                        "min": 0.0,
                        "max": 1000.0,
                        "step": 0.001,
                        "tooltip": "The frame rate after, from Interpolate Frames.",
                    },
                ),
            },
        }

    @work
    def compare(
        self,
        before: Tensor,
        after: Tensor,
        first: int = 1,
        count: int = 4,
        width: int = 320,
        source_fps: float = 0.0,
        fps: float = 0.0,
    ) -> dict[str, Any]:
        within("first", first, 1, _MOST)
        within("count", count, 2, _MOST)
        within("width", width, 1, _WIDEST)
        before, after = colours(before, "before"), colours(after, "after")
        if before.shape[1:3] != after.shape[1:3] or len(before) < 2 or len(after) < 2:
            sizes = (f"{len(f)} of {f.shape[2]}x{f.shape[1]}" for f in (before, after))
            raise ValueError(
                "before and after must be two or more frames of one size, but are "
                f"{' and '.join(sizes)}."
            )
        rate = as_fraction(source_fps) / as_fraction(fps) if source_fps and fps else None
        places = _places(before, after, rate)
        both = torch.cat((before[[floor(place) for place in places]], after), dim=2)
        begin = min(first - 1, len(before) - 2)
        above = range(begin, min(begin + count, len(before)))
        below = [_nearest(places, k + Fraction(1, 2)) for k in above[:-1]]
        rows = ((before, above), (after, below))
        picture = strip(*([resized(f[k], width) for k in row] for f, row in rows))
        path = temporary_path(".png")
        write_whole(path, encode_png(picture))
        saved = {"filename": path.name, "subfolder": "", "type": "temp"}
        return {"ui": {"images": [saved]}, "result": (both, picture[None])}


def _places(before: Tensor, after: Tensor, step: Fraction | None) -> list[Fraction]:
    """Where each frame of the result stands among the source frames, from 0 to the last one.

    Source frames pass an interpolation unchanged, so those that are found in the result are
    fixed points; the frames between two of them lie evenly between. That holds for every
    multiplier, frame rate and schedule. After the last fixed point the rate goes on, which is
    told by `step`, by the fixed points so far, or by the two counts and what the frames look like.
    """
    found = _found(before, after)
    places = [Fraction(0)] * len(after)
    for (start, place), (stop, next_place) in pairwise(found):
        for k in range(start, stop):
            places[k] = place + Fraction(next_place - place, stop - start) * (k - start)
    start, place = found[-1]
    if step is None:
        step = Fraction(place, start) if start else _step(before, after)
    for k in range(start, len(after)):
        places[k] = min(place + step * (k - start), Fraction(len(before) - 1))
    return places


def _found(before: Tensor, after: Tensor) -> list[tuple[int, int]]:
    """Frames of the result that are source frames: (number in the result, in the source)."""
    found = [(0, 0)]
    for k in range(1, len(after)):
        rest = found[-1][1] + 1
        for number in range(rest, min(rest + _SKIPPED, len(before))):
            if _same(after[k], before[number]):
                found.append((k, number))
                break
    return found


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a[::_GLANCE, ::_GLANCE], b[::_GLANCE, ::_GLANCE]) and torch.equal(a, b)


def _nearest(places: list[Fraction], place: Fraction) -> int:
    return min(range(len(places)), key=lambda k: abs(places[k] - place))


def _step(before: Tensor, after: Tensor) -> Fraction:
    """Source frames from one frame of the result to the next, where no frame passed unchanged.

    The counts of both allow a range of steps. The one is taken whose frames, blended from their
    two source frames, are most like the result; a whole multiplier, which ends with the last
    source frame or shows it as long as the others, where it is about as like.
    """
    last = len(before) - 1
    ends = [Fraction(last, len(after) - 1), Fraction(len(before), len(after))]
    least = Fraction(last, len(after))
    spread = (max(*ends, Fraction(len(before), len(after) - 1)) - least) / _TRIED
    small = [_glance(frames) for frames in (before, after)]
    steps = [least + spread * k for k in range(1, _TRIED)]
    best = min(steps, key=lambda step: _difference(*small, step))
    enough = _AS_LIKE * _difference(*small, best)
    for end in ends:
        if end.numerator == 1 and _difference(*small, end) <= enough:
            return end
    return _simplest(best - spread / 2, best + spread / 2)


def _glance(frames: Tensor) -> Tensor:
    """Frames averaged in a few fields each, as rows of numbers."""
    return F.adaptive_avg_pool2d(frames.movedim(3, 1), _FIELDS).flatten(1)


def _difference(before: Tensor, after: Tensor, step: Fraction) -> float:
    """How far the result is from source frames that are blended at such steps."""
    last = len(before) - 1
    places = (
        torch.arange(len(after), dtype=torch.float64, device="cpu").mul(float(step)).clamp(max=last)
    )
    left = places.floor().long()
    share = (places - left).to(before)[:, None]
    blended = before[left].lerp(before[(left + 1).clamp(max=last)], share)
    return float((blended - after).abs().mean())


def _simplest(least: Fraction, most: Fraction) -> Fraction:
    """The fraction between two with the smallest denominator."""
    return next(
        Fraction(ceil(least * below), below)
        for below in count(1)
        if ceil(least * below) <= most * below
    )
