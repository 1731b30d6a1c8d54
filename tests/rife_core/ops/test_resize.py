"""Resizing equals PyTorch's."""

import pytest
import torch
from rife_video.rife_core.ops.resize import _by_products, _plain, resize
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 32, 1 / 2, 1 / 3, 1 / 4, 1 / 32, 1.5, 0.75])
@pytest.mark.parametrize("size", [(32, 64), (15, 20), (1, 7)])
def test_resizing_is_that_of_pytorch(factor, size):
    x = torch.randn(2, 5, *size)[:, 1:4]
    if not 1 <= min(size) * factor < 1000:
        return
    expected = torch.nn.functional.interpolate(
        x, scale_factor=factor, mode="bilinear", align_corners=False
    )
    with torch.no_grad():
        assert_close(resize(x, factor), expected, atol=2e-5, rtol=0)
    assert_close(resize(x, factor), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("factor", "size"),
    [(2, (24, 40)), (3, (5, 7)), (32, (8, 15)), (1 / 2, (32, 48)), (1 / 16, (64, 96))],
)
def test_products_give_what_interpolation_does_forwards_and_backwards(factor, size):
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    made, expected = (form(x, factor) for form in (_by_products, _plain))
    assert_close(made, expected, atol=1e-12, rtol=0)
    by = torch.randn_like(expected)
    gradients = [torch.autograd.grad(each, x, by)[0] for each in (made, expected)]
    assert_close(*gradients, atol=1e-11, rtol=0)


def test_products_are_not_rounded_under_autocast():
    x = torch.rand(1, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(_by_products(x, 4), _plain(x, 4), atol=1e-6, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("factor", [2, 16, 1 / 2, 1 / 16])
def test_a_device_learns_through_resizing(factor):
    x = torch.rand(2, 5, 32, 48, device="cuda", requires_grad=True)
    made, expected = resize(x, factor), _plain(x, factor)
    assert_close(made, expected, atol=1e-5, rtol=0)
    gradients = [torch.autograd.grad(each.square().sum(), x)[0] for each in (made, expected)]
    assert_close(*gradients, atol=1e-3, rtol=1e-4)
