"""Source frames and the frames between them, in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_GAP = 6
_BACKGROUND = 1.0


def strip(before: Sequence[Tensor], between: Sequence[Tensor]) -> Tensor:
    """Source frames in a row; below, in the gaps between them, the interpolated ones.

    Shape:
        before: N frames H W 3; between: N - 1 of them
        returns: (2 H + gaps) (N W + gaps) 3
    """
    return _page((before, between), (0, (before[0].shape[1] + _GAP) // 2))


def rows(frames: Sequence[Sequence[Tensor]]) -> Tensor:
    """Rows of frames, one below the other.

    Shape:
        frames: rows of as many frames each, H W 3, all of one size
        returns: (rows H + gaps) (columns W + gaps) 3
    """
    return _page(frames, [0] * len(frames))


def _page(frames: Sequence[Sequence[Tensor]], indents: Sequence[int]) -> Tensor:
    """Rows of frames, each indented by so many pixels; none is longer than the first."""
    height, width = frames[0][0].shape[:2]
    picture = torch.full(
        (len(frames) * (height + _GAP) + _GAP, len(frames[0]) * (width + _GAP) + _GAP, 3),
        _BACKGROUND,
        device="cpu",
    )
    for row, (line, indent) in enumerate(zip(frames, indents, strict=True)):
        for column, frame in enumerate(line):
            top, left = _GAP + row * (height + _GAP), _GAP + indent + column * (width + _GAP)
            picture[top : top + height, left : left + width] = frame
    return picture


def resized(frame: Tensor, width: int) -> Tensor:
    """A frame H W C at another `width`, with its aspect ratio."""
    height = round(frame.shape[0] * width / frame.shape[1])
    image = frame.permute(2, 0, 1)[None]
    image = F.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return image[0].permute(1, 2, 0)
