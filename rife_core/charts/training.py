"""Pictures of a training without a plotting library: previews as PNG, curves and bars as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from . import svg
from .png import encode_png

_WIDTH, _HEIGHT, _LEFT, _TOP = 720, 180, 60, 28
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#a463f2", "#97bbf5")


class Curve(NamedTuple):
    """A line: its name and its points, x ascending."""

    name: str
    points: Sequence[tuple[float, float]]


def preview_png(rows: Sequence[Tensor]) -> bytes:
    """One row per batch B 3 H W, with its samples side by side."""
    lines = [torch.cat(list(row.detach().float().cpu()), 2) for row in rows]
    return encode_png(torch.cat(lines, 1).permute(1, 2, 0))


def curve_svg(curves: Sequence[Curve], marks: Sequence[tuple[float, str]] = ()) -> str:
    """Line charts below each other, with a common x axis.

    Args:
        curves: one chart each.
        marks: (x, name) in ascending order; a vertical line stands where the name changes.
    """
    height = (_HEIGHT + 2 * _TOP) * len(curves) + 20
    parts = [svg.opening(_WIDTH + 2 * _LEFT, height)]
    xs = [x for curve in curves for x, _ in curve.points] or [0.0, 1.0]
    low_x, high_x = min(xs), max(max(xs), min(xs) + 1e-9)
    for number, curve in enumerate(curves):
        top = _TOP + number * (_HEIGHT + 2 * _TOP)
        values = sorted(y for _, y in curve.points) or [0.0, 1.0]
        low, high = values[0], max(values[-1], values[0] + 1e-9)

        def place(x: float, y: float, top: int = top, low: float = low, high: float = high) -> str:
            across = _LEFT + (x - low_x) / (high_x - low_x) * _WIDTH
            return f"{across:.1f},{top + (high - y) / (high - low) * _HEIGHT:.1f}"

        parts.append(svg.text(_LEFT, top - 8, curve.name, bold=True))
        for y in (low, (low + high) / 2, high):
            at = place(low_x, y).split(",")[1]
            parts.append(svg.line(_LEFT, float(at), _LEFT + _WIDTH, float(at), "#ddd"))
            parts.append(svg.text(_LEFT - 6, float(at) + 4, f"{y:.3g}", anchor="end"))
        before = None
        for x, name in marks:
            if name != before:
                across = float(place(x, low).split(",")[0])
                parts.append(svg.line(across, top, across, top + _HEIGHT, "#bbb"))
                parts.append(svg.text(across + 3, top + 12, name, colour="#888"))
                before = name
        points = " ".join(place(x, y) for x, y in curve.points)
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
        parts.append(
            svg.text(_LEFT + _WIDTH, top + _HEIGHT + 16, f"{high_x:.0f} steps", anchor="end")
        )
    return "\n".join((*parts, "</svg>\n"))


def bars_svg(title: str, groups: Sequence[str], bars: Sequence[tuple[str, Sequence[float]]]) -> str:
    """A bar chart: for each of `groups` one bar of each of `bars` (name, values)."""
    values = [v for _, row in bars for v in row]
    low = 0.9 * min(values)
    span = max(values) - low or 1.0
    slot = _WIDTH / len(groups)
    thick = slot * 0.85 / len(bars)
    height = _HEIGHT + 4 * _TOP + 20
    parts = [svg.opening(_WIDTH + 2 * _LEFT, height), svg.text(_LEFT, 18, title, bold=True)]
    base = 2 * _TOP + _HEIGHT
    for i, (name, row) in enumerate(bars):
        colour = _COLOURS[i % len(_COLOURS)]
        for j, value in enumerate(row):
            left, tall = _LEFT + j * slot + i * thick, (value - low) / span * _HEIGHT
            parts.append(svg.bar(left, base - tall, thick * 0.9, tall, colour))
            parts.append(svg.text(left + thick * 0.45, base - tall - 3, f"{value:.1f}", "middle"))
        across = _LEFT + i * _WIDTH / len(bars)
        parts.append(svg.bar(across, height - 26, 12, 12, colour))
        parts.append(svg.text(across + 16, height - 16, name))
    for j, group in enumerate(groups):
        parts.append(svg.text(_LEFT + (j + 0.42) * slot, base + 16, group, "middle"))
    return "\n".join((*parts, "</svg>\n"))


def lines_svg(title: str, charts: Sequence[tuple[str, Sequence[Curve]]]) -> str:
    """Small charts side by side, one for each of `charts` (name, curves), over one logarithmic x.

    All share both axes, and one colour stands for one name of a curve.
    """
    across, wide, tall = 3, 220, 150
    points = [point for _, curves in charts for curve in curves for point in curve.points]
    xs = sorted({x for x, _ in points})
    high = max(y for _, y in points) or 1.0
    low_x, span = math.log(xs[0]), (math.log(xs[-1]) - math.log(xs[0])) or 1.0
    names = list(dict.fromkeys(curve.name for _, curves in charts for curve in curves))
    rows = -(-len(charts) // across)
    height = _TOP + rows * (tall + 50) + 30
    parts = [
        svg.opening(across * (wide + 50) + 20, height),
        svg.text(_LEFT - 20, 18, title, bold=True),
    ]
    for number, (name, curves) in enumerate(charts):
        left = _LEFT - 20 + number % across * (wide + 50)
        top = 2 * _TOP + number // across * (tall + 50)

        def place(x: float, y: float, left: float = left, top: float = top) -> tuple[float, float]:
            return left + (math.log(x) - low_x) / span * wide, top + (1 - y / high) * tall

        parts.append(svg.text(left, top - 8, name, bold=True))
        for y in (0.0, high / 2, high):
            down = place(xs[0], y)[1]
            parts.append(svg.line(left, down, left + wide, down, "#ddd"))
            parts.append(svg.text(left - 4, down + 4, f"{y:.2g}", anchor="end"))
        for x in xs:
            parts.append(svg.text(place(x, 0)[0], top + tall + 14, f"{x:g}", anchor="middle"))
        for curve in curves:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in curve.points))
            colour = _COLOURS[names.index(curve.name) % len(_COLOURS)]
            parts.append(
                f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{line}"/>'
            )
    for number, name in enumerate(names):
        left = _LEFT - 20 + number * (across * (wide + 50) - 40) / len(names)
        parts.append(svg.bar(left, height - 26, 12, 12, _COLOURS[number % len(_COLOURS)]))
        parts.append(svg.text(left + 16, height - 16, name))
    return "\n".join((*parts, "</svg>\n"))
