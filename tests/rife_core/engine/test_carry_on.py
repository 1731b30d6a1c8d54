"""Motion that is carried on into a cut."""

from fractions import Fraction

import pytest
import torch
from rife_video.nodes.host import RIFEModel
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.timeline import Timeline
from support import drawn_disc, texture

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
