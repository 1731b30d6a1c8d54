"""A residual convolution in bfloat16 adds as it convolves."""

import pytest
import torch
from rife_video.rife_core.networks.layers import ResConv
from rife_video.rife_core.ops import fused_conv
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


@pytest.mark.parametrize("takes", [True, False])
def test_where_onednn_refuses_bfloat16_it_is_not_asked(monkeypatch, takes):
    """It needs AVX-512 for that, which processors of 2024 still come without."""
    monkeypatch.setattr(fused_conv, "_onednn_takes_bfloat16", lambda: takes)
    x = torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16)
    with torch.no_grad():
        assert fused_conv._has_onednn_for(x, x) is takes
