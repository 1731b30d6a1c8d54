"""The CompareFrames node: source and result side by side, and a strip of both."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from ..rife_core.charts.strip import shrunk, strip
from ..rife_core.video import encode_png
from .host import temporary_path


class CompareFrames:
    """Shows what was there and what was made."""

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
            },
        }

    def compare(
        self, before: Tensor, after: Tensor, first: int = 1, count: int = 4, width: int = 320
    ) -> dict[str, Any]:
        """See DESCRIPTION."""
        if before.shape[1:3] != after.shape[1:3] or len(before) < 2 or len(after) < 2:
            sizes = (f"{len(f)} of {f.shape[2]}x{f.shape[1]}" for f in (before, after))
            raise ValueError(
                "before and after must be two or more frames of one size, but are "
                f"{' and '.join(sizes)}."
            )
        step = _step(len(before), len(after))
        shown = [min(int(k * step), len(before) - 1) for k in range(len(after))]
        both = torch.cat((before[shown][..., :3], after[..., :3].to(before)), dim=2)
        begin = min(first - 1, len(before) - 2)
        above = range(begin, min(begin + count, len(before)))
        below = [min(round((k + Fraction(1, 2)) / step), len(after) - 1) for k in above[:-1]]
        rows = ((before, above), (after, below))
        picture = strip(*([shrunk(f[k][..., :3], width) for k in row] for f, row in rows))
        path = temporary_path(".png")
        path.write_bytes(encode_png(picture))
        saved = {"filename": path.name, "subfolder": "", "type": "temp"}
        return {"ui": {"images": [saved]}, "result": (both, picture[None])}


def _step(before: int, after: int) -> Fraction:
    """Source frames from one frame of the result to the next, as the two counts tell it."""
    to_last_frame = Fraction(before - 1, after - 1)
    return to_last_frame if to_last_frame.numerator == 1 else Fraction(before, after)
