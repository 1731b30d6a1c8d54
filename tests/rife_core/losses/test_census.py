"""Ternary: the census loss."""

import pytest
import torch
from rife_video.rife_core.losses.census import ternary

pytestmark = pytest.mark.usefixtures("seeded")


def images(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, *shape, generator=generator, dtype=dtype)


def test_ternary_hardly_sees_brightness_but_sees_structure():
    a, b = images(1, 3, 32, 32)
    assert ternary(a, a + 0.1)[..., 3:-3, 3:-3].max() < 1e-6  # patches end at the border
    assert ternary(a, b)[..., 1:-1, 1:-1].mean() > 0.05
    assert ternary(a, b)[..., 0, :].abs().max() == 0
