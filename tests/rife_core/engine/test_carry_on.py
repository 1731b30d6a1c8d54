"""Motion that is carried on into a cut."""

from fractions import Fraction

import pytest
import torch
from rife_video.nodes.host import RIFEModel
from rife_video.rife_core.engine.carry_on import CarriedEstimate
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.timeline import Timeline
from support import drawn_disc, texture
from torch.testing import assert_close

RULES = SceneRules("carry_on", frozenset({4}))


def clip_with_a_cut(speed=6):
    after = texture(2, 48, 112)
    return torch.stack([drawn_disc(k * speed) for k in range(3)] + [after] * 2)


def error(a, b):
    return float((a - b).square().mean())


@pytest.fixture(scope="module")
def default():
    return RIFEModel.load("default", "fp32").network


@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_a_disc_goes_on_evenly(default, kind):
    clip, report = clip_with_a_cut(), Report()
    given = clip if kind == torch.float32 else (clip * 255).round().byte()
    output = interpolate(default, given, Timeline.multiply(4), scenes=RULES, report=report)
    assert output.dtype == kind
    assert torch.equal(output[::4], given)
    assert report.scenes.cuts == [4]
    assert report.made == 12  # of 16: those of the last pair, too
    shown = output.float() / (1 if kind == torch.float32 else 255)
    for k in (1, 2, 3):
        true = drawn_disc(12 + 6 * k / 4)
        # Measured: a tenth to a fiftieth of the held frame's.
        assert error(shown[8 + k], true) < error(clip[2], true) / 5


def test_a_pan_goes_on_evenly(default):
    wide = texture(1, 48, 140)
    clip = torch.stack(
        [wide[:, 24 - 8 * k : 136 - 8 * k] for k in (0, 1, 2)] + [texture(2, 48, 112)]
    )
    half = interpolate(default, clip, Timeline.multiply(2), scenes=RULES)[5]
    true = wide[:, 4:116]
    assert error(half[:, 8:], true[:, 8:]) < error(clip[2][:, 8:], true[:, 8:]) / 10
    assert error(half, true) < error(clip[2], true) / 2  # the border that comes in is filled


@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
def test_what_stands_still_is_held(request, kind):
    """Whatever the network, equal frames have no motion to carry on."""
    network = request.getfixturevalue(kind)
    still = texture(3, 32, 48)
    clip = torch.stack([still] * 3 + [texture(4, 32, 48)])
    output = interpolate(network, clip, Timeline.multiply(4), scenes=RULES)
    assert len(output) == 13
    assert torch.equal(output[::4], clip)
    assert bool(output.isfinite().all())


@pytest.mark.parametrize("cuts", [{2}, {4, 5}])
def test_a_scene_of_one_frame_is_held(network, cuts):
    clip = clip_with_a_cut()
    rules = SceneRules("carry_on", frozenset(cuts))
    output = interpolate(network, clip, Timeline.multiply(2), scenes=rules)
    last = max(cuts) - 2
    assert torch.equal(output[2 * last + 1], clip[last])


def test_alpha_goes_along(default):
    clip = clip_with_a_cut()
    clip = torch.cat((clip, clip[..., :1]), -1)
    output = interpolate(default, clip, Timeline.multiply(2), scenes=RULES)
    true = drawn_disc(15)[..., 0]
    assert error(output[5, ..., 3], true) < error(clip[2, ..., 3], true) / 5


def test_a_step_over_several_frames_goes_on_at_its_speed(default):
    """Drawings on twos: the motion of a step lasted for two frames."""
    clip = torch.stack([drawn_disc(x) for x in (0, 0, 8, 8, 16)] + [texture(2, 48, 112)])
    rules = SceneRules("carry_on", frozenset({6}), "retime")
    output = interpolate(default, clip, Timeline(Fraction(1, 2)), scenes=rules)
    there, far = drawn_disc(18), drawn_disc(20)
    assert error(output[9], there) < error(output[9], far) / 2


def moved(channels, onward):
    """Channels of two frames between which nothing moves, moved by `onward`."""
    still = torch.zeros(len(onward), 4, *onward.shape[2:])
    estimate = CarriedEstimate(still, still, channels, channels, onward=onward)
    return estimate.carry(channels, channels)


def to_the_right(width, pixels):
    """A flow 1 2 1 W."""
    return torch.stack((torch.tensor(pixels), torch.zeros(width)))[None, :, None]


def test_what_moves_most_covers_what_it_meets():
    """Its weight is e to 10 d / (1 + d), d pixels from what moves as most does."""
    row = torch.tensor([0.2, 0.9, 0.4, 0.6, 0.8])[None, None, None]
    met = moved(row, to_the_right(5, [0, 1.0, 0, 0, 0]))[0, 0, 0, 2]
    assert_close(met, (0.9 * torch.tensor(5.0).exp() + 0.4) / (torch.tensor(5.0).exp() + 1))


def test_what_covers_is_told_for_each_frame_of_a_batch():
    rows, flows = torch.rand(3, 1, 1, 6), [[0, 3.0, 0, 0, 0, 0], [0.5] * 6, [0, 0, 9, 0, 1.0, 0]]
    onward = torch.cat([to_the_right(6, each) for each in flows])
    alone = [moved(row[None], flow[None]) for row, flow in zip(rows, onward, strict=True)]
    assert_close(moved(rows, onward), torch.cat(alone))


@pytest.mark.parametrize(("height", "width", "pixels"), [(5, 7, 3), (4, 40, 33), (40, 4, 3)])
def test_what_appears_is_filled_from_around_it_however_wide(height, width, pixels):
    onward = torch.zeros(1, 2, height, width)
    onward[:, 0] = pixels
    grey = torch.full((1, 1, height, width), 0.5)
    assert_close(moved(grey, onward), grey)


def test_a_picture_that_has_left_is_black():
    left = torch.full((1, 2, 4, 6), 99.0)
    assert not moved(torch.ones(1, 1, 4, 6), left).any()
