"""At the corners between pixels the same values arise as in the pixels."""

import pytest
import torch
import torch.nn.functional as F
from rife_video.rife_core.ops import transposed_conv
from rife_video.rife_core.ops.prelu import PReLU
from rife_video.rife_core.ops.transposed_conv import conv_transpose2x, conv_transpose2x_then_conv
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(autouse=True)
def without_onednn_too(monkeypatch):
    monkeypatch.setattr(
        transposed_conv, "uses_cpu_conv_forms", lambda *_: not torch.is_grad_enabled()
    )


@pytest.mark.parametrize(("cell", "channels"), [(1, None), (1, 2), (2, None), (2, 3)])
@pytest.mark.parametrize("size", [(4, 5), (1, 3)])
def test_doubling(size, cell, channels):
    deconv = nn.ConvTranspose2d(6, 5 * cell**2, 4, 2, 1)
    x = torch.randn(2, 6, *size)
    expected = F.pixel_shuffle(deconv(x), cell)[:, :channels]
    assert torch.equal(conv_transpose2x(x, deconv, cell, channels), expected)
    with torch.no_grad():
        assert_close(conv_transpose2x(x, deconv, cell, channels), expected)


@pytest.mark.parametrize("size", [(4, 5), (1, 1)])
def test_doubling_and_convolving(size):
    layer = nn.Sequential(nn.ConvTranspose2d(6, 4, 4, 2, 1), PReLU(4))
    nn.init.uniform_(layer[1].weight, -2, 2)
    conv = nn.Conv2d(4, 3, 3, 1, 1)
    x = torch.randn(2, 6, *size)
    expected = conv(layer(x))
    assert torch.equal(conv_transpose2x_then_conv(x, layer, conv), expected)
    with torch.no_grad():
        assert_close(conv_transpose2x_then_conv(x, layer, conv), expected)
