"""Speed curves and replaced frames, from file to file."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.files.clip import Clip, parse_replaced
from rife_video.rife_core.files.convert import interpolate_file
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.speed_curve import SpeedCurve
from rife_video.rife_core.video import EncoderRequest, VideoReader

LOSSLESS = EncoderRequest("ffv1")


def test_a_speed_curve_decides_how_many_frames_come(network, tmp_path, clip_file):
    curve = SpeedCurve.parse("0.125-0.25s:0.25")  # of 5 pairs of 1 / 12 s
    timeline = replace(Timeline.multiply(2), speed=curve)
    report = interpolate_file(network, clip_file, tmp_path / "o.mkv", timeline, encoder=LOSSLESS)
    times = [Fraction(k, 24) for k in range(report.frames + 1)]
    assert curve.source_at(times[-2]) <= Fraction(5, 12) < curve.source_at(times[-1])
    assert report.fps == 24
    assert "sound and subtitles are left out" in " ".join(report.notes)
    frames = list(VideoReader(tmp_path / "o.mkv"))
    sources = list(VideoReader(clip_file))
    assert torch.equal(frames[0], sources[0])
    assert torch.equal(frames[2], sources[1])


def test_replaced_frames_are_made_and_the_others_copied(network, tmp_path, clip_file):
    report = interpolate_file(
        network,
        clip_file,
        tmp_path / "o.mkv",
        Timeline.multiply(1),
        encoder=LOSSLESS,
        replaced=frozenset({3, 5}),
    )
    assert (report.frames, report.made) == (6, 2)
    frames, sources = list(VideoReader(tmp_path / "o.mkv")), list(VideoReader(clip_file))
    same = [torch.equal(a, b) for a, b in zip(frames, sources, strict=True)]
    assert same == [True, True, False, True, False, True]
    assert VideoReader(tmp_path / "o.mkv").audio_codecs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "'0' cannot be read"),
        ("5-3", "cannot be read"),
        ("two", "cannot be read"),
        ("1", "Frames 2 to 5 can be replaced"),
        ("4-6", "Frames 2 to 5 can be replaced"),
    ],
)
def test_frames_that_cannot_be_replaced(clip_file, text, words):
    with pytest.raises(ValueError, match=words):
        Clip.of(VideoReader(clip_file), Timeline.multiply(1), parse_replaced(text))


def test_long_runs_are_not_replaced(clip_file):
    reader = VideoReader(clip_file)
    reader.__dict__["clock"] = replace(reader.clock, count=60)
    Clip.of(reader, Timeline.multiply(1), parse_replaced("10-14"))
    with pytest.raises(ValueError, match="From frame 10 on 6 frames or more"):
        Clip.of(reader, Timeline.multiply(1), parse_replaced("10-15"))
