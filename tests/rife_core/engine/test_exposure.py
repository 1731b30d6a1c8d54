"""Means of light: known answers, alpha, scenes, and every type of frame."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import DEFAULT, find_weights, load_rife
from rife_video.rife_core.engine.exposure import exposed
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.ops.light import DisplayLight, LogLight
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.shutter import Shutter
from support import drawn_disc


def grey(level, dtype=torch.float32):
    frame = torch.full((2, 3, 3), float(level))
    return (frame * 255).round().to(dtype) if dtype == torch.uint8 else frame.to(dtype)


def means(levels, count=2, first=0, scenes=None, dtype=torch.float32):
    scenes = scenes or [0] * len(levels)
    frames = [(grey(level, dtype), scene) for level, scene in zip(levels, scenes, strict=True)]
    found = list(exposed(frames, count, first, DisplayLight()))
    assert all(frame.dtype == dtype and frame.shape == (2, 3, 3) for frame in found)
    return [float(frame[0, 0, 0]) / (255 if dtype == torch.uint8 else 1) for frame in found]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.uint8])
def test_light_is_averaged_not_numbers(dtype):
    """Half of white's light is 0.7354 in sRGB (IEC 61966-2-1)."""
    assert means([0, 1, 1, 1], dtype=dtype) == pytest.approx([0.7354, 1], abs=2e-3)


def test_the_first_and_the_last_frame_may_have_fewer_exposures():
    assert means([0.2, 0.4, 0.4, 0.6, 0.6, 0.8], 3, 2) == pytest.approx(
        [0.2, means([0.4, 0.4, 0.6], 3)[0], means([0.6, 0.8], 2)[0]]
    )
    assert means([0.3], 4) == [pytest.approx(0.3)]


def test_a_single_exposure_is_the_very_frame():
    frame = torch.rand(2, 3, 3)
    (found,) = exposed([(frame, 0), (torch.rand(2, 3, 3), 1)], 2, 0, DisplayLight())
    assert found is frame


def test_no_frame_shows_two_scenes():
    assert means([0.1, 0.1, 0.9, 0.9], 4, scenes=[0, 0, 1, 1]) == pytest.approx([0.1], abs=1e-5)


def test_what_is_transparent_lends_no_colour():
    red = torch.tensor([1.0, 0, 0, 1]).expand(2, 2, 4)
    nothing = torch.tensor([0, 1.0, 0, 0]).expand(2, 2, 4)
    (found,) = exposed([(red, 0), (nothing, 0)], 2, 0, DisplayLight())
    assert torch.allclose(found, torch.tensor([1, 0, 0, 0.5]).expand(2, 2, 4), atol=1e-5)


def test_rendered_light_keeps_its_size():
    curve = LogLight()
    frames = [(curve.encode(torch.full((2, 2, 3), value)), 0) for value in (-0.5, 300.5)]
    (found,) = exposed(frames, 2, 0, curve)
    assert torch.allclose(curve.decode(found), torch.full((2, 2, 3), 150.0), rtol=1e-4)


@pytest.mark.long
def test_blur_is_near_the_truth_and_the_sharp_clip_is_not():
    """A disc that moves 8 pixels a frame; the truth is the mean of 64 paintings of each frame."""
    network = load_rife(find_weights(DEFAULT, ())).eval()
    clip = torch.stack([drawn_disc(8.0 * frame) for frame in range(4)])
    light = DisplayLight()

    def truth(start):
        paintings = [drawn_disc(8 * (start + 0.25 * k / 64)) for k in range(64)]
        return light.encode(torch.stack([light.decode(each) for each in paintings]).mean(0))

    def quality(frame, start):
        return psnr(frame.movedim(-1, 0)[None], truth(start).movedim(-1, 0)[None])

    timeline = Timeline.multiply(2)
    sharp = interpolate(network, clip, timeline, scale=1.0)
    report = Report()
    shutter = Shutter(Fraction(180), 16)
    blurred = interpolate(
        network, clip, replace(timeline, shutter=shutter), scale=1.0, report=report
    )
    assert len(blurred) == len(sharp) == report.frames_out == 7
    moving = range(6)  # the last frame has nothing after it
    better = [float(quality(blurred[k], k / 2) - quality(sharp[k], k / 2)) for k in moving]
    assert min(better) > 3
    assert sum(better) / len(better) > 6
    assert torch.equal(blurred[6], clip[3])
    assert report.made == 6 * 16 - 3
    assert "open for 180 degrees; each frame, source frames too, is the mean of 16" in report.text(
        Fraction(12), Fraction(24)
    )


def test_no_exposure_lies_behind_a_cut(network):
    """At 5/3 of the rate, frame 3 is exposed on both sides of the cut before source frame 3."""
    torch.manual_seed(4)
    scenes = torch.rand(2, 24, 36, 3)
    clip = torch.cat((scenes[:1].expand(2, -1, -1, -1), scenes[1:].expand(2, -1, -1, -1)))
    rules = SceneRules("hold", cuts=frozenset({3}))
    timeline = replace(Timeline.multiply("5/3"), shutter=Shutter(Fraction(360), 4))
    output = interpolate(network, clip.clone(), timeline, scenes=rules, scale=1.0)
    for index in (2, 3):  # from 6/5 to 9/5, and from 9/5 on
        assert torch.allclose(output[index], scenes[0], atol=1e-5)
    assert (output[4:] - scenes[1]).abs().mean() < 0.1
