"""The engine: what it makes, what it copies, how it goes on, stops and gives way."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rife_video.rife_core.engine import loop, memory_plan
from rife_video.rife_core.engine.loop import interpolate, stream
from rife_video.rife_core.engine.memory_plan import Plan
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.files import convert, frames
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from rife_video.rife_core.ops.psnr import psnr
from rife_video.rife_core.timeline import ENDS, Step, Timeline, Window
from rife_video.rife_core.timeline.shutter import Shutter
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=4, height=20, width=30)


def between(network, frames, step):
    img0, img1 = (frames[step.pair + i].permute(2, 0, 1)[None] for i in range(2))
    return network.inference(img0, img1, step.timestep)[0].permute(1, 2, 0)


@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    "timeline",
    [
        Timeline.multiply(2),
        Timeline.multiply(4, "keep_duration"),
        Timeline.retime(24, 60),
        Timeline.retime(30, 24),
        Timeline.multiply(1),
    ],
    ids=str,
)
def test_every_frame_is_where_the_timeline_puts_it(request, kind, batch_size, timeline):
    network = request.getfixturevalue(kind)
    output = interpolate(network, CLIP, timeline, batch_size=batch_size)
    steps = list(timeline.steps(len(CLIP)))
    assert len(output) == len(steps)
    for frame, step in zip(output, steps, strict=True):
        if step.timestep == 0:
            assert torch.equal(frame, CLIP[step.pair])
        else:
            assert_close(frame, between(network, CLIP, step), atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([1, 3, 4]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.uint8]),
    count=st.integers(1, 4),
    multiplier=st.integers(1, 3),
    schedule=st.sampled_from(["", "1:3", "2-3:1", "rest 2, 1:1"]),
    end=st.sampled_from(ENDS),
    batch_size=st.integers(0, 4),
)
def test_any_clip(network, size, channels, dtype, count, multiplier, schedule, end, batch_size):
    clip = (torch.rand(count, *size, channels) * (255 if dtype == torch.uint8 else 1)).to(dtype)
    timeline = Timeline.multiply(multiplier, end, schedule)
    output = interpolate(network, clip, timeline, batch_size=batch_size)
    steps = list(timeline.steps(count))
    assert output.shape == (timeline.output_count(count), *size, channels)
    assert output.dtype == dtype
    assert len(steps) == len(output)
    for frame, step in zip(output, steps, strict=True):
        if step.timestep == 0:
            assert torch.equal(frame, clip[step.pair])
    assert torch.isfinite(output.float()).all()


def test_source_frames_pass_untouched_whatever_they_hold(network):
    clip = torch.randn(3, 16, 16, 3) * 5
    output = interpolate(network, clip, Timeline.multiply(2))
    assert torch.equal(output[::2], clip)
    assert output[1::2].min() >= 0
    assert output[1::2].max() <= 1


def test_the_stream_hands_on_the_very_tensors_and_reads_one_ahead(network):
    read = []

    def frames():
        for index, frame in enumerate(CLIP):
            read.append(index)
            yield frame

    outputs = stream(network, frames(), Timeline.multiply(2), batch_size=1)
    assert next(outputs) is not None
    assert read == [0, 1]
    rest = list(outputs)
    assert rest[1].data_ptr() == CLIP[1].data_ptr()
    assert rest[-1].data_ptr() == CLIP[-1].data_ptr()


def test_source_frames_at_a_crossfade_are_the_very_tensors(network):
    rules = SceneRules("blend", frozenset({2, 3, 4}))
    output = list(stream(network, CLIP, Timeline.multiply(2), scenes=rules))
    assert [frame.data_ptr() for frame in output[::2]] == [frame.data_ptr() for frame in CLIP]


def test_a_stream_that_makes_nothing_holds_nothing_back(network):
    read = []

    def frames():
        for frame in CLIP:
            read.append(frame)
            yield frame

    for taken, _ in enumerate(stream(network, frames(), Timeline.multiply(1)), 1):
        assert len(read) <= taken + 1


def test_stream_equals_clip(network):
    timeline = Timeline.retime(24, 36, "keep_duration")
    whole = interpolate(network, CLIP, timeline)
    streamed = torch.stack(list(stream(network, iter(CLIP), timeline)))
    assert torch.equal(whole, streamed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_type_of_the_clip_is_kept(network, dtype):
    clip = CLIP.to(dtype)
    output = interpolate(network, clip, Timeline.multiply(2))
    assert output.dtype == dtype
    assert torch.equal(output[::2], clip)


def test_one_frame_comes_back(network):
    assert torch.equal(interpolate(network, CLIP[:1], Timeline.multiply(4)), CLIP[:1])
    assert len(list(stream(network, CLIP[:1], Timeline.multiply(4, "keep_duration")))) == 1
    assert list(stream(network, [], Timeline.multiply(2))) == []


def test_features_of_a_frame_are_computed_once(network, monkeypatch):
    calls = []
    prepare = network.prepare
    monkeypatch.setattr(network, "prepare", lambda *a: calls.append(1) or prepare(*a))
    interpolate(network, CLIP, Timeline.multiply(4))
    assert len(calls) == len(CLIP)


def test_midpoints_on_the_way_are_made_once(midpoint_network, monkeypatch):
    calls = []
    synthesize = midpoint_network.synthesize
    monkeypatch.setattr(
        midpoint_network, "synthesize", lambda *a: calls.append(1) or synthesize(*a)
    )
    interpolate(midpoint_network, CLIP[:2], Timeline.multiply(8), batch_size=7)
    assert len(calls) == 3  # 1/2, then 1/4 and 3/4, then the eighths, each level one batch


def test_progress_counts_frames_that_are_finished(network):
    seen = []
    interpolate(
        network, CLIP, Timeline.multiply(3), batch_size=2, progress=lambda *a: seen.append(a)
    )
    assert seen == [(0, 10), (3, 10), (6, 10), (9, 10), (10, 10)]


STUTTER = torch.cat((CLIP[:2], CLIP[1:2], 1 - CLIP))
"""A repeated frame, then a cut before frame 4."""


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("count", "timeline", "rules"),
    [
        (7, Timeline.multiply(3), SceneRules("hold", frozenset({4}))),
        (7, Timeline.multiply(3), SceneRules("nearest", frozenset({4, 6}))),
        (7, Timeline.multiply(2), SceneRules("blend", frozenset({4}), "retime")),
        (7, Timeline.multiply(2, schedule="1:1, 2-3:4"), SceneRules("hold", frozenset({4}))),
        (7, Timeline.retime(24, 15), SceneRules("interpolate", seams=frozenset({4}))),
        (7, Timeline.multiply(1), SceneRules()),
        (2, Timeline.multiply(4), SceneRules("hold", frozenset({2}))),
        (1, Timeline.multiply(4), SceneRules()),
    ],
)
def test_progress_ends_at_its_total(network, count, timeline, rules, end):
    seen, timeline = [], replace(timeline, end=end)
    output = interpolate(
        network, STUTTER[:count], timeline, scenes=rules, progress=lambda *a: seen.append(a)
    )
    assert seen == sorted(seen)
    assert seen[-1] == (len(output), len(output))
    assert {total for _, total in seen} == {len(output)}


class Cancelled(Exception):  # noqa: N818 - what a host raises is no error
    pass


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
def test_cancelling_stops_before_the_next_batch(request, kind, after):
    network, seen = request.getfixturevalue(kind), []

    def cancel(done, total):
        seen.append(done)
        if len(seen) > after:
            raise Cancelled

    with pytest.raises(Cancelled):
        interpolate(network, CLIP, Timeline.multiply(3), batch_size=2, progress=cancel)
    assert seen == [0, 3, 6, 9][: after + 1]
    assert len(interpolate(network, CLIP, Timeline.multiply(3))) == 10  # nothing is left behind


def test_out_of_memory_halves_the_batch_and_loses_nothing(network, monkeypatch):
    expected = interpolate(network, CLIP, Timeline.multiply(3), batch_size=1)
    synthesize, sizes = network.synthesize, []

    def small_device(frame0, *rest):
        sizes.append(len(frame0.image))
        if len(frame0.image) > 2:
            raise torch.OutOfMemoryError("too large")
        return synthesize(frame0, *rest)

    monkeypatch.setattr(network, "synthesize", small_device)
    output = interpolate(network, CLIP, Timeline.multiply(3), batch_size=6)
    assert_close(output, expected, atol=1e-5, rtol=0)
    assert sizes[0] == 6
    assert sum(size for size in sizes if size <= 2) == 6  # each frame made just once


def test_out_of_memory_for_one_frame_is_passed_on(network, monkeypatch):
    def no_device(*args):
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setattr(network, "synthesize", no_device)
    with pytest.raises(torch.OutOfMemoryError):
        interpolate(network, CLIP, Timeline.multiply(2))


@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
def test_bfloat16_stays_close_to_float32(request, kind):
    import copy

    network = request.getfixturevalue(kind)
    short = copy.deepcopy(network)
    set_precision(short, torch.bfloat16)
    exact = interpolate(network, CLIP, Timeline.multiply(2))
    close = interpolate(short, CLIP, Timeline.multiply(2))
    assert close.dtype == torch.float32
    assert torch.equal(close[::2], CLIP)
    assert psnr(exact[1::2], close[1::2]).min() > 45


def test_precision_names():
    assert resolve_precision("bf16", "cpu") == torch.bfloat16
    assert resolve_precision("auto", "cuda") == torch.float16
    assert resolve_precision("auto", "cpu") in (torch.bfloat16, torch.float32)
    with pytest.raises(ValueError, match="auto, fp32, bf16, fp16"):
        resolve_precision("fp8", "cuda")
    with pytest.raises(ValueError, match="not for the CPU"):
        resolve_precision("fp16", "cpu")


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (torch.rand(0, 8, 8, 3), {}, "the clip is empty"),
        (torch.rand(8, 8, 3), {}, r"must be B H W C, but are \(8, 8, 3\)"),
        (torch.rand(2, 8, 8, 2), {}, r"1, 3, 4 channels.*is \(8, 8, 2\)"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.int32), {}, "or uint8, but is.*int32"),
        (torch.rand(2, 8, 8, 3), {"batch_size": -1}, "batch_size is -1"),
        (torch.rand(2, 8, 8, 3), {"max_memory": -1}, "max_memory is -1"),
        (torch.rand(2, 8, 8, 3), {"scale": 0.3}, "scale is 0.3"),
        (torch.rand(2, 8, 8, 3), {"keep": torch.ones(8)}, r"keep is \(8,\); it must be H W or"),
        (
            torch.rand(2, 8, 9, 3),
            {"keep": torch.ones(8, 8)},
            r"keep is \(8, 8\), but.*8 high and 9",
        ),
        (torch.rand(2, 8, 8, 3), {"ensemble": True}, "without an ensemble mode"),
    ],
)
def test_bad_input(network, frames, options, message):
    with pytest.raises(ValueError, match=message):
        interpolate(network, frames, Timeline.multiply(2), **options)


@pytest.fixture
def plans(monkeypatch):
    """Every plan that is made from now on."""
    made = []

    def first_plan(*args):
        made.append(memory_plan.first_plan(*args))
        return made[-1]

    for module in (loop, frames, convert):
        monkeypatch.setattr(module, "first_plan", first_plan)
    return made


def test_a_run_of_a_clip_makes_one_plan(network, plans):
    interpolate(network, CLIP, Timeline.multiply(2))
    assert len(plans) == 1
    list(stream(network, CLIP, Timeline.multiply(2)))
    assert len(plans) == 2


@pytest.mark.parametrize("name", ["out.mp4", "out/%04d.png"])
def test_a_run_of_a_file_makes_one_plan(network, plans, clip_file, tmp_path, name):
    report = convert.interpolate_file(network, clip_file, tmp_path / name, Timeline.multiply(2))
    assert len(plans) == 1
    assert report.engine.plans == [str(plans[0])]


def test_a_plan_that_is_handed_down_is_the_one_that_is_used(network, plans, clip_file, tmp_path):
    plan, report = Plan(torch.device("cpu"), 20, 30, 3), Report()
    interpolate(network, CLIP, Timeline.multiply(2), plan=plan, report=report)
    assert report.plans == [str(plan)]
    plan = Plan(torch.device("cpu"), 36, 52, 3)
    done = convert.interpolate_file(
        network, clip_file, tmp_path / "out.mp4", Timeline.multiply(2), plan=plan
    )
    assert done.engine.plans == [str(plan)]
    assert not plans
    with pytest.raises(ValueError, match="plan is for frames of 52x36, but they are 30x20"):
        interpolate(network, CLIP, Timeline.multiply(2), plan=plan)


def test_frames_of_two_sizes(network):
    frames = [torch.rand(8, 8, 3), torch.rand(8, 9, 3)]
    with pytest.raises(
        ValueError, match=r"one size and type: the first is \(8, 8, 3\).*\(8, 9, 3\)"
    ):
        list(stream(network, frames, Timeline.multiply(2)))


@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
def test_a_loop_leads_back_to_the_first_frame(request, kind):
    network = request.getfixturevalue(kind)
    output = interpolate(network, CLIP, Timeline.multiply(2, "loop"), batch_size=3)
    assert len(output) == 2 * len(CLIP)
    assert torch.equal(output[::2], CLIP)
    seam = torch.stack((CLIP[-1], CLIP[0]))
    assert_close(output[-1], interpolate(network, seam, Timeline.multiply(2))[1])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("shutter", [None, Shutter(Fraction(180), 4)])
def test_a_loop_that_ends_on_its_first_frame_closes_without_standing_still(network, end, shutter):
    closing, report, told = torch.cat((CLIP, CLIP[:1])), Report(), []
    options = {"report": report, "progress": lambda *now: told.append(now)}
    timeline = replace(Timeline.multiply(3, end), shutter=shutter)
    output = interpolate(network, closing, timeline, **options)
    if end == "loop":
        assert_close(output, interpolate(network, CLIP, timeline), rtol=0, atol=1e-6)
        assert report.closed_by == 5
        assert "Left out of the loop, as it repeats the first frame: frame 5." in report.remarks()
    assert len(output) == report.frames_out == {"last_frame": 13, "loop": 12}.get(end, 15)
    assert told[-1] == (len(output),) * 2


@pytest.mark.parametrize(
    "clip",
    [
        CLIP,
        torch.cat((CLIP, CLIP[:1], CLIP[:1])),  # it stays there for two frames: it is meant to
        CLIP[:1].expand(4, -1, -1, -1),
        torch.cat((CLIP, CLIP[:1] + 0.03)),
    ],
)
def test_other_loops_keep_their_last_frame(network, clip):
    report = Report()
    output = interpolate(network, clip, Timeline.multiply(2, "loop"), report=report)
    assert len(output) == 2 * len(clip)
    assert not report.closed_by


def test_schedules_make_each_pair_its_own_number_of_frames(network):
    timeline = Timeline.multiply(2, schedule="1:3, 2:1")
    output = interpolate(network, CLIP, timeline)
    assert len(output) == 3 + 1 + 2 + 1
    for index, source in enumerate((0, 3, 4, 6)):
        assert torch.equal(output[source], CLIP[index])
    assert_close(output[:4], interpolate(network, CLIP[:2], Timeline.multiply(3)))


def test_uneven_frame_times_are_retimed(network):
    """Frames at 0, 1 and 3 seconds, shown twice a second."""
    places = [Fraction(0), Fraction(1), Fraction(3)]
    timeline = Timeline(Fraction(1, 2))
    output = list(stream(network, CLIP[:3], timeline, places=places))
    assert len(output) == 7
    assert torch.equal(output[0], CLIP[0])
    assert torch.equal(output[2], CLIP[1])
    assert torch.equal(output[6], CLIP[2])
    late = interpolate(network, CLIP[1:3], Timeline.multiply(4))
    assert_close(torch.stack(output[2:]), late)


def test_a_window_is_a_part_of_the_whole(network):
    """From its start up to its stop; what comes two frames after that is not read."""
    clip, read = moving_square(frames=7, height=20, width=30), []

    def frames():
        for frame in clip:
            read.append(frame)
            yield frame

    report, timeline = Report(), Timeline.multiply(3)
    window = Window(Fraction(4, 3), Fraction(7, 3))
    part = list(stream(network, frames(), timeline, window=window, report=report))
    assert_close(torch.stack(part), interpolate(network, clip, timeline)[4:7])
    assert len(read) <= 5
    assert report.pairs == [3, 3]
    assert (report.frames_out, report.made) == (3, 4)  # whole intervals are made


@pytest.mark.parametrize(
    ("replaced", "batches"), [((), [5, 3, 5, 3]), ((9,), [5, 2, 3, 5, 2])], ids=["even", "over 8"]
)
def test_a_new_batch_begins_every_eight_intervals(network, monkeypatch, replaced, batches):
    """And before and after what lies on both sides of such a place."""
    sizes, synthesize = [], network.synthesize

    def noted(frame0, *rest):
        sizes.append(len(frame0.image))
        return synthesize(frame0, *rest)

    monkeypatch.setattr(network, "synthesize", noted)
    rules = SceneRules(replaced=frozenset(replaced))
    clip = moving_square(frames=17, height=8, width=30)
    interpolate(network, clip, Timeline.multiply(2), batch_size=5, scenes=rules)
    assert sizes == batches


@pytest.mark.parametrize("interval", [None, Fraction(1, 24)])
def test_a_stream_is_exposed_at_its_places(network, interval):
    """By default they are the numbers of its frames."""
    timeline = Timeline(Fraction(1, 2), shutter=Shutter(Fraction(180), 2))
    expected = interpolate(network, CLIP, timeline)
    places = interval and [number * interval for number in range(len(CLIP))]
    timeline = replace(timeline, step=timeline.step * (interval or 1))
    assert_close(torch.stack(list(stream(network, CLIP, timeline, places=places))), expected)


def test_the_report_counts_frames_of_each_pair(network):
    report = Report()
    interpolate(network, CLIP, Timeline.multiply(2, schedule="1:3, 2:1"), report=report)
    assert report.pairs == [3, 1, 2]


def test_exact_ntsc_rates_stay_exact():
    timeline = Timeline.retime("24000/1001", "60000/1001")
    assert timeline.output_fps("24000/1001") == Fraction(60000, 1001)
    assert [step.pair + step.timestep for step in timeline.steps(3)] == [
        Fraction(2 * k, 5) for k in range(6)
    ]


@pytest.mark.parametrize("rules", [{}, {"at_cut": "hold", "cuts": frozenset({6})}])
@pytest.mark.parametrize("end", ENDS)
def test_replaced_frames_are_made_from_their_neighbours(network, rules, end):
    """All others come through, and numbers of cuts are those of the clip."""
    clip, report = moving_square(8), Report()
    scenes = SceneRules(replaced=frozenset({3, 7}), **rules)
    timeline = Timeline.multiply(1, end)
    result = interpolate(network, clip, timeline, scenes=scenes, report=report)
    same = [bool(torch.equal(a, b)) for a, b in zip(result, clip, strict=True)]
    assert same == [number not in (3, 7) for number in range(1, 9)]
    assert (report.frames_in, report.made) == (8, 2)
    assert report.scenes.cuts == sorted(rules.get("cuts", ()))
    assert_close(result[2], between(network, clip[1:4:2], Step(0, Fraction(1, 2))))


def test_a_frame_without_neighbours_is_not_replaced(network):
    with pytest.raises(ValueError, match="Frames 2 to 3 can be replaced"):
        interpolate(
            network,
            moving_square(4),
            Timeline.multiply(1),
            scenes=SceneRules(replaced=frozenset({4})),
        )


def test_a_result_must_fit_into_free_memory(network, monkeypatch):
    size = 7 * 20 * 30 * 3 * 4
    monkeypatch.setattr(loop, "free_memory", lambda: size)
    assert len(interpolate(network, CLIP, Timeline.multiply(2))) == 7
    monkeypatch.setattr(loop, "free_memory", lambda: size - 1)
    with pytest.raises(ValueError, match="7 frames of 30x20"):
        interpolate(network, CLIP, Timeline.multiply(2))


def test_a_result_that_cannot_be_allocated_is_told_in_gib(network, monkeypatch):
    """Where the system does not tell what is free."""
    monkeypatch.setattr(loop, "free_memory", lambda: None)
    clip = torch.zeros(1, dtype=torch.uint8).expand(2, 2**20, 2**20, 3)
    with pytest.raises(torch.OutOfMemoryError, match=r"result: 1025 frames take 3148800\.0 GiB"):
        interpolate(network, clip, Timeline.multiply(1024))


def test_only_interpolated_frames_of_a_stream_are_taken_out_of_pinned_memory(network, monkeypatch):
    monkeypatch.setattr(loop, "unpinned", lambda _: None)
    output = list(stream(network, CLIP[:2], Timeline.multiply(3)))
    assert [frame is None for frame in output] == [False, True, True, False]
