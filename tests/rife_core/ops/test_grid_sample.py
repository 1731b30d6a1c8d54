"""Sampling on devices without a border mode, and at places that are NaN or infinite."""

import math

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.ops import grid_sample as sampling
from rife_video.rife_core.ops.warp import warp
from rife_video.rife_core.timeline import Timeline
from support import GAINS, fill, moving_square
from torch.testing import assert_close

SIZE = (5, 7)
CLIP = moving_square(frames=3, height=34, width=50)


def frames(network, clip=CLIP, multiplier=3, **options):
    return interpolate(network, clip, Timeline.multiply(multiplier), **options)


@pytest.mark.long
@pytest.mark.parametrize("version", ["4.26", "rife_m"])
def test_devices_without_a_border_mode_make_the_same_frames(version, monkeypatch):
    """MPS is one; there the samples' places are clamped instead."""
    network = fill(build_network(version), GAINS).eval()
    clip = 3 * torch.randn(2, 60, 70, 3)
    expected = frames(network, clip)
    modes = []

    def sample(input, grid, mode, padding, align_corners):
        modes.append(padding)
        return grid_sample(input, grid, mode, padding, align_corners)

    grid_sample = torch.nn.functional.grid_sample
    monkeypatch.setattr(sampling, "_NO_BORDER_MODE", ("cpu",))
    monkeypatch.setattr(torch.nn.functional, "grid_sample", sample)
    assert_close(frames(network, clip), expected, atol=1e-4, rtol=0)
    assert set(modes) == {"zeros"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38])
def test_bad_flow_on_a_cpu(value):
    """PyTorch's own backward pass reads outside of memory there, which ends the process."""
    image = torch.rand(1, 3, *SIZE, requires_grad=True)
    values = torch.zeros(1, 2, *SIZE)
    values[0, 0, 2, 3] = value
    flow = values.requires_grad_()
    result = warp(image, flow)
    assert result[0, :, 2, 3].isnan().all() == math.isnan(value)
    assert result.isnan().sum() == (3 if math.isnan(value) else 0)
    if not math.isnan(value):
        edge = 6 if value > 0 else 0
        assert torch.equal(result[0, :, 2, 3], image[0, :, 2, edge])
    result.nan_to_num().sum().backward()
    assert image.grad.isfinite().all()
    others = torch.ones(SIZE, dtype=torch.bool)
    others[2, 3] = False
    assert flow.grad[..., others].isfinite().all()


def test_many_bad_places_do_no_harm():
    flow = torch.full((2, 2, 64, 64), math.nan, requires_grad=True)
    image = torch.rand(2, 3, 64, 64, requires_grad=True)
    for _ in range(20):
        warp(image, flow).nan_to_num().sum().backward()
    assert not image.grad.any()


def test_nan_is_seen_without_gradients():
    flow = torch.zeros(1, 2, *SIZE)
    flow[0, 1, 0, 0] = math.nan
    with torch.no_grad():
        assert warp(torch.rand(1, 3, *SIZE), flow).isnan().sum() == 3
