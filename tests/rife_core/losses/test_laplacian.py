"""LapLoss: the distance of two Laplacian pyramids."""

import pytest
import torch
from rife_video.rife_core.losses.laplacian import LapLoss, lap_loss

pytestmark = pytest.mark.usefixtures("seeded")


def images(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, *shape, generator=generator, dtype=dtype)


def test_laplacian_sees_detail_but_not_a_constant():
    a, _ = images(1, 3, 40, 40)
    assert lap_loss(a, a + 0.2) < 1e-5
    assert lap_loss(a, a.flip(3)) > 0.1


def test_laplacian_levels_add_up():
    a, b = images(1, 3, 40, 40)
    losses = [LapLoss(max_levels=levels)(a, b).item() for levels in range(1, 6)]
    assert losses == sorted(losses)
    assert len(set(losses)) == 5


@pytest.mark.parametrize(("height", "width"), [(33, 33), (34, 61), (128, 35)])
def test_laplacian_takes_odd_sizes(height, width):
    a, b = images(2, 3, height, width)
    assert 0 < lap_loss(a, b) < 2
