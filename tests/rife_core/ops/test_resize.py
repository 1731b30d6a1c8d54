"""Resizing equals PyTorch's."""

import pytest
import torch
from rife_video.rife_core.ops.resize import resize
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
