"""Planes are resized as PyTorch does it, and convolved as if they had been joined."""

import pytest
import torch
from rife_video.rife_core.ops import banded_conv
from rife_video.rife_core.ops.banded_conv import concatenate, convolve_concatenated
from rife_video.rife_core.ops.dispatch import plain_ops
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(params=[torch.float32, torch.bfloat16])
def dtype(request):
    return request.param


@pytest.mark.parametrize("size", [(12, 10), (10, 9), (7, 8), (2, 3)])
def test_planes_by_bands(monkeypatch, size, dtype):
    """Bands of four rows, the last one shorter; two samples; a plane that is one number."""
    monkeypatch.setattr(banded_conv, "_BAND", 4 * size[1])
    parts = [torch.randn(2, 3, *size), torch.randn(2, 1, 1, 1), torch.randn(2, 5, *size).to(dtype)]
    whole = torch.cat([part.to(dtype).expand(-1, -1, *size) for part in parts], 1)
    layer = nn.Sequential(nn.Conv2d(9, 4, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True)).to(dtype)
    expected = layer(whole)
    with torch.no_grad():
        assert torch.equal(concatenate(parts, dtype), whole)
        assert_close(convolve_concatenated(parts, layer), expected)
    assert_close(convolve_concatenated(parts, layer), expected)


@pytest.mark.parametrize("size", [(12, 10), (7, 8)])
def test_large_numbers_are_read_in_two_halves(monkeypatch, size):
    monkeypatch.setattr(banded_conv, "_BAND", 4 * size[1])
    parts, flow = [torch.rand(2, 3, *size).bfloat16()], 100 * torch.rand(2, 4, *size)
    layer = nn.Sequential(nn.Conv2d(7, 4, 3, 2, 1), nn.Identity())
    layer[0].weight.data = layer[0].weight.data.bfloat16().float()
    layer[0].bias.data = layer[0].bias.data.bfloat16().float()
    whole = torch.cat((parts[0].float(), flow), 1)
    with torch.no_grad():
        expected = layer(whole)
        assert_close(convolve_concatenated(parts, layer, flow), expected)
        layer.bfloat16()
        assert_close(
            convolve_concatenated(parts, layer, flow).float(), expected, rtol=2**-8, atol=1e-3
        )
        cut_short = layer(whole.bfloat16()).float()
    assert not torch.allclose(cut_short, expected, rtol=2**-8, atol=1e-3)


@pytest.mark.parametrize("size", [(12, 10), (7, 8)])
@torch.no_grad()
def test_a_flow_in_float32(monkeypatch, size):
    """It fits as it is: nothing is read twice."""
    monkeypatch.setattr(banded_conv, "_BAND", 4 * size[1])
    monkeypatch.setattr(banded_conv, "_CHANNELS_FLOAT32", 1)
    monkeypatch.setattr(banded_conv, "_PIXELS_FLOAT32", 1)
    parts, flow = [torch.rand(2, 3, *size)], 100 * torch.rand(2, 4, *size)
    layer = nn.Sequential(nn.Conv2d(7, 4, 3, 2, 1), nn.Identity())
    with plain_ops():
        expected = convolve_concatenated(parts, layer, flow)
    assert_close(convolve_concatenated(parts, layer, flow), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "rows", "dtype", "by_bands"),
    [
        (16, 512, torch.float32, True),
        (15, 512, torch.float32, False),
        (16, 511, torch.float32, False),
        (1, 2, torch.bfloat16, True),
    ],
)
@torch.no_grad()
def test_small_inputs_in_float32_are_joined(channels, rows, dtype, by_bands):
    layer = nn.Sequential(nn.Conv2d(channels, 4, 3, 2, 1), nn.Identity()).to(dtype)
    part = torch.empty(1).expand(1, channels, rows, 512)
    assert banded_conv._applies_to_conv([part], layer, None) == by_bands
