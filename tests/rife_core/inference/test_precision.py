"""Weights in a shorter format."""

import pytest
import torch
from rife_video.rife_core.inference.precision import set_precision
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("kind", ["plain", "transposed"])
def test_even_areas(kind):
    """Where all pixels are alike, a layer with rounded kernels is less wrong."""
    kinds = {"plain": nn.Conv2d, "transposed": nn.ConvTranspose2d}
    size = {"plain": (3, 1, 1), "transposed": (4, 2, 1)}[kind]
    layer = kinds[kind](32, 32, *size, bias=False)
    even = torch.rand(1, 32, 1, 1).expand(1, 32, 6, 6)
    with torch.no_grad():
        expected = layer(even)[..., 2:-2, 2:-2]
        nearest = layer.weight.bfloat16().float()
        set_precision(layer, torch.bfloat16)
        error = (layer.float()(even)[..., 2:-2, 2:-2] - expected).norm()
        layer.weight.copy_(nearest)
        usual = (layer(even)[..., 2:-2, 2:-2] - expected).norm()
    assert error < 0.65 * usual


def test_float32_is_left_alone():
    layer = nn.Conv2d(3, 5, 3)
    before = layer.weight.clone()
    set_precision(layer, torch.float32)
    assert_close(layer.weight.detach(), before, atol=0, rtol=0)
