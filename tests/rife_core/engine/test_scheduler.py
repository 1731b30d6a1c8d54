"""The scale of motion, chosen for each pair: which one, when, and that a pair keeps to it."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from rife_video.rife_core.checkpoints.rife import BUNDLED, load_rife
from rife_video.rife_core.engine import scheduler, synthesizer
from rife_video.rife_core.engine.loop import interpolate, stream
from rife_video.rife_core.engine.memory_plan import estimate_memory
from rife_video.rife_core.engine.options import AUTO
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.engine.scheduler import AGREED
from rife_video.rife_core.engine.transfers import Transfers
from rife_video.rife_core.inference.rife import Synthesis
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.networks.estimate import Estimate
from rife_video.rife_core.timeline import Timeline
from torch.testing import assert_close

LEVELS = {"calm": 0.1, "fast": 0.5, "lost": 0.9}
APART = {
    "calm": {1.0: AGREED / 2, 0.5: 0.0, 0.25: 0.0},  # better elsewhere, but never looked at
    "fast": {1.0: 0.2, 0.5: 0.1, 0.25: 0.05},
    "lost": {1.0: 0.2, 0.5: 0.3, 0.25: 0.25},
}
"""How far the sides of a made frame are apart, by the grey of the pair and the scale."""


def clip_of(*names):
    """Pairs of these kinds: the grey of the first frame tells the kind."""
    greys = [LEVELS[name] for name in names] + [0.0]
    return torch.stack([torch.full((20, 30, 3), grey) for grey in greys])


@pytest.fixture(params=["network", "midpoint_network"])
def told(request, monkeypatch):
    """A network whose frames are as grey as the scale they were made at."""
    network, calls = request.getfixturevalue(request.param), []

    def synthesize(frame0, frame1, times, scale, ensemble):
        image = torch.full_like(frame0.image, scale)
        sides = []
        for sample in frame0.image:
            kind = min(LEVELS, key=lambda name: abs(LEVELS[name] - float(sample.mean())))
            calls.append((kind, scale))
            sides.append(torch.full_like(sample, APART[kind][scale]))
        flow = image.new_zeros(len(image), 4, *image.shape[2:])
        side = torch.full_like(image, 0.1)
        apart = Estimate(flow, flow[:, :1], side + torch.stack(sides), side)
        return Synthesis(image, apart)

    monkeypatch.setattr(network, "synthesize", synthesize)
    network.calls = calls
    yield network
    del network.calls


def greys(output):
    return [round(float(frame.mean()), 3) for frame in output]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_each_pair_gets_the_scale_that_agrees_best(told, batch_size):
    report = Report()
    clip = clip_of("calm", "fast", "lost")
    output = interpolate(
        told, clip, Timeline.multiply(2), scale=AUTO, batch_size=batch_size, report=report
    )
    assert greys(output[1::2]) == [1.0, 0.25, 1.0]
    assert report.coarser == [2]
    assert "estimated at a coarser scale, after frames: 2." in report.remarks()[0]


def test_agreeing_pairs_cost_nothing_more(told):
    interpolate(told, clip_of("calm", "calm"), Timeline.multiply(2), scale=AUTO)
    assert told.calls == [("calm", 1.0)] * 2


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
@pytest.mark.parametrize("ahead", [0, 1])
def test_all_frames_of_a_pair_are_made_at_one_scale(network, monkeypatch, batch_size, ahead):
    """Also those that were begun before the choice was made."""
    made_at = []
    synthesize = network.synthesize

    def noted(frame0, frame1, times, scale, ensemble):
        made = synthesize(frame0, frame1, times, scale, ensemble)
        apart = torch.full_like(made.image, 0.1 * scale)
        estimate = replace(made.estimate, warped_img0=apart, warped_img1=torch.zeros_like(apart))
        made_at.extend([scale] * len(times))
        return Synthesis(torch.full_like(made.image, scale), estimate)

    class Ahead(Transfers):
        pass

    Ahead.ahead = ahead
    monkeypatch.setattr(synthesizer, "transfers_for", Ahead)
    monkeypatch.setattr(network, "synthesize", noted)
    clip = torch.rand(3, 20, 30, 3)
    output = interpolate(network, clip, Timeline.multiply(5), scale=AUTO, batch_size=batch_size)
    made = [frame for index, frame in enumerate(greys(output)) if index % 5]
    assert made == [0.25] * 8
    assert made_at.count(0.5) == 2  # tried once a pair


@pytest.fixture
def overflowing(network, monkeypatch):
    """A network whose calls at one scale make no numbers; set `at` to that scale.

    Its sides are the farther apart the finer the scale is.
    """
    synthesize = network.synthesize

    def synthesize_or_overflow(frame0, frame1, times, scale, ensemble):
        made = synthesize(frame0, frame1, times, scale, ensemble)
        image = torch.full_like(made.image, scale)
        if scale == network.at and len(times) > 1:
            image[1:] = float("nan")
        apart = torch.full_like(image, 0.1 * scale)
        estimate = replace(made.estimate, warped_img0=apart, warped_img1=torch.zeros_like(apart))
        return Synthesis(image, estimate)

    monkeypatch.setattr(network, "synthesize", synthesize_or_overflow)
    yield network
    del network.at


def test_frames_that_overflow_at_a_pairs_scale_stay_as_they_were(overflowing):
    """The others of a batch follow the scale that its first frame chose."""
    overflowing.at = 0.25
    output = interpolate(
        overflowing, torch.rand(2, 20, 30, 3), Timeline.multiply(5), scale=AUTO, batch_size=4
    )
    assert greys(output[1:-1]) == [0.25, 0.25, 1.0, 1.0]


def test_trials_record_no_gradients(network, monkeypatch):
    synthesize, recorded = network.synthesize, []

    def noted(*arguments):
        recorded.append(torch.is_grad_enabled())
        return synthesize(*arguments)

    monkeypatch.setattr(network, "synthesize", noted)
    monkeypatch.setattr(scheduler, "AGREED", -1)
    with torch.enable_grad():
        interpolate(network, torch.rand(2, 8, 8, 3), Timeline.multiply(2), scale=AUTO)
    assert recorded == [False] * 3


def test_a_number_is_kept_to(told):
    for scale in (1.0, 0.5, 0.25):
        output = interpolate(told, clip_of("fast"), Timeline.multiply(2), scale=scale)
        assert greys(output[1:2]) == [scale]


def test_tiles_agree_on_one_scale(network, monkeypatch):
    """One tile alone is torn; the mean over the whole frame decides for all."""
    synthesize, seen = network.synthesize, []

    def torn(frame0, frame1, times, scale, ensemble):
        made = synthesize(frame0, frame1, times, scale, ensemble)
        distance = 0.2 * scale if float(frame0.image.mean()) > 0.4 else 0.0
        apart = torch.full_like(made.image, distance)
        seen.append(scale)
        estimate = replace(made.estimate, warped_img0=apart, warped_img1=torch.zeros_like(apart))
        return Synthesis(made.image, estimate)

    monkeypatch.setattr(network, "synthesize", torn)
    clip = torch.zeros(2, 64, 1100, 3)
    clip[:, :, 500:] = 1
    report = Report()
    limit = estimate_memory(network, 64, 640)
    timeline = Timeline.multiply(2)
    interpolate(network, clip, timeline, scale=AUTO, max_memory=limit, report=report)
    assert report.coarser == [1]
    assert len(set(seen)) == 3


@pytest.mark.parametrize("size", [(64, 1100), (64, 2300)])
def test_tiles_that_agree_are_made_once(network, monkeypatch, size):
    synthesize, calls = network.synthesize, []

    def calm(*arguments):
        made = synthesize(*arguments)
        calls.append(arguments[3])
        estimate = replace(made.estimate, warped_img1=made.estimate.warped_img0)
        return Synthesis(made.image, estimate)

    monkeypatch.setattr(network, "synthesize", calm)
    limit = estimate_memory(network, min(size[0], 640), 640)
    counts = []
    for scale in (1.0, AUTO):
        clip, timeline = torch.zeros(2, *size, 3), Timeline.multiply(2)
        interpolate(network, clip, timeline, scale=scale, max_memory=limit)
        counts.append(len(calls))
    assert counts[1] == 2 * counts[0] > 2


def test_an_unknown_scale_is_named(network):
    with pytest.raises(ValueError, match=r"scale is 3; it must be one of auto, 0\.25, "):
        interpolate(network, clip_of("calm"), Timeline.multiply(2), scale=3)


def test_large_motion_is_followed(seeded):
    """A texture of all sizes moves 128 pixels: too far for the bundled weights at scale 1."""
    sizes = [2**k for k in range(1, 8)]
    texture = sum(
        side * F.interpolate(torch.rand(1, 3, 256 // side + 3, 640 // side + 3) - 0.5, (256, 640))
        for side in sizes
    )
    texture = (F.avg_pool2d(texture / texture.std() / 5, 3, 1, 1) + 0.5).clamp(0, 1)
    frames = [texture[..., 128 - 64 * i :][..., :384] for i in range(3)]
    clip = torch.cat([frames[0], frames[2]]).permute(0, 2, 3, 1)
    network = load_rife(BUNDLED)
    at_1, chosen = (
        interpolate(network, clip, Timeline.multiply(2), scale=scale)[1].permute(2, 0, 1)[None]
        for scale in (1.0, AUTO)
    )
    assert psnr(chosen, frames[1]) > psnr(at_1, frames[1]) + 4


def test_auto_is_what_a_number_says_where_all_agrees(network):
    still = torch.rand(1, 20, 30, 3).expand(3, -1, -1, -1) * 0.01
    assert_close(
        interpolate(network, still, Timeline.multiply(2), scale=AUTO),
        interpolate(network, still, Timeline.multiply(2)),
    )


@pytest.mark.parametrize("channels", [3, 4])
def test_a_midpoint_network_shows_the_nearest_source_frame_within_a_128th(
    midpoint_network, channels
):
    clip = torch.rand(3, 8, 8, channels)
    clip[1, 0, 0, :3] = 2
    apart = torch.ones(3, 8, 8)
    timeline = Timeline(Fraction(199, 200))
    output = interpolate(midpoint_network, clip, timeline, disagreement=apart)
    assert_close(output[1], clip[1].clamp(0, 1))
    assert not apart[1].any()


def test_only_so_many_frames_wait_for_one_that_is_not_begun(network):
    """A batch of 8 is never full here: one frame moves, then pictures stay."""
    clip, read = torch.rand(9, 8, 8, 3), []

    def frames():
        for frame in clip:
            read.append(frame)
            yield frame

    timeline = Timeline.multiply(1024, schedule="1:2")
    rules = SceneRules("hold", frozenset(range(3, 10)))
    results = stream(network, frames(), timeline, batch_size=8, scenes=rules)
    assert torch.equal(next(results), clip[0])
    assert len(read) < 6
    assert sum(1 for _ in results) == 1 + 7 * 1024 + 1
