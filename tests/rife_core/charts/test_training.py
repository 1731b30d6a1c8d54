"""Pictures of a training: previews as PNG, curves and bars as SVG."""

import io
from xml.etree import ElementTree

import av
import pytest
import torch
from rife_video.rife_core.charts.png import encode_png as png
from rife_video.rife_core.charts.training import (
    Curve,
    bars_svg,
    curve_svg,
    lines_svg,
    preview_png,
)
from torch.testing import assert_close

SVG = "{http://www.w3.org/2000/svg}"


def decoded(data):
    with av.open(io.BytesIO(data)) as file:
        return torch.from_numpy(next(file.decode(video=0)).to_ndarray(format="rgb24")) / 255


def points(picture):
    lines = ElementTree.fromstring(picture).findall(f"{SVG}polyline")
    return [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in lines]


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 3)])
def test_a_png_holds_the_pixels(size):
    image = torch.rand(*size, 3)
    assert_close(decoded(png(image)), image, atol=0.5 / 255 + 1e-6, rtol=0)


def test_values_beyond_the_range_are_clamped():
    image = torch.tensor([[[-1.0, 0.5, 2.0]]])
    assert decoded(png(image)).flatten().tolist() == pytest.approx([0, 0.5, 1], abs=0.003)


def test_a_preview_has_samples_side_by_side():
    rows = [torch.full((3, 3, 4, 5), level) for level in (0.2, 0.8)]
    rows[0][1] = 0.4
    picture = decoded(preview_png(rows))
    assert picture.shape == (8, 15, 3)
    assert picture[0, 6].tolist() == pytest.approx([0.4] * 3, abs=0.003)
    assert picture[4, 0].tolist() == pytest.approx([0.8] * 3, abs=0.003)


def test_curves_rise_where_their_values_do():
    up, down = (points(curve_svg([Curve("c", list(enumerate(ys)))]))[0] for ys in ([1, 2], [2, 1]))
    assert up[0][0] < up[1][0]
    assert up[0][1] > up[1][1]  # y counts downwards
    assert down[0][1] < down[1][1]


def test_stages_are_named_once_where_they_begin():
    picture = curve_svg([Curve("c", [(0, 1), (1, 2)])], [(0, "tied"), (0.5, "tied"), (1, "whole")])
    assert picture.count(">tied<") == picture.count(">whole<") == 1


@pytest.mark.parametrize("curve", [Curve("none", []), Curve("one", [(3, 1.0)])])
def test_a_log_that_has_just_begun_gives_a_picture(curve):
    ElementTree.fromstring(curve_svg([curve]))


def test_bars_are_as_tall_as_their_values():
    picture = ElementTree.fromstring(bars_svg("t", ["a", "b"], [("x", [2.0, 4.0])]))
    low, high = (float(bar.get("height")) for bar in picture.findall(f"{SVG}rect")[1:3])
    assert high / low == pytest.approx((4 - 1.8) / (2 - 1.8), rel=0.01)
    assert ElementTree.tostring(picture).count(b"4.0") == 1


def test_small_charts_share_their_axes_and_colours():
    charts = [(n, [Curve("here", [(1, 1.0), (10, y)])]) for n, y in (("a", 2.0), ("b", 4.0))]
    picture = lines_svg("t", charts)
    (a0, a1), (b0, b1) = points(picture)
    assert a0[1] == b0[1]
    assert b0[1] - b1[1] == pytest.approx(3 * (a0[1] - a1[1]), rel=0.01)
    assert picture.count("#4269d0") == 3  # two lines and one entry of the legend
