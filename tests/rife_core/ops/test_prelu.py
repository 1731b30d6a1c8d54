"""PReLU in bfloat16."""

import pytest
import torch
from rife_video.rife_core.ops.prelu import PReLU
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("slope", [0.25, 1.5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_prelu_in_bfloat16(slope, layout):
    x = torch.randn(2, 5, 6, 7, dtype=torch.bfloat16).to(memory_format=layout)
    layer = PReLU(5).to(torch.bfloat16)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-0.5, slope, 5))
        expected = torch.nn.functional.prelu(x, layer.weight)
        assert_close(layer(x), expected, atol=0, rtol=0)
