"""SOBEL: known edges of known pictures."""

import torch
from rife_video.rife_core.losses.edges import SOBEL, sobel
from torch.testing import assert_close

FLAT = torch.zeros(1, 1, 5, 5)


def test_a_step_has_one_edge_of_its_height():
    step = FLAT.clone()
    step[..., 2:] = 0.5
    inside = sobel(step, FLAT)[0, 0, 1:-1]
    assert_close(inside[:, :4], torch.tensor([0.0, 2, 2, 0]).expand(3, 4))


def test_horizontal_and_vertical_edges_add_up():
    corner = FLAT.clone()
    corner[..., 2:, 2:] = 1
    there = sobel(corner, FLAT)[0, 0, 1:-1, 1:-1]
    assert_close(there, torch.tensor([[2.0, 4, 4], [4, 6, 4], [4, 4, 0]]))
    assert_close(there, sobel(corner.mT, FLAT)[0, 0, 1:-1, 1:-1].T)


def test_channels_are_compared_one_by_one():
    a, b = torch.rand(2, 2, 3, 8, 9)
    found = SOBEL()(a, b)
    assert found.shape == (6, 1, 8, 9)
    assert_close(found[4:5], sobel(a[1:, 1:2], b[1:, 1:2]))
