"""A stretch of a clip that is made alone equals the same frames of the whole clip, bit for bit."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.engine.options import Options
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.engine.scheduler import FrameScheduler
from rife_video.rife_core.files.clip import Clip
from rife_video.rife_core.files.frames import frames_of, read_from
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.shutter import Shutter
from rife_video.rife_core.timeline.speed_curve import SpeedCurve
from rife_video.rife_core.video import VideoReader, VideoWriter

FRAMES = 27
HALF_SPEED = SpeedCurve.parse("0.15-0.8s:0.5 ease")
REPLACED = frozenset({4, 9, 10, 11, 17, 18})  # of which 9 and 17 would begin a batch


def _pictures():
    """Two scenes, the second from frame 13 on, with runs of equal frames at 6 to 9 and 15 to 17."""
    generator = torch.Generator().manual_seed(0)
    scenes = [torch.rand(24, 80, 3, generator=generator) for _ in range(2)]
    for index in range(FRAMES):
        shown = {7: 6, 8: 6, 9: 6, 16: 15, 17: 15}.get(index, index)
        yield scenes[index >= 13][:, shown : shown + 32].contiguous()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "scenes.mp4"
    with VideoWriter(path, Fraction(24), crf=0) as writer:
        for picture in _pictures():
            writer.write(picture)
    return path


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A pan that stands still from frame 2 to 9 and from 10 to 17."""
    texture = torch.rand(24, 120, 3, generator=torch.Generator().manual_seed(1))
    path = tmp_path_factory.mktemp("clips") / "held.mp4"
    with VideoWriter(path, Fraction(24), crf=0) as writer:
        for index in range(FRAMES):
            shown = 1 if 1 <= index < 9 else 9 if 9 <= index < 17 else index
            writer.write(texture[:, shown : shown + 32].contiguous())
    return path


@pytest.fixture(scope="module")
def uneven(tmp_path_factory, source):
    """The same with every fifth frame left out."""
    path = tmp_path_factory.mktemp("clips") / "uneven.mkv"
    with VideoWriter(path, Fraction(1000), crf=0) as writer:
        places = [42 * index for index in range(FRAMES) if index % 5 != 4]
        pictures = [each for index, each in enumerate(_pictures()) if index % 5 != 4]
        encode = writer._encode

        def encode_at(picture):
            if picture is not None:
                picture.pts = places[writer.count]
            encode(picture)

        writer._encode = encode_at
        for picture in pictures:
            writer.write(picture)
    return path


def _all_and_alone(network, path, timeline, length=8, spare=4, **options):
    rules = options.get("scenes", SceneRules())

    def made(source=0, stop=None):
        clip, report = Clip.of(VideoReader(path), timeline, rules.replaced), Report()
        begin, window = read_from(source, rules), clip.window(source, stop)
        with frames_of(network, clip, begin, report, Options(**options), window) as frames:
            return list(frames), report

    clip = Clip.of(VideoReader(path), timeline, rules.replaced)
    segments = clip.segments(length)
    whole, report = made()
    assert len(whole) == clip.total == sum(segment.count for segment in segments)
    assert len(segments) > 2
    for segment in segments:
        alone, own = made(segment.source, segment.stop)
        due = whole[segment.first : segment.first + segment.count]
        assert len(alone) == segment.count
        assert all(torch.equal(a, b) for a, b in zip(alone, due, strict=True)), segment
        most = (segment.count + spare) * timeline.exposures
        assert own.made <= most  # what lies before is looked at, not made
    return whole, report


@pytest.mark.parametrize(
    ("timeline", "options"),
    [
        (Timeline.multiply(2), {"scenes": SceneRules("hold"), "scale": 1.0}),
        (Timeline.multiply(3), {"scenes": SceneRules("hold", repeats="retime"), "scale": "auto"}),
        (Timeline.retime(24, 60, "keep_duration"), {"scenes": SceneRules("blend")}),
        (Timeline.multiply(2, "last_frame", "1-9:1, 10:4"), {"scale": 1.0, "batch_size": 3}),
        (Timeline.retime(24, 15), {"scenes": SceneRules("nearest", frozenset({9, 14}))}),
        (replace(Timeline.multiply(2), speed=HALF_SPEED), {"scenes": SceneRules("hold")}),
        (Timeline.multiply(2), {"scenes": SceneRules("hold", repeats="retime", pacing="eased")}),
        (Timeline.multiply(2), {"scenes": SceneRules("hold", replaced=REPLACED), "batch_size": 3}),
        (
            replace(Timeline.multiply(2), shutter=Shutter(Fraction(360), 3)),
            {"scenes": SceneRules("hold")},
        ),
        (
            replace(Timeline.retime(24, 30), speed=HALF_SPEED, shutter=Shutter(Fraction(90), 2)),
            {"scenes": SceneRules("hold")},
        ),
        (
            Timeline.retime(24, 60),
            {
                "scenes": SceneRules(
                    "carry_on",
                    repeats="retime",
                    longest_repeat=3,
                    pacing="eased",
                    replaced=REPLACED,
                )
            },
        ),
    ],
    ids=[
        *("cuts", "repeats", "60 fps", "schedule", "15 fps", "speed", "pacing", "replaced"),
        *("blur", "blur at another speed", "all rules of scenes"),
    ],
)
def test_segments_made_alone_equal_the_whole(network, seeded, source, timeline, options):
    length = 4 if timeline.step > 1 else 8
    _, report = _all_and_alone(network, source, timeline, length, **options)
    if options.get("scenes", SceneRules()).at_cut != "interpolate":
        assert 14 in report.scenes.cuts


@pytest.mark.parametrize(
    "rules",
    [SceneRules(repeats="retime"), SceneRules(replaced=REPLACED)],
    ids=["repeats", "replaced"],
)
def test_what_is_made_together_does_not_depend_on_where_work_begins(
    network, seeded, source, monkeypatch, rules
):
    """Frames come out a little different in other company, on a GPU and on more than one core."""
    batches, start = [], FrameScheduler._start

    def record(self, tasks):
        found = [(one.wanted.pair.left.number + first, one.wanted.middle) for one in tasks]
        batches.append((found, any(one.is_wanted for one in tasks)))
        start(self, tasks)

    def made(begin, window):
        nonlocal first
        batches.clear()
        first = begin
        clip = Clip.of(VideoReader(source), Timeline.multiply(4), rules.replaced)
        options = Options(batch_size=3, scenes=rules)
        with frames_of(network, clip, begin, Report(), options, window) as frames:
            list(frames)
        return [found for found, is_wanted in batches if is_wanted]

    first = 0
    monkeypatch.setattr(FrameScheduler, "_start", record)
    clip = Clip.of(VideoReader(source), Timeline.multiply(4), rules.replaced)
    whole = made(0, clip.window(0))
    segments = clip.segments(8)
    assert len(segments) > 2
    for segment in segments:
        alone = made(read_from(segment.source, rules), clip.window(segment.source, segment.stop))
        assert [batch for batch in alone if batch not in whole] == []


def test_segments_of_uneven_clips(network, seeded, uneven):
    assert not VideoReader(uneven).clock.constant
    _all_and_alone(network, uneven, Timeline.multiply(2), scenes=SceneRules("hold"))


def test_segments_by_halving(midpoint_network, seeded, source):
    _all_and_alone(midpoint_network, source, Timeline.multiply(2), scale=1.0)


def test_the_pace_of_a_long_run_is_told_by_the_one_before(network, seeded, held):
    rules = SceneRules(repeats="retime", longest_repeat=8, pacing="eased")
    _, report = _all_and_alone(network, held, Timeline.multiply(2), spare=20, scenes=rules)
    assert report.scenes.runs == [(2, 9), (10, 17)]


def test_no_frame_is_exposed_in_two_segments(network, seeded, source):
    """At place 16 the shutter is open; at 8 it is, too, but all exposures are made."""
    shutter = Shutter(Fraction(300), 3)
    timeline = replace(Timeline.retime(24, 20, "keep_duration"), shutter=shutter)
    clip = Clip.of(VideoReader(source), timeline)
    assert [segment.source for segment in clip.segments(1)] == [0, 8, 24]
    _all_and_alone(network, source, timeline, 1, scenes=SceneRules("hold"))


def test_a_loop_is_one_segment(source):
    clip = Clip.of(VideoReader(source), Timeline.multiply(2, "loop"))
    (segment,) = clip.segments(8)
    assert (segment.source, segment.stop, segment.count) == (0, None, 2 * FRAMES)
