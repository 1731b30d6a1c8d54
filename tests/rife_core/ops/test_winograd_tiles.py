"""By tiles a chain of convolutions gives what it gives plainly."""

import copy
import warnings

import pytest
import torch
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.networks.block import IFBlock
from rife_video.rife_core.networks.layers import ResConv, conv, leaky_conv
from rife_video.rife_core.ops import winograd_tiles
from rife_video.rife_core.ops.dispatch import plain_ops
from rife_video.rife_core.ops.winograd_tiles import conv_chain, is_faster_for
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded", "small")


@pytest.fixture
def small(monkeypatch):
    """Small tensors take tiles, and none steps aside."""
    monkeypatch.setattr(winograd_tiles, "_CHANNELS", 1)
    monkeypatch.setattr(winograd_tiles, "_TILES", 1)
    for library in (torch.backends.mkl, torch.backends.mkldnn):
        monkeypatch.setattr(library, "is_available", lambda: True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.fixture
def calls(monkeypatch):
    """The sizes that tiles are asked for."""
    found, form = [], winograd_tiles._conv_chain
    by_tiles = form.fast
    monkeypatch.setattr(
        form, "fast", lambda layers, x: found.append(x.shape) or by_tiles(layers, x)
    )
    monkeypatch.setattr(form, "proven", {nn.Sequential, ResConv})
    return found


def chain(layer, channels, count=3):
    layers = nn.Sequential(*(layer(channels) for _ in range(count)))
    for each in layers.modules():
        if isinstance(each, nn.PReLU):
            nn.init.uniform_(each.weight, -0.5, 1.5)
        if isinstance(each, ResConv):
            nn.init.uniform_(each.beta, -0.5, 0.5)
    return layers


LAYERS = {
    "prelu": lambda channels: conv(channels, channels),
    "leaky": lambda channels: leaky_conv(channels, channels),
    "beta": ResConv,
}


@pytest.mark.parametrize("band", [1, 15, 128])
@pytest.mark.parametrize("size", [(2, 10, 13, 18), (1, 8, 4, 4), (1, 3, 1, 1), (1, 12, 30, 7)])
@pytest.mark.parametrize("layer", LAYERS)
@torch.no_grad()
def test_known_answers(monkeypatch, calls, layer, size, band):
    monkeypatch.setattr(winograd_tiles, "_BAND", band)
    layers, x = chain(LAYERS[layer], size[1]), torch.randn(size)
    exact = copy.deepcopy(layers).double()(x.double())
    assert_close(conv_chain(layers, x.clone()), exact.float(), atol=5e-6, rtol=5e-6)
    strided = x.to(memory_format=torch.channels_last)
    assert_close(conv_chain(layers, strided), exact.float(), atol=5e-6, rtol=5e-6)
    assert calls == [size, size]


@torch.no_grad()
def test_rounding_is_near_that_of_the_plain_form():
    layers, x = chain(LAYERS["leaky"], 64, 1), torch.randn(1, 64, 24, 24)
    exact = copy.deepcopy(layers).double()(x.double())
    errors = [(made - exact).square().mean().sqrt() for made in (conv_chain(layers, x), layers(x))]
    assert errors[0] < 3 * errors[1]


@torch.no_grad()
def test_weights_that_change(calls):
    layers, x = chain(ResConv, 8, 1), torch.randn(1, 8, 6, 5)
    for parameter in (layers[0].conv.weight, layers[0].beta, layers[0].conv.bias):
        conv_chain(layers, x)
        parameter.mul_(-2).add_(0.1)
        assert_close(conv_chain(layers, x), layers(x), atol=5e-6, rtol=5e-6)
    set_precision(layers, torch.bfloat16)
    set_precision(layers, torch.float32)
    assert_close(conv_chain(layers, x), layers(x), atol=5e-6, rtol=5e-6)
    assert len(calls) == 7


def test_weights_made_in_inference_mode(calls):
    with torch.inference_mode():
        layers, x = chain(ResConv, 8), torch.randn(1, 8, 6, 5)
        assert_close(conv_chain(layers, x), layers(x), atol=5e-6, rtol=5e-6)
    with torch.no_grad():
        assert_close(conv_chain(layers, x), layers(x), atol=5e-6, rtol=5e-6)
    assert len(calls) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("row", "column"), [(5, 6), (7, 15), (0, 3)])
@torch.no_grad()
def test_what_is_not_finite_stays_in_the_tiles_that_read_it(calls, value, row, column):
    layers, x = chain(LAYERS["leaky"], 8, 1), torch.randn(1, 8, 12, 16)
    expected = layers(x)
    x[0, 2, row, column] = value
    made = conv_chain(layers, x)
    read = torch.zeros(12, 16, dtype=torch.bool)
    for top in range(0, 12, 4):
        for left in range(0, 16, 4):
            inside = top - 1 <= row <= top + 4 and left - 1 <= column <= left + 4
            read[top : top + 4, left : left + 4] = inside
    assert made[..., read].isnan().all()
    assert_close(made[..., ~read], expected[..., ~read], atol=5e-6, rtol=5e-6)
    assert len(calls) == 1


@torch.no_grad()
def test_what_else_runs_plainly(calls, monkeypatch):
    layers, x = chain(LAYERS["prelu"], 8), torch.randn(1, 8, 6, 5)
    with torch.enable_grad():
        assert conv_chain(layers, x).requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert conv_chain(layers, x).dtype is torch.bfloat16
    with plain_ops():
        conv_chain(layers, x)
    conv_chain(chain(lambda channels: ResConv(channels, 2), 8), x)
    conv_chain(nn.Sequential(), x)
    conv_chain(copy.deepcopy(layers).double(), x.double())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    conv_chain(layers, x)
    assert not calls


@torch.no_grad()
def test_small_ones_are_not_worth_it(monkeypatch):
    monkeypatch.undo()
    assert not is_faster_for(torch.zeros(1, 63, 64, 64))
    assert not is_faster_for(torch.zeros(1, 64, 16, 20))


@torch.no_grad()
def test_where_it_is_wrong_it_steps_aside(monkeypatch):
    monkeypatch.setattr(winograd_tiles, "_FROM_POINTS", 1.01 * winograd_tiles._FROM_POINTS)
    monkeypatch.setattr(winograd_tiles._conv_chain, "proven", set())
    monkeypatch.setattr(winograd_tiles._conv_chain, "off", False)
    layers, x = chain(LAYERS["leaky"], 8), torch.randn(1, 8, 6, 5)
    with pytest.warns(RuntimeWarning, match="'convolution by tiles' is not used"):
        assert torch.equal(conv_chain(layers, x), layers(x))


@pytest.mark.parametrize("trunk", ["residual", "plain", "plain_prelu", "beta"])
def test_a_block(calls, trunk):
    block, x = IFBlock(6, 16, trunk=trunk), torch.rand(1, 6, 64, 48)
    expected = block(x, None, 2)
    with torch.no_grad():
        assert_close(block(x, None, 2), expected, atol=1e-5, rtol=1e-5)
    assert calls == [(1, 16, 8, 6)]
