"""Frames of all kinds through the engine: channels, types, values out of range."""

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.pixel_formats import to_frame, to_image_alpha
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.timeline import Timeline
from support import moving_square

CLIP = moving_square(frames=3, height=20, width=30)
DOUBLE = Timeline.multiply(2)


def test_eight_bit(network):
    bytes_ = (CLIP * 255).round().byte()
    output = interpolate(network, bytes_, DOUBLE)
    assert output.dtype == torch.uint8
    assert torch.equal(output[::2], bytes_)
    exact = interpolate(network, bytes_.float() / 255, DOUBLE)
    assert torch.equal(output, (exact * 255).round().byte())


def test_one_channel(network):
    grey = CLIP[..., :1]
    output = interpolate(network, grey, DOUBLE)
    assert output.shape == (5, 20, 30, 1)
    assert torch.equal(output[::2], grey)
    colour = interpolate(network, grey.expand(-1, -1, -1, 3), DOUBLE)
    assert torch.allclose(output[1, ..., 0], colour[1].mean(-1), atol=1e-6)


def test_opaque_alpha_changes_nothing(network):
    opaque = torch.cat((CLIP, torch.ones_like(CLIP[..., :1])), -1)
    output = interpolate(network, opaque, DOUBLE)
    assert torch.equal(output[::2], opaque)
    assert torch.allclose(output[..., 3], torch.ones(5, 20, 30), atol=1e-6)
    assert torch.allclose(output[..., :3], interpolate(network, CLIP, DOUBLE), atol=1e-5)


@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
def test_alpha_moves_with_the_picture(request, kind):
    """A picture that is its own alpha, premultiplied once, stays so in made frames."""
    network = request.getfixturevalue(kind)
    shape = moving_square(frames=2, height=32, width=48)[..., :1]
    clip = torch.cat((torch.ones(2, 32, 48, 3), shape), -1)
    output = interpolate(network, clip, Timeline.multiply(4))
    white_on_black = interpolate(network, shape.expand(-1, -1, -1, 3), Timeline.multiply(4))
    assert torch.allclose(output[..., 3], white_on_black[..., 0], atol=2e-2)
    seen = output[..., 3] > 0.05
    assert (output[..., :3][seen] - 1).abs().max() < 2e-2


def test_colours_of_clear_pixels_do_not_bleed(network):
    """Under alpha 0 stands a garish colour; it must show nowhere in a made frame."""
    clip = torch.full((2, 32, 48, 4), 0.5)
    for index, left in enumerate((8, 12)):
        clip[index, ..., 3] = 0
        clip[index, 8:24, left : left + 16, 3] = 1
        clip[index, ..., 0] = torch.where(clip[index, ..., 3] > 0, 0.5, 1.0)
    made = interpolate(network, clip, DOUBLE)[1]
    seen = made[..., :3][made[..., 3] > 0.05]
    assert (seen - 0.5).abs().max() < 0.02


def test_planes_make_the_round_trip():
    for channels in (1, 3, 4):
        frame = torch.rand(5, 7, channels)
        frame[..., 3:].clamp_(min=1 / 512)  # colours under less cannot be recovered
        planes = to_image_alpha(frame)
        alpha = None if planes.alpha is None else planes.alpha[0]
        assert torch.allclose(to_frame(planes.image[0], alpha, frame), frame, atol=1e-5)


def test_values_beyond_the_range_are_reported(network):
    clip = CLIP.clone()
    clip[1, 3, 4] = 1.5
    report = Report()
    output = interpolate(network, clip, DOUBLE, report=report)
    assert report.beyond_range == [2]
    assert torch.equal(output[::2], clip)
    assert output[1::2].max() <= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_reported_and_stays_where_it_was(network, value):
    clip = CLIP.clone()
    clip[2, 3, 4] = value
    report = Report()
    output = interpolate(network, clip, DOUBLE, report=report)
    assert report.not_finite == [3]
    assert torch.isfinite(output[:4]).all()
    assert torch.equal(output[4].nan_to_num(7, 8, 9), clip[2].nan_to_num(7, 8, 9))


def test_brightness_does_not_drift(network):
    """Over a chain of 16 times, each made frame stays between its neighbours' brightness."""
    clip = CLIP[:2] * torch.tensor([0.5, 0.9])[:, None, None, None]
    output = interpolate(network, clip, Timeline.multiply(16))
    low, high = sorted((clip[0].mean(), clip[1].mean()))
    assert output.mean((1, 2, 3)).min() > low - 0.02
    assert output.mean((1, 2, 3)).max() < high + 0.02


def test_kept_regions_are_copied_from_the_nearer_frame(network):
    keep = torch.zeros(20, 30)
    keep[:, :8] = 1
    output = interpolate(network, CLIP, Timeline.multiply(4), keep=keep)
    free = interpolate(network, CLIP, Timeline.multiply(4))
    for index, near in ((1, 0), (2, 1), (3, 1)):
        assert torch.equal(output[index, :, :8], CLIP[near, :, :8])
        assert torch.equal(output[index, :, 8:], free[index, :, 8:])


def test_disagreement_is_zero_where_nothing_was_made(network):
    apart = torch.full((5, 20, 30), 9.0)
    interpolate(network, CLIP, DOUBLE, disagreement=apart)
    assert apart[::2].abs().max() == 0
    assert apart[1::2].min() >= 0
    assert apart[1::2].max() <= 1
    assert apart[1::2].mean() > 1e-4
