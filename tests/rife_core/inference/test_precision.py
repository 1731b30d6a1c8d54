"""Weights in a shorter format."""

import pytest
import torch
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.ops.weight_rounding import round_keeping_sum
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounded_kernels(dtype):
    weight = torch.randn(4, 5, 3, 3)
    short = round_keeping_sum(weight, dtype)
    assert short.dtype is dtype
    size = torch.finfo(dtype).eps * weight.abs().amax((2, 3))
    assert ((short - weight).abs().amax((2, 3)) <= 1.01 * size).all()
    # Only what the last tap lost is missing from the sum.
    lost = (short.double() - weight.double()).sum((2, 3)).abs()
    assert (lost <= 1.01 * size).all()
    assert lost.sum() < 0.7 * (weight.to(dtype).double() - weight.double()).sum((2, 3)).abs().sum()


def test_numbers_that_fit_stay():
    weight = torch.randn(4, 5, 3, 3).bfloat16()
    assert torch.equal(round_keeping_sum(weight.float(), torch.bfloat16), weight)


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
