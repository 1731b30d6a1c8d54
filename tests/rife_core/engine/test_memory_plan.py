"""The ladder: estimates, tiles that add up, and every rung giving the same picture."""

import copy

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.memory_plan import MIB, Plan, estimate_memory, first_plan
from rife_video.rife_core.engine.options import Options
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.timeline import Timeline
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=3, height=40, width=60)
DOUBLE = Timeline.multiply(2)


def test_the_way_down():
    plan, seen = Plan(torch.device("cuda"), 2160, 3840, 4), []
    while plan := plan.smaller():
        seen.append((plan.device.type, plan.batch_size, plan.tile))
    tiles_tried = [1920, 960, 640]
    assert seen == [
        ("cuda", 2, None),
        ("cuda", 1, None),
        *(("cuda", 1, side) for side in tiles_tried),
        ("cpu", 1, None),
        *(("cpu", 1, side) for side in tiles_tried),
    ]


def test_estimates_grow_with_what_is_made(network):
    one = estimate_memory(network, 480, 720)
    assert estimate_memory(network, 480, 720, 3) == 3 * one
    assert 3.8 < estimate_memory(network, 960, 1440) / one < 4.2


def test_a_limit_chooses_the_rung(network):
    whole = estimate_memory(network, 1080, 1920)

    def plan(batch_size=0, max_memory=0):
        options = Options(batch_size=batch_size, max_memory=max_memory)
        return first_plan(network, 1080, 1920, options)

    assert plan().tile is None
    assert plan(4, whole).batch_size == 1
    tiled = plan(4, whole // 2)
    assert tiled.tile is not None
    assert tiled.memory(network) == estimate_memory(network, tiled.tile, tiled.tile) <= whole // 2
    with pytest.raises(ValueError, match="max_memory is 1 MiB, but the smallest tile needs"):
        plan(max_memory=MIB)


class SmallDevice:
    """A network that runs out of memory above a number of pixels."""

    def __init__(self, network, pixels, fail_at=None):
        self.calls, self.sizes = 0, []
        self.synthesize, self.prepare = network.synthesize, network.prepare
        self.pixels, self.fail_at = pixels, fail_at

    def synthesize_or_fail(self, frame0, *rest):
        self.calls += 1
        batch, _, height, width = frame0.image.shape
        if batch * height * width > self.pixels or self.calls == self.fail_at:
            raise torch.OutOfMemoryError("too large")
        self.sizes.append((batch, height, width))
        return self.synthesize(frame0, *rest)


def test_out_of_memory_leads_down_to_tiles(network, monkeypatch):
    clip = torch.rand(2, 64, 1600, 3)
    expected = interpolate(network, clip, DOUBLE)
    device = SmallDevice(network, 64 * 900)
    monkeypatch.setattr(network, "synthesize", device.synthesize_or_fail)
    report = Report()
    output = interpolate(network, clip, DOUBLE, report=report)
    assert report.plans == ["1 at once on cpu", "1 at once on cpu, tiles of 800 pixels"]
    assert torch.equal(output[::2], clip)
    assert (output - expected).abs().mean() < 0.02


@pytest.mark.parametrize("step", range(1, 8))
def test_out_of_memory_at_any_step_loses_nothing(network, monkeypatch, step):
    expected = interpolate(network, CLIP, Timeline.multiply(4), batch_size=1)
    device = SmallDevice(network, 10**9, fail_at=step)
    monkeypatch.setattr(network, "synthesize", device.synthesize_or_fail)
    report = Report()
    output = interpolate(network, CLIP, Timeline.multiply(4), batch_size=2, report=report)
    assert_close(output, expected, atol=1e-5, rtol=0)
    assert report.made == 6
    made = sum(batch for batch, _, _ in device.sizes)
    assert made == 6  # each frame once


def test_out_of_memory_while_encoding_a_frame(network, monkeypatch):
    expected = interpolate(network, CLIP, DOUBLE)
    prepare, calls = network.prepare, []

    def fail_once(*args):
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("too large")
        return prepare(*args)

    monkeypatch.setattr(network, "prepare", fail_once)
    output = interpolate(network, CLIP, DOUBLE, batch_size=2)
    assert_close(output, expected, atol=1e-5, rtol=0)


def test_the_last_rung_passes_the_error_on(network, monkeypatch):
    device = SmallDevice(network, 0)
    monkeypatch.setattr(network, "synthesize", device.synthesize_or_fail)
    with pytest.raises(torch.OutOfMemoryError):
        interpolate(network, CLIP, DOUBLE)


def test_a_frame_that_is_not_finite_is_made_again_in_float32(network):
    short = copy.deepcopy(network).to(torch.bfloat16)
    expected = interpolate(network, CLIP, DOUBLE)
    synthesize = short.synthesize

    def overflowing(*args):
        made = synthesize(*args)
        made.image[:, :, 3, 4] = float("nan")
        return made

    short.synthesize = overflowing
    report = Report()
    # The copy in float32 is made by deepcopy, which keeps the instance's own attribute out.
    short.__deepcopy__ = lambda memo: copy.deepcopy(network)
    output = interpolate(short, CLIP, DOUBLE, report=report)
    assert report.redone == 2
    assert_close(output, expected, atol=1e-5, rtol=0)
