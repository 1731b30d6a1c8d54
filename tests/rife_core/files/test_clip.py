"""Speed curves and replaced frames, from file to file."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
import torch
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.files import frames as files
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.files.clip import Clip
from rife_video.rife_core.files.convert import interpolate_file
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.timeline.shutter import Shutter
from rife_video.rife_core.timeline.speed_curve import SpeedCurve
from rife_video.rife_core.video import (
    EncoderRequest,
    Part,
    VideoError,
    VideoReader,
    VideoWriter,
    excerpt,
)
from rife_video.rife_core.video.decoding import PictureDecoder
from support import moving_square

LOSSLESS = EncoderRequest("ffv1")
MARKS = (0.2, 0.61, 0.9, 1.2)
"""Seconds."""


def ramped(time):
    """When a moment is shown where the middle third of 1.5 s runs at half speed."""
    return time + min(max(time - 0.5, 0), 0.5)


def test_a_speed_curve_decides_how_many_frames_come(network, tmp_path, clip_file):
    curve = SpeedCurve.parse("0.125-0.25s:0.25")  # of 5 pairs of 1 / 12 s
    timeline = replace(Timeline.multiply(2), speed=curve)
    report = interpolate_file(network, clip_file, tmp_path / "o.mkv", timeline, encoder=LOSSLESS)
    times = [Fraction(k, 24) for k in range(report.frames + 1)]
    assert curve.source_at(times[-2]) <= Fraction(5, 12) < curve.source_at(times[-1])
    assert report.fps == 24
    assert "Sound follows the speed and keeps its pitch." in report.notes
    frames = list(VideoReader(tmp_path / "o.mkv"))
    sources = list(VideoReader(clip_file))
    assert torch.equal(frames[0], sources[0])
    assert torch.equal(frames[2], sources[1])


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A clip of 1.5 s, 12 frames a second, with a short burst of sound at known times."""
    path = tmp_path_factory.mktemp("clips") / "marked.mkv"
    times = torch.arange(36000) / 24000
    wave = sum(torch.exp(-(((times - mark) / 2e-3) ** 2)) for mark in MARKS)
    wave = 0.8 * wave * torch.sin(2 * torch.pi * 3000 * times)
    sound = {"waveform": wave.expand(1, 2, -1), "sample_rate": 24000}
    with VideoWriter(path, 12, audio=sound, encoder=LOSSLESS) as writer:
        for frame in moving_square(18, speed=1):
            writer.write(frame)
    return path


@pytest.mark.parametrize(
    ("timeline", "fps", "sound", "moment"),
    [
        (replace(Timeline.multiply(1), speed=SpeedCurve.parse("0.5-1:0.5")), None, "auto", ramped),
        (Timeline.multiply(2), Fraction(12), "stretch", lambda time: 2 * time),
        (Timeline.multiply(2), Fraction(12), "tape", lambda time: 2 * time),
        (Timeline.multiply(2), None, "auto", lambda time: time),
    ],
)
def test_sound_is_in_step(network, tmp_path, marked, timeline, fps, sound, moment):
    """Each burst within a millisecond of when its moment of the source is shown.

    A burst that keeps its pitch begins at its moment; on a tape its middle is there.
    """
    report = interpolate_file(
        network, marked, tmp_path / "o.mkv", timeline, fps=fps, sound=sound, encoder=LOSSLESS
    )
    heard = VideoReader(tmp_path / "o.mkv").read_audio()
    energy = heard["waveform"][0, 0].double() ** 2
    times = torch.arange(len(energy)) / heard["sample_rate"]
    for mark in MARKS:
        near = (times - moment(mark)).abs() < 0.03
        found = (energy[near] * times[near]).sum() / energy[near].sum()
        assert abs(float(found) - moment(mark)) < 1e-3
    notes = " ".join(report.notes)
    assert ("as on a tape" in notes) == (sound == "tape")
    assert ("keeps its pitch" in notes) == (moment(1) != 1 and sound != "tape")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sound": "none"}, "Left out, as asked for: audio (aac)."),
        ({"fps": Fraction(12)}, "Left out, for the speed differs from the source's: audio (aac)."),
    ],
)
def test_sound_is_left_out(network, tmp_path, marked, options, words):
    doubled = Timeline.multiply(2)
    report = interpolate_file(network, marked, tmp_path / "o.mkv", doubled, **options)
    assert words in " ".join(report.notes)
    assert VideoReader(tmp_path / "o.mkv").audio_codecs == []


def test_sound_does_not_follow_a_schedule(network, tmp_path, marked):
    timeline = Timeline.multiply(2, schedule="1:4")
    with pytest.raises(ValueError, match="cannot be stretched along a schedule"):
        interpolate_file(network, marked, tmp_path / "o.mkv", timeline, sound="stretch")


def test_replaced_frames_are_made_and_the_others_copied(network, tmp_path, clip_file):
    report = interpolate_file(
        network,
        clip_file,
        tmp_path / "o.mkv",
        Timeline.multiply(1),
        encoder=LOSSLESS,
        scenes=SceneRules(replaced=frozenset({3, 5})),
    )
    assert (report.frames, report.made) == (6, 2)
    frames, sources = list(VideoReader(tmp_path / "o.mkv")), list(VideoReader(clip_file))
    same = [torch.equal(a, b) for a, b in zip(frames, sources, strict=True)]
    assert same == [True, True, False, True, False, True]
    assert VideoReader(tmp_path / "o.mkv").audio_codecs


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A clip of 8 frames, of which the fifth cannot be decoded, and the frames as they were."""
    path = tmp_path_factory.mktemp("clips") / "broken.mov"
    with VideoWriter(path, 12, encoder=EncoderRequest("prores")) as writer:
        for frame in moving_square(8):
            writer.write(frame)
    frames = list(VideoReader(path))
    with av.open(path) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    content = path.read_bytes()
    path.write_bytes(content.replace(packets[4], bytes(len(packets[4]))))
    return path, frames


@pytest.mark.parametrize("part", [Part(), Part("2f", "7f")])
def test_frames_that_cannot_be_decoded_are_made(network, tmp_path, broken, part):
    path, sources = broken
    with pytest.raises(VideoError, match="damaged after frame"):
        interpolate_file(network, path, tmp_path / "no.mkv", Timeline.multiply(1))
    reader = excerpt(VideoReader(path, skip_damaged=True), part)
    report = interpolate_file(
        network, reader, tmp_path / "o.mkv", Timeline.multiply(1), encoder=LOSSLESS
    )
    if not part.is_whole:
        sources = sources[1:7]
    assert (report.frames, report.made) == (len(sources), 1)
    assert "made anew" in " ".join(report.notes)
    frames = list(VideoReader(tmp_path / "o.mkv"))
    same = [torch.equal(a, b) for a, b in zip(frames, sources, strict=True)]
    assert same.count(False) == 1
    assert same[4 if part.is_whole else 3] is False


def test_frames_that_the_decoder_flags_are_made(network, tmp_path, monkeypatch, clip_file):
    """No decoder flags a frame on request, so one is flagged here."""
    decoded = PictureDecoder.frames_from

    def flagged(self, first, clock):
        for index, frame in decoded(self, first, clock):
            damaged = SimpleNamespace(
                is_corrupt=index in (0, 3), pts=frame.pts, time_base=frame.time_base, whole=frame
            )
            yield index, damaged

    monkeypatch.setattr(PictureDecoder, "frames_from", flagged)
    image = VideoReader._image
    monkeypatch.setattr(VideoReader, "_image", lambda self, frame: image(self, frame.whole))
    reader = VideoReader(clip_file, skip_damaged=True)
    report = interpolate_file(
        network, reader, tmp_path / "o.mkv", Timeline.multiply(2), encoder=LOSSLESS
    )
    assert (report.frames, report.made) == (11, 6)
    assert "Damaged frames of the source, made anew: 4." in report.notes


def test_blurred_frames_of_a_stopped_run_are_those_of_a_whole_one(
    network, tmp_path, monkeypatch, marked
):
    """It goes on in the midst of a frame's exposures, which lie on both sides of a source frame."""
    timeline = replace(Timeline.retime(12, 20), shutter=Shutter(Fraction(300), 3))
    whole = interpolate_file(network, marked, tmp_path / "w.mkv", timeline, encoder=LOSSLESS)
    assert whole.frames == timeline.output_count(18)
    assert "is the mean of 3 exposures" in " ".join(whole.engine.remarks())
    monkeypatch.setattr(parts, "LENGTH", 13)
    monkeypatch.setattr(files, "LEAD_IN", 1)
    write = VideoWriter.write

    def interrupt(self, frame):
        if self.path.stem == "000001":
            raise KeyboardInterrupt
        write(self, frame)

    with monkeypatch.context() as stopped:
        stopped.setattr(VideoWriter, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interpolate_file(network, marked, tmp_path / "o.mkv", timeline, encoder=LOSSLESS)
    report = interpolate_file(network, marked, tmp_path / "o.mkv", timeline, encoder=LOSSLESS)
    assert report.resumed == 13
    found, expected = (list(VideoReader(tmp_path / name)) for name in ("o.mkv", "w.mkv"))
    assert torch.allclose(torch.stack(found), torch.stack(expected), atol=1.5 / 255)


def test_hdr_is_not_blurred(clip_file):
    reader = VideoReader(clip_file)
    reader.kind = replace(reader.kind, color=reader.kind.color._replace(transfer=16))
    timeline = replace(Timeline.multiply(2), shutter=Shutter(Fraction(180)))
    with pytest.raises(ValueError, match=r"is HDR \(PQ\)"):
        Clip.of(reader, timeline)
