"""By pairs of rows a convolution gives what it gives of the whole picture."""

import copy

import pytest
import torch
from rife_video.rife_core.networks.block import IFBlock
from rife_video.rife_core.ops import winograd_conv
from rife_video.rife_core.ops.winograd_conv import EvenOddRows, WinogradConv2d
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("size", [(8, 5), (2, 3)])
@torch.no_grad()
def test_rows_of_a_convolution(size):
    layer = WinogradConv2d(4, 6)
    x = torch.randn(2, 4, *size)
    rows = layer.by_rows(EvenOddRows.of(x))
    assert_close(rows.plus(torch.zeros(2, 6, *size)), layer(x))


@torch.no_grad()
def test_without_onednn(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    test_rows_of_a_convolution.__wrapped__((8, 5))


@torch.no_grad()
def test_weights_that_change():
    layer = WinogradConv2d(4, 4)
    rows = EvenOddRows.of(x := torch.randn(1, 4, 6, 5))
    nothing = torch.zeros_like(x)
    before = layer.by_rows(rows).plus(nothing)
    layer.weight.mul_(2)
    assert_close(layer.by_rows(rows).plus(nothing), layer(x))
    assert not torch.allclose(layer.by_rows(rows).plus(nothing), before)
    layer.load_state_dict(WinogradConv2d(4, 4).state_dict())
    assert_close(layer.by_rows(rows).plus(nothing), layer(x))
    other = copy.deepcopy(layer)
    other.weight.zero_()
    assert_close(other.by_rows(rows).plus(nothing), other(x))
    assert_close(layer.by_rows(rows).plus(nothing), layer(x))


def test_weights_made_in_inference_mode():
    with torch.inference_mode():
        layer = WinogradConv2d(4, 4)
        x = torch.randn(1, 4, 6, 5)
        assert_close(layer.by_rows(EvenOddRows.of(x)).plus(torch.zeros_like(x)), layer(x))


@pytest.mark.parametrize("size", [(64, 48), (56, 40)])  # 8 x 6 in the trunk, and 7 x 5: odd
def test_a_block(monkeypatch, size):
    monkeypatch.setattr(winograd_conv, "_PIXELS", 1)
    monkeypatch.setattr(winograd_conv, "_CHANNELS", 1)
    block = IFBlock(6, 16)
    x, calls = torch.rand(1, 6, *size), []
    expected = block(x, None, 2)
    monkeypatch.setattr(winograd_conv, "uses_cpu_bf16_ops", lambda *_: True)
    with torch.no_grad():
        block(x, None, 2)  # compared with the plain form on a sample, once
    by_rows = WinogradConv2d.by_rows
    monkeypatch.setattr(WinogradConv2d, "by_rows", lambda *args: calls.append(1) or by_rows(*args))
    with torch.no_grad():
        assert_close(block(x, None, 2), expected)
    assert len(calls) == (8 if size[0] == 64 else 0)
