"""Pictures of flow, errors and curves: known colours, known places."""

import math

import pytest
import torch
from rife_video.rife_core.charts.pictures import flow_picture, heat_picture, plot
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def colour(dx, dy, largest=1.0):
    return flow_picture(torch.tensor([dx, dy]).reshape(1, 2, 1, 1), largest).flatten()


def test_directions_have_their_colours():
    red, yellow, cyan, blue = (colour(*way) for way in ((1.0, 0), (0, 1.0), (-1.0, 0), (0, -1.0)))
    assert_close(red, torch.tensor([1.0, 0, 0]))
    assert yellow[:2].min() > 0.9
    assert yellow[2] == 0
    assert cyan[0] == 0
    assert cyan[1:].min() > 0.7
    assert blue.argmax() == 2
    assert blue[1] == 0


def test_all_colours_of_one_speed_are_full():
    angles = torch.arange(360) * math.pi / 180
    flow = torch.stack((angles.cos(), angles.sin())).reshape(1, 2, 1, 360)
    picture = flow_picture(flow)
    assert_close(picture.amax(-1), torch.ones(1, 1, 360), atol=1e-5, rtol=0)
    assert_close(picture.amin(-1), torch.zeros(1, 1, 360), atol=1e-5, rtol=0)
    jumps = (picture - picture.roll(1, 2)).abs().amax()
    assert jumps < 0.1  # no seam where the angle wraps around


def test_slow_is_pale_and_the_fastest_sets_the_scale():
    flow = torch.zeros(1, 2, 1, 3)
    flow[0, 0, 0] = torch.tensor([0.0, 5.0, 10.0])
    assert_close(flow_picture(flow)[0, 0, :, 1], torch.tensor([1.0, 0.5, 0.0]))
    assert_close(flow_picture(flow, 5)[0, 0, :, 1], torch.tensor([1.0, 0.0, 0.0]))


def test_heat_gets_lighter():
    heat = heat_picture(torch.linspace(0, 2, 50).reshape(1, 1, 1, 50))
    brightness = heat.sum(-1).flatten()
    assert brightness[0] == 0
    assert (brightness.diff() > 0).all()
    assert_close(heat_picture(torch.full((1, 1, 1, 1), 9.0), 2.0), heat[:, :, -1:])
    assert heat_picture(torch.full((1, 1, 1, 1), torch.nan), 1.0).isfinite().all()


def inked(picture):
    """Where a panel is not white, grey or lettered: the curve."""
    return (picture.amax(-1) - picture.amin(-1)) > 0.1


def test_a_curve_rises_where_its_values_do():
    rows = inked(plot({"psnr": [1.0, 2.0, 3.0]})[0]).float().argmax(0)[10:-10]
    assert (rows.diff() <= 0).all()
    assert rows[0] - rows[-1] > 70


def test_each_curve_has_its_panel():
    picture = plot({"a": [1.0], "b": [2.0, 1.0], "c": [math.nan]}, width=320)
    assert picture.shape == (1, 330, 320, 3)
    assert [bool(inked(panel).any()) for panel in picture[0].split(110)] == [True, True, False]


@pytest.mark.parametrize("gap", [math.inf, math.nan])
def test_values_that_are_no_numbers_leave_a_gap(gap):
    columns = inked(plot({"psnr": [1.0, 2.0, gap, 3.0, 4.0]})[0]).any(0)
    assert not columns[200:430].any()
    assert columns[20:150].all()
    assert columns[490:620].all()
    assert plot({"psnr": [gap, gap]}).isfinite().all()


def test_text_differs_with_the_numbers():
    assert not torch.equal(plot({"a": [1.0, 2.0]}), plot({"a": [1.0, 3.0]}))
