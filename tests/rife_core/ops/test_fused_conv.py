"""A residual convolution in bfloat16 adds as it convolves."""

import pytest
import torch
from rife_video.rife_core.networks.layers import ResConv
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("groups", [1, 2])
def test_a_residual_convolution_in_bfloat16(groups):
    layer = ResConv(8, groups)
    with torch.no_grad():
        layer.beta.uniform_(0.2, 2)
        x = torch.randn(2, 8, 9, 7).to(memory_format=torch.channels_last)
        expected = torch.nn.functional.leaky_relu(x + layer.conv(x) * layer.beta, 0.2)
        before = x.bfloat16()
        made = layer.to(torch.bfloat16)(given := before.clone())
    assert torch.equal(given, before)
    assert_close(made.float(), expected, atol=0.03, rtol=0.02)
