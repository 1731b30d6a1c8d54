"""Sampling on devices without a border mode."""

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.ops import grid_sample as sampling
from rife_video.rife_core.timeline import Timeline
from support import fill, moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=3, height=34, width=50)
GAINS = [(name, 0.2) for name in ("lastconv", "conv1.2.", "conv2.2.")]


def frames(network, clip=CLIP, multiplier=3, **options):
    return interpolate(network, clip, Timeline.multiply(multiplier), **options)


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
