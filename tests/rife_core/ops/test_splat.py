"""Forward warping."""

import pytest
import torch
from rife_video.rife_core.ops.splat import splat
from rife_video.rife_core.ops.warp import warp
from torch.testing import assert_close


def flow_of(dx, dy, height=6, width=9):
    return torch.tensor([float(dx), float(dy)]).reshape(1, 2, 1, 1).expand(1, 2, height, width)


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (2, 1), (-3, 0), (0.5, 0.25), (-1.75, 0.5)])
def test_even_flow_is_the_same_backwards(dx, dy):
    image = torch.rand(1, 2, 6, 9)
    image[..., [0, 1, 2, -3, -2, -1]] = 0  # what would leave the picture, or come from its border
    image[..., [0, 1, -2, -1], :] = 0
    assert_close(splat(image, flow_of(dx, dy)), warp(image, flow_of(-dx, -dy)))


def test_what_leaves_is_lost_and_what_meets_adds_up():
    line = torch.tensor([1.0, 2.0, 4.0, 8.0]).reshape(1, 1, 1, 4)
    assert splat(line, flow_of(-2, 0, 1, 4)).flatten().tolist() == [4, 8, 0, 0]
    meet = torch.zeros(1, 2, 1, 4)
    meet[0, 0] = torch.tensor([2.0, 1.0, 0.0, -1.0])
    assert splat(line, meet).flatten().tolist() == [0, 0, 15, 0]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e30])
def test_places_that_are_none(value):
    flow = torch.zeros(1, 2, 2, 3)
    flow[0, 0, 0, 1] = value
    moved = splat(torch.ones(1, 1, 2, 3), flow)
    assert moved.flatten().tolist() == [1, 0, 1, 1, 1, 1]
