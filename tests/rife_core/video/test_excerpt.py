"""Parts of clips: what times and frames mean, and sound that stays in step."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from rife_video.rife_core.video import Part, VideoReader, VideoWriter, excerpt

RATE = 48000


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two seconds at 24 fps whose sound is a click at each quarter of a second."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    wave = torch.zeros(1, 2, 2 * RATE)
    for quarter in range(8):
        wave[..., quarter * RATE // 4 : quarter * RATE // 4 + 48] = 0.8
    sound = {"waveform": wave, "sample_rate": RATE}
    with VideoWriter(path, 24, audio=sound) as writer:
        for index in range(48):
            writer.write(torch.full((16, 16, 3), index / 60))
    return path


@pytest.mark.parametrize(
    ("part", "span"),
    [
        (Part(), (0, 48)),
        (Part("0.5"), (12, 36)),
        (Part("0:00.5s", "1"), (12, 12)),
        (Part("0.51"), (13, 35)),
        (Part("13f", "24f"), (12, 12)),
        (Part(stop="1"), (0, 24)),
        (Part("1", frames=3), (24, 3)),
        (Part("40f", frames=300), (39, 9)),
    ],
)
def test_times_and_frames(film, part, span):
    assert part.span(VideoReader(film).clock) == span


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start": "soon"}, "start is 'soon'; write seconds"),
        ({"start": "0f"}, "counted from 1"),
        ({"stop": "1", "frames": 2}, "give one of them"),
        ({"frames": 0}, "1 or more"),
        ({"start": "5"}, r"there is no frame; the clip has 48 frames \(2.000 s\)"),
        ({"start": "1", "stop": "0.5"}, "there is no frame"),
    ],
)
def test_parts_that_are_none(film, fields, words):
    with pytest.raises(ValueError, match=words):
        excerpt(VideoReader(film), Part(**fields))


def test_a_part_has_its_frames_and_its_times(film):
    part = excerpt(VideoReader(film), Part("0.5", "1"))
    frames = list(part.timed())
    assert frames[0][0] == 0
    assert float(frames[1][0]) == pytest.approx(1 / 24, abs=1e-3)  # times of .mkv are rounded
    levels = [float(frame.mean()) * 60 for _, frame in frames]
    assert np.abs(np.array(levels) - np.arange(12, 24)).max() < 0.45
    assert float(part.clock.end) == pytest.approx(0.5, abs=1e-3)
    assert len(list(part.timed(10))) == 2


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("start", ["0.7", "1"])
def test_sound_of_a_part_is_in_step_to_a_millisecond(film, tmp_path, suffix, start):
    reader = excerpt(VideoReader(film), Part(start))
    path = tmp_path / f"part{suffix}"
    with VideoWriter(path, 24, audio=reader) as writer:
        for _, frame in reader.timed():
            writer.write(frame)
    begins = Fraction(17, 24) if start == "0.7" else Fraction(1)  # the first frame from there on
    due = [quarter / 4 - float(begins) for quarter in range(8) if quarter / 4 > begins]
    heard = [click for click in _clicks(path) if click > 0.01]
    assert VideoReader(path).start == 0
    assert np.abs(np.array(heard) - due).max() < 0.001


def _clicks(path):
    """When sound begins after silence."""
    clicks, last = [], -1.0
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            loud = np.abs(frame.to_ndarray().astype(np.float32)).reshape(2, -1).max(0) > 0.3
            for index in np.flatnonzero(loud):
                time = float(frame.pts * frame.time_base) + int(index) / frame.rate
                if time > last + 0.1:
                    clicks.append(time)
                last = time
    return clicks
