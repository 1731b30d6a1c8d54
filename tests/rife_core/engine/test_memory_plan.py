"""The ladder: estimates, tiles that add up, and every rung giving the same picture."""

import copy

import pytest
import torch
from rife_video.rife_core.engine import memory_plan
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.memory_plan import (
    MIB,
    Plan,
    auto_batch_size,
    check_room,
    estimate_memory,
    first_plan,
    free_memory,
)
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


def test_estimates_are_of_padded_frames(network):
    align = network.spec.align
    assert estimate_memory(network, 1, align) == estimate_memory(network, align, align)
    assert estimate_memory(network, align, 1) == estimate_memory(network, align, align)
    assert estimate_memory(network, align + 1, align) == 2 * estimate_memory(network, align, align)


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(64, 64, 8), (480, 854, 5), (1080, 1920, 1), (1024, 1024, 2), (4320, 7680, 1)],
)
def test_a_batch_on_a_device_has_two_million_pixels_and_eight_frames_at_most(height, width, count):
    assert auto_batch_size(torch.device("cuda"), height, width) == count


@pytest.mark.parametrize(
    ("threads", "height", "width", "count"),
    [(3, 480, 854, 3), (16, 480, 854, 4), (3, 1080, 1920, 2), (3, 2160, 3840, 1)],
)
def test_small_frames_are_made_side_by_side(monkeypatch, threads, height, width, count):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert auto_batch_size(torch.device("cpu"), height, width) == count


def test_plans_say_what_they_take():
    assert str(Plan(torch.device("cpu"), 480, 720, 3)) == "3 at once on cpu"
    assert str(Plan(torch.device("cpu"), 480, 720, 1, 640)) == (
        "1 at once on cpu, tiles of 640 pixels"
    )


def test_a_tile_takes_what_of_the_frame_it_covers(network):
    tiled = Plan(torch.device("cpu"), 64, 1600, 2, 640)
    assert tiled.memory(network) == estimate_memory(network, 64, 640, 2)
    whole = Plan(torch.device("cpu"), 64, 1600, 1)
    assert whole.memory(network) == estimate_memory(network, 64, 1600)


def test_a_result_must_fit_into_what_is_free():
    frame = 2**28
    check_room(6, 480, 720, frame, 6 * frame, "")
    check_room(10**9, 480, 720, frame, None, "")
    with pytest.raises(ValueError, match=r"7 frames of 720x480, which take 1.8 GiB of memory; 1.5"):
        check_room(7, 480, 720, frame, 6 * frame, "Ask for fewer.")


def test_a_containers_limit_counts(monkeypatch, tmp_path):
    def limited(**files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        names = (("gone", "gone"), ("most", "used"))
        limits = [tuple(str(tmp_path / name) for name in pair) for pair in names]
        monkeypatch.setattr(memory_plan, "_CONTAINER_LIMITS", limits)
        return free_memory()

    free = limited(most="max", used="1")
    if free is None:
        pytest.skip("the system does not tell")
    assert free > MIB
    assert limited(most=str(3 * MIB), used=str(MIB)) == 2 * MIB
    assert limited(most=str(MIB), used=str(3 * MIB)) == 0


@pytest.mark.parametrize("text", [None, "MemTotal: 5 kB\n"])
def test_a_system_need_not_tell_what_is_free(monkeypatch, text):
    def read(path):
        if text is None:
            raise FileNotFoundError(path)
        return text

    monkeypatch.setattr(memory_plan.Path, "read_text", read)
    assert free_memory() is None


def test_free_memory_is_told_in_kilobytes(monkeypatch):
    monkeypatch.setattr(memory_plan, "_CONTAINER_LIMITS", ())
    text = "MemTotal: 5 kB\nMemAvailable:    3 kB\n"
    monkeypatch.setattr(memory_plan.Path, "read_text", lambda path: text)
    assert free_memory() == 3072


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
    needed = estimate_memory(network, 640, 640) // MIB + 1
    message = f"max_memory is 1 MiB, but the smallest tile needs {needed} MiB"
    with pytest.raises(ValueError, match=message):
        plan(max_memory=MIB)
    assert plan(max_memory=needed * MIB).tile == 640


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
