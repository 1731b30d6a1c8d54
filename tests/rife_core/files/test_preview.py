"""A preview: which pairs are shown, what lies between them, and the time of the whole run."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.options import Options
from rife_video.rife_core.files import preview as previews
from rife_video.rife_core.files.clip import Clip
from rife_video.rife_core.files.preview import preview
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.speed_curve import SpeedCurve
from rife_video.rife_core.video import EncoderRequest, VideoReader, VideoWriter

SPEEDS = (0, 1, 0, 6, 0, 0, 9, 2, 0, 4, 0)
"""Pixels that a bar moves after each frame."""


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """A clip whose motion is largest after frames 4, 7 and 10, counted from 1."""
    path = tmp_path_factory.mktemp("clips") / "uneven.mkv"
    left = 2
    with VideoWriter(path, 12, encoder=EncoderRequest("ffv1")) as writer:
        for speed in (*SPEEDS, 0):
            frame = torch.full((32, 64, 3), 0.2)
            frame[8:24, left : left + 10] = 0.9
            writer.write(frame)
            left += speed
    return path


@pytest.mark.parametrize("read_through", [600, 0])
def test_the_largest_motion_is_shown(network, monkeypatch, uneven, read_through):
    """Read from end to end or by seeking."""
    monkeypatch.setattr(previews, "_READ_THROUGH", read_through)
    reader = VideoReader(uneven)
    made = preview(network, Clip.of(reader, Timeline.multiply(2)), Options())
    assert made.pairs == (4, 7, 10)
    frames = torch.stack(list(reader))
    shown = made.picture[6:38, 6 + 70 : 6 + 70 + 64]
    expected = interpolate(network, frames[3:5], Timeline.multiply(2))[1]
    assert torch.allclose(shown, expected, atol=1e-3)
    assert torch.equal(made.picture[6:38, 6:70], frames[3])
    assert torch.equal(made.picture[-38:-6, -70:-6], frames[10])


def test_pairs_are_evenly_spread(network, uneven):
    clip = Clip.of(VideoReader(uneven), Timeline.multiply(2))
    assert preview(network, clip, Options(), places="even").pairs == (2, 6, 10)


def test_no_pair_lies_over_a_cut(network, tmp_path):
    path = tmp_path / "cut.mkv"
    scenes = torch.rand(2, 32, 48, 3, generator=torch.Generator().manual_seed(1))
    with VideoWriter(path, 12, encoder=EncoderRequest("ffv1")) as writer:
        for index in range(10):
            writer.write(scenes[index // 5].roll(index, 1))
    made = preview(network, Clip.of(VideoReader(path), Timeline.multiply(2)), Options())
    assert 5 not in made.pairs


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        (Timeline.multiply(2), 11),
        (Timeline.multiply(3, "keep_duration"), 22),
        (Timeline.multiply(2, "loop"), 12),
        (Timeline.multiply("5/2"), 28 - 6),
        (Timeline.retime(12, 18, "keep_duration"), 18 - 6 - 1),
        (Timeline.multiply(1), 0),
        (Timeline.multiply(2, schedule="1-3:1"), 8),
        (replace(Timeline.multiply(2), speed=SpeedCurve.parse("0-:0.5")), 45),
    ],
)
def test_how_many_frames_the_run_makes(uneven, timeline, expected):
    """12 frames; under a speed curve, which shows source frames by chance, all of them."""
    clip = Clip.of(VideoReader(uneven), timeline)
    assert clip.interpolated == expected


def test_the_time_is_that_of_all_frames(network, uneven):
    clip = Clip.of(VideoReader(uneven), Timeline.multiply(2))
    made = preview(network, clip, Options())
    assert made.seconds == pytest.approx(11 * made.seconds_each)
    assert made.seconds_each > 0


def test_one_frame_is_refused(network, tmp_path):
    path = tmp_path / "one.mkv"
    with VideoWriter(path, Fraction(12)) as writer:
        writer.write(torch.rand(16, 16, 3))
    with pytest.raises(ValueError, match="has one frame"):
        preview(network, Clip.of(VideoReader(path), Timeline.multiply(2)), Options())
