"""The layers that networks are built of."""

import pytest
import torch
from rife_video.rife_core.networks.layers import ResConv, conv, deconv, leaky_conv, separate_head
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (conv(3, 5), (5, 8, 10)),
        (conv(3, 5, stride=2), (5, 4, 5)),
        (leaky_conv(3, 5, 2), (5, 4, 5)),
        (deconv(3, 5), (5, 16, 20)),
        (separate_head(3, 4), (4, 32, 40)),
    ],
)
def test_sizes(layer, size):
    assert layer(torch.rand(2, 3, 8, 10)).shape == (2, *size)


def test_beta_scales_the_residual():
    layer = ResConv(4)
    x = torch.rand(1, 4, 6, 6)
    with torch.no_grad():
        layer.beta.zero_()
        assert_close(layer(x), x)  # positive values pass LeakyReLU as they are
        layer.beta.fill_(2)
        assert_close(layer(-x), torch.nn.functional.leaky_relu(2 * layer.conv(-x) - x, 0.2))
