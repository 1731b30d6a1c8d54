"""Flow of a clip: units, order, sizes, and what is refused."""

import pytest
import torch
from rife_video.rife_core.inference.flow import estimate_flow
from rife_video.rife_core.inference.rife import build_network
from support import moving_square
from torch.testing import assert_close


def test_it_is_the_networks_own_flow(network):
    clip = torch.rand(3, 128, 128, 3)
    flow = estimate_flow(network, clip, 0.25)
    images = clip.permute(0, 3, 1, 2)
    with torch.no_grad():
        for pair in range(2):
            own = network.flow_pyramid(images[pair : pair + 1], images[pair + 1 : pair + 2], 0.25)
            assert_close(flow[pair], own[-1].flow[0])


def test_both_ends_are_moments_too_and_nothing_is_kept_for_gradients(network):
    clip = torch.rand(2, 16, 16, 3)
    ends = [estimate_flow(network, clip, timestep) for timestep in (0, 1)]
    assert not torch.allclose(*ends)
    assert not any(flow.requires_grad for flow in ends)


@pytest.mark.parametrize("size", [(1, 1), (36, 52), (130, 20)])
def test_any_size(network, size):
    flow = estimate_flow(network, torch.rand(2, *size, 3))
    assert flow.shape == (1, 4, *size)
    assert flow.isfinite().all()


def test_scale_and_progress(network):
    seen = []
    clip = moving_square(3)
    plain = estimate_flow(network, clip, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert not torch.allclose(estimate_flow(network, clip, scale=0.5), plain)


def test_a_network_that_knows_the_midpoint(midpoint_network):
    assert estimate_flow(midpoint_network, torch.rand(2, 16, 16, 3)).shape == (1, 4, 16, 16)
    with pytest.raises(ValueError, match=r"takes 0\.5 only"):
        estimate_flow(midpoint_network, torch.rand(2, 16, 16, 3), 0.3)


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (torch.rand(1, 16, 16, 3), {}, "at least two frames"),
        (torch.rand(0, 16, 16, 3), {}, "at least two frames"),
        (torch.rand(2, 16, 16, 4), {}, "3 channels"),
        (torch.rand(16, 16, 3), {}, "3 channels"),
        (torch.rand(2, 16, 16, 3), {"timestep": 1.5}, "takes 0 to 1"),
        (torch.rand(2, 16, 16, 3), {"scale": 3.0}, "must be one of"),
    ],
)
def test_refused(frames, options, message):
    network = build_network("4.25.lite").eval()
    with pytest.raises(ValueError, match=message):
        estimate_flow(network, frames, **options)
