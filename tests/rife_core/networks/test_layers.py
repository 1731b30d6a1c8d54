"""The layers that networks are built of."""

import pytest
import torch
from rife_video.rife_core.networks.layers import (
    Conv2,
    ResConv,
    build_head,
    conv,
    deconv,
    leaky_conv,
    separate_head,
)
from rife_video.rife_core.networks.specs import HeadSpec
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
        (Conv2(3, 5), (5, 4, 5)),
        (Conv2(3, 5, 1), (5, 8, 10)),
        (conv(3, 5, 5, 1, 2), (5, 8, 10)),
        (conv(3, 5, 3, 1, 2, 2), (5, 8, 10)),
        (deconv(3, 5, 3, 1, 1), (5, 8, 10)),
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


def test_below_zero_a_fifth_passes():
    layer = leaky_conv(1, 1)
    with torch.no_grad():
        layer[0].weight.zero_()
        for bias, passed in ((-1.0, -0.2), (1.0, 1.0)):
            layer[0].bias.fill_(bias)
            assert_close(layer(torch.rand(1, 1, 3, 3)), torch.full((1, 1, 3, 3), passed))


@torch.no_grad()
def test_both_long_heads_are_one_network_under_two_names():
    named, indexed, short = (
        build_head(HeadSpec(6, 4, layout)) for layout in ("named", "indexed", "short")
    )
    assert [*dict(named.named_children())] == ["cnn0", "cnn1", "cnn2", "cnn3", "relu"]
    numbers = {name.partition(".")[0] for name in indexed.state_dict()}
    assert numbers == {"0", "2", "4", "6"}
    of_named = named.state_dict().values()
    indexed.load_state_dict(dict(zip(indexed.state_dict(), of_named, strict=True)))
    image = torch.rand(1, 3, 8, 10)
    assert_close(indexed(image), named(image))
    for head in (named, short):
        assert head(image).shape == (1, 4, 8, 10)
    assert len(short) == 2


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ((0, 5), "in_planes"),
        ((4097, 5), "in_planes"),
        ((3, 0), "out_planes"),
        ((3, 4097), "out_planes"),
        ((3, 5, 0), "kernel_size"),
        ((3, 5, 65), "kernel_size"),
        ((3, 5, 3, 0), "stride"),
        ((3, 5, 3, 65), "stride"),
        ((3, 5, 3, 1, -1), "padding"),
        ((3, 5, 3, 1, 65), "padding"),
    ],
)
def test_sizes_that_no_layer_can_have(sizes, name):
    for build in (conv, deconv):
        with pytest.raises(ValueError, match=f"^{name} "), torch.device("meta"):
            build(*sizes)


def test_dilation_is_checked_too():
    for dilation in (0, 65):
        with pytest.raises(ValueError, match=r"^dilation "):
            conv(3, 5, dilation=dilation)
    with torch.device("meta"):
        conv(1, 1, 64, 64, 64, 64)
        deconv(1, 1, 1, 1, 0)
        conv(4096, 4096, 1)
