"""Kernels rounded so that their sum stays."""

import pytest
import torch
from rife_video.rife_core.ops.weight_rounding import round_keeping_sum

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
