"""The few elements that charts consist of, as SVG text."""

from __future__ import annotations

from xml.sax.saxutils import escape

INK = "#333"


def opening(width: float, height: float) -> str:
    """Opens a picture with a white background; `</svg>` closes it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        'font-family="sans-serif" font-size="11">\n'
        '<rect width="100%" height="100%" fill="white"/>'
    )


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    """A filled rectangle; `x` and `y` are its upper left corner."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def line(x0: float, y0: float, x1: float, y1: float, colour: str, dashes: str = "") -> str:
    """A straight line; `dashes` such as "3 3"."""
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {ends} stroke="{colour}"{style}/>'


def text(
    x: float,
    y: float,
    words: str,
    anchor: str = "start",
    *,
    colour: str = INK,
    bold: bool = False,
    halo: bool = False,
) -> str:
    """Words with their baseline at `y`; a halo separates them from the background."""
    style = ' font-weight="bold"' if bold else ""
    style += ' stroke="white" stroke-width="3" paint-order="stroke"' if halo else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}"{style}>{escape(words)}</text>'
