"""Shapes of layers: distances that can be told by hand."""

import math

import torch
from rife_video.rife_core.training.shapes import Shapes, relative_to, rotation, transform
from rife_video.rife_core.training.textures import Draw
from torch.testing import assert_close


def shape(square):
    """One shape without lobes, bars or stretching: round, or a box."""
    shapes = Shapes(Draw(torch.Generator().manual_seed(0)), (1, 1))
    shapes.turn = torch.eye(2).expand(1, 1, 2, 2)
    shapes.square = torch.full((1, 1, 1, 1), square)
    shapes.aspect = torch.ones(1, 1, 1, 1)
    shapes.lobes = torch.zeros_like(shapes.lobes)
    shapes.bars = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    return shapes


def points(*pairs):
    x, y = torch.tensor(pairs, dtype=torch.float32).T
    return x.reshape(1, 1, 1, -1), y.reshape(1, 1, 1, -1)


def test_a_disc_and_a_box_of_ten_pixels():
    at = points((0, 0), (3, 4), (4, 4), (6, 0))
    extent = torch.tensor([[10.0]])
    disc = shape(0.0).distance(at, extent).flatten()
    assert_close(disc, torch.tensor([5, 0, 5 - math.sqrt(32), -1]), atol=1e-4, rtol=0)
    box = shape(1.0).distance(at, extent).flatten()
    assert_close(box, torch.tensor([5.0, 1, 1, -1]), atol=1e-4, rtol=0)


def test_bars_are_cut_out():
    bars = shape(0.0)
    bars.bars, bars.bar_width = torch.ones_like(bars.bars), torch.tensor(10.0)
    distance = bars.distance(points((0, 0), (5, 0)), torch.tensor([[100.0]])).flatten()
    assert_close(distance, torch.tensor([3.0, -2.0]))


def test_points_turn_about_an_origin():
    quarter = rotation(torch.tensor([[math.pi / 2]]))
    x, y = transform(quarter, relative_to(points((3, 1)), torch.tensor([[[1.0, 1.0]]])))
    assert_close(torch.stack((x, y)).flatten(), torch.tensor([0.0, 2.0]), atol=1e-6, rtol=0)
