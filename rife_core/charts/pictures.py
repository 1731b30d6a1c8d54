"""Tensors as pictures: flow on the colour wheel, error maps in heat colours, curves.

All pictures are B H W 3 in [0, 1] on the CPU, as frames are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

_WHEEL_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))
_WHEEL_STEPS = (15, 6, 4, 11, 13, 6)  # more where the eye tells more hues apart
_HEAT = ((0, 0, 0), (0.5, 0, 0.3), (0.9, 0.2, 0.1), (1, 0.7, 0), (1, 1, 0.8))

_CURVES = ((0.10, 0.35, 0.75), (0.80, 0.25, 0.10), (0.10, 0.55, 0.25), (0.55, 0.20, 0.65))
_PANEL_HEIGHT, _MARGIN, _INK, _GRID = 110, 8, 0.15, 0.85

# Each letter is followed by its five rows of three pixels, an octal digit each.
_FONT = """
a25755 b65656 c34443 d65556 e74647 f74644 g34553 h55755 i72227 j11152 k55655 l44447 m57755
n65555 o25552 p65644 q25563 r65655 s34216 t72222 u55557 v55552 w55775 x55255 y55222 z71247
075557 126227 271747 371717 455711 574717 674757 771222 875757 975717
.00002 -00700 +02720 :02020 _00007 ,00024
"""
_GLYPHS = {entry[0]: entry[1:] for entry in _FONT.split()}


def flow_picture(flow: Tensor, largest: float | None = None) -> Tensor:
    """Flow as colours: hue is direction, saturation is speed, white is no motion.

    Red points right, yellow down, cyan left, blue up.

    Args:
        flow: in pixels, dx then dy.
        largest: the speed that gets the full colour; None takes the fastest of them all.

    Shape:
        flow: B 2 H W -> B H W 3

    Reference: Baker et al., "A Database and Evaluation Methodology for Optical
    Flow", IJCV 2011.

    Example:
        >>> still = torch.zeros(1, 2, 1, 1)
        >>> flow_picture(still).flatten().tolist()
        [1.0, 1.0, 1.0]
    """
    flow = flow.detach().float().cpu()
    speed = flow.norm(dim=1)
    largest = speed.max().item() if largest is None else largest
    angle = torch.atan2(flow[:, 1], flow[:, 0]) / (2 * torch.pi)
    colour = _ramp(_WHEEL_CORNERS, _WHEEL_STEPS, angle % 1)
    strength = (speed / (largest or 1.0)).clamp(max=1).unsqueeze(-1)
    return 1 - strength * (1 - colour)


def heat_picture(errors: Tensor, largest: float | None = None) -> Tensor:
    """Errors as colours: black is 0, then red, yellow, and nearly white at `largest`.

    Args:
        errors: from 0 up.
        largest: the error that gets the lightest colour; None takes the largest of them all.

    Shape:
        errors: B 1 H W -> B H W 3

    Example:
        >>> heat_picture(torch.zeros(1, 1, 1, 1)).flatten().tolist()
        [0.0, 0.0, 0.0]
    """
    errors = errors.detach().float().cpu()[:, 0]
    largest = errors.max().item() if largest is None else largest
    return _ramp(_HEAT, (1,) * (len(_HEAT) - 1), (errors / (largest or 1.0)).clamp(0, 1))


def _ramp(corners: Sequence[Sequence[float]], steps: Sequence[int], position: Tensor) -> Tensor:
    """Colours along a chain of corners, for positions from 0 to 1: ... -> ... 3."""
    table = torch.tensor(corners, dtype=torch.float32, device="cpu")
    pieces = [
        torch.lerp(a, b, torch.arange(n, device="cpu")[:, None] / n)
        for (a, b), n in zip(pairwise(table), steps, strict=True)
    ]
    colours = torch.cat((*pieces, table[-1:]))
    place = position.nan_to_num(1.0) * (len(colours) - 1)
    below = place.long().clamp(max=len(colours) - 2)
    return torch.lerp(colours[below], colours[below + 1], (place - below).unsqueeze(-1))


def plot(curves: Mapping[str, Sequence[float]], width: int = 640) -> Tensor:
    """One panel per curve, with its name, its mean, and its highest and lowest value.

    Values that are no finite number leave a gap.

    Args:
        curves: a name (letters, digits) and one value per frame for each.
        width: of the picture in pixels.

    Returns:
        1 H W 3 with 110 rows for each curve.

    Example:
        >>> plot({"psnr": [30.0, 31.5, 28.0]}).shape
        torch.Size([1, 110, 640, 3])
    """
    panels = [
        _panel(
            name,
            torch.tensor(values, dtype=torch.float64, device="cpu"),
            _CURVES[i % len(_CURVES)],
            width,
        )
        for i, (name, values) in enumerate(curves.items())
    ]
    return torch.cat(panels).unsqueeze(0)


def _panel(name: str, values: Tensor, colour: Sequence[float], width: int) -> Tensor:
    picture = torch.ones(_PANEL_HEIGHT, width, 3, device="cpu")
    finite = values[values.isfinite()]
    values = values.where(values.isfinite(), torch.nan)
    low, high, text = 0.0, 0.0, "no finite value"
    if len(finite):
        low, high = finite.min().item(), finite.max().item()
        text = f"mean {finite.mean().item():.5g}  min {low:.5g}  max {high:.5g}"
    top, bottom, left = 24, _PANEL_HEIGHT - _MARGIN - 1, _MARGIN
    picture[[top, (top + bottom) // 2, bottom], left:-left] = _GRID
    picture[-1] = _INK

    # Two points of a curve meet in every column; the line fills the rows between them.
    place = torch.linspace(
        0, len(values) - 1, width - 2 * left + 1, dtype=torch.float64, device="cpu"
    )
    below = place.long().clamp(max=max(len(values) - 2, 0))
    above = (below + 1).clamp(max=len(values) - 1)
    height = torch.lerp(values[below], values[above], place - below)
    rows = bottom - (height - low) / ((high - low) or 1.0) * (bottom - top)
    upper, lower = torch.minimum(rows[:-1], rows[1:]), torch.maximum(rows[:-1], rows[1:])
    row = torch.arange(_PANEL_HEIGHT, dtype=torch.float64, device="cpu")[:, None]
    line = (row >= upper - 1) & (row <= lower + 1)
    picture[:, left : width - left][line] = torch.tensor(colour, device="cpu")

    _write(picture, f"{name}: {text}", left, _MARGIN)
    return picture


def glyph(letter: str, size: int = 1) -> Tensor:
    """A small letter as a mask of 5 x 3 squares, `size` pixels each; a blank for others.

    Example:
        >>> glyph("t").int().tolist()
        [[1, 1, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
    """
    rows = _GLYPHS.get(letter.lower(), "00000")
    mask = torch.tensor(
        [[int(row, 8) >> bit & 1 for bit in (2, 1, 0)] for row in rows], device="cpu"
    ).bool()
    return mask.repeat_interleave(size, 0).repeat_interleave(size, 1)


def _write(picture: Tensor, text: str, left: int, top: int, size: int = 2) -> None:
    """Writes small letters into H W 3, as far as they fit."""
    for letter in text:
        mask = glyph(letter, size)
        place = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
        if place.shape[:2] == mask.shape:
            place[mask] = _INK
        left += 4 * size
