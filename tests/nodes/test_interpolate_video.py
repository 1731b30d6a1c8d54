"""The InterpolateVideo node: files and frames in memory, their sound and their rate."""

from contextlib import contextmanager
from fractions import Fraction

import av
import pytest
import torch
from rife_video.nodes import interpolate_video
from rife_video.nodes.host import Folders, Progress, RIFEModel, Video, use_folders
from rife_video.nodes.interpolate_video import InterpolateVideo, _request
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import EncoderRequest, VideoReader
from support import moving_square


@pytest.fixture
def run(network, tmp_path):
    def run(video, multiplier=2, **options):
        with use_folders(Folders(temp=tmp_path / "temp")):
            model = RIFEModel(network, "small", "fp32")
            answer = InterpolateVideo().interpolate(model, video, multiplier, **options)
        return answer["result"]

    return run


def sound_packets(path):
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_a_file_keeps_its_sound_and_gets_an_exact_rate(run, clip_file, tmp_path):
    video, fps, count, report = run(Video(clip_file))
    result = VideoReader(video.frames)
    assert result.path.parent == tmp_path / "temp"
    assert (result.fps, fps) == (24, 24.0)
    assert count == len(list(result)) == 11
    assert sound_packets(result.path) == sound_packets(clip_file)
    assert "6 frames at 12 fps (0.500 s) became 11 at 24 fps (0.458 s); 5 were made." in report


def test_frames_in_memory_give_what_the_engine_makes(run, network, tone):
    clip = moving_square(4)[:, :35, :51]  # odd sides keep all of their colour
    video, fps, count, report = run(Video(clip, Fraction(24000, 1001), tone), crf=0)
    result = VideoReader(video.frames)
    frames = torch.stack(list(result))
    expected = interpolate(network, clip, Timeline.multiply(2))
    torch.testing.assert_close(frames, expected, atol=0.03, rtol=0)
    assert result.fps == Fraction(48000, 1001)
    assert (fps, count) == (pytest.approx(48000 / 1001), 7)
    assert "3 were made" in report
    picture_seconds = 4 * 1001 / 24000
    assert result.read_audio()["waveform"].shape[-1] / 24000 == pytest.approx(
        picture_seconds, abs=0.09
    )


@pytest.mark.parametrize("kind", ["file", "frames"])
def test_progress_ends_at_its_total(run, clip_file, monkeypatch, kind):
    seen = []

    @contextmanager
    def progress(title):
        yield Progress(lambda done, total, _: seen.append((done, total)))

    monkeypatch.setattr(interpolate_video, "progress", progress)
    run(Video(clip_file) if kind == "file" else Video(moving_square(6), Fraction(8)), cuts="4")
    assert seen[-1] == (11, 11)


def test_transparency_is_left_out(run):
    video, *_ = run(Video(torch.rand(2, 16, 16, 4), Fraction(8)))
    assert len(list(VideoReader(video.frames))) == 3


@pytest.mark.parametrize(
    ("options", "fps", "count"),
    [
        ({"target_fps": 30.0}, 30, 13),
        ({"multiplier": 3, "end": "keep duration"}, 36, 18),
        ({"multiplier": 1}, 12, 6),
        ({"schedule": "1:1, 2:4"}, 24, 12),
        ({"slow_motion": True, "multiplier": 4}, 12, 21),
    ],
)
def test_timing(run, clip_file, options, fps, count):
    _, out_fps, out_count, _ = run(Video(clip_file), **options)
    assert (out_fps, out_count) == (fps, count)


@pytest.mark.parametrize("in_memory", [False, True])
def test_slow_motion_has_no_sound(run, clip_file, tone, in_memory):
    source = Video(moving_square(), Fraction(12), tone) if in_memory else Video(clip_file)
    video, fps, *_ = run(source, slow_motion=True)
    assert fps == 12
    assert VideoReader(video.frames).audio_codecs == []


def test_crf_reaches_the_encoder(run, clip_file):
    sizes = [run(Video(clip_file), crf=crf)[0].frames.stat().st_size for crf in (0, 51)]
    assert sizes[0] > sizes[1] + 2000


def test_an_error_leaves_no_file(run, clip_file, tmp_path):
    with pytest.raises(ValueError, match="ensemble"):
        run(Video(clip_file), ensemble=True)
    assert not list((tmp_path / "temp").iterdir())


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize(
    ("asked", "codec", "layout"),
    [
        ({}, "h264", "yuv420p"),
        ({"encoder": "x265", "quality": 30}, "hevc", "yuv420p"),
        ({"pixel_format": "yuv420p10le"}, "h264", "yuv420p10le"),
    ],
)
def test_an_encoder_can_be_chosen(run, clip_file, in_memory, asked, codec, layout):
    source = Video(moving_square(4), Fraction(12)) if in_memory else Video(clip_file)
    video, *_ = run(source, **asked)
    with av.open(str(video.frames)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt) == (codec, layout)


def test_quality_means_crf_where_nothing_else_is_asked():
    assert _request(20, "auto", -1, "") == EncoderRequest(quality=20)
    assert _request(20, "auto", 30, " ") == EncoderRequest(quality=30)
    assert _request(20, "vp9", -1, "") == EncoderRequest("vp9")


def test_a_quality_that_the_encoder_does_not_know_is_refused(run, clip_file):
    with pytest.raises(ValueError, match="quality is 80; libx265 takes 0 to 51"):
        run(Video(clip_file), encoder="x265", quality=80)
