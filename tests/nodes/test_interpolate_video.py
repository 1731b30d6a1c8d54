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
from rife_video.rife_core.video import EncoderRequest, VideoReader, VideoWriter
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
    video, *_, report = run(Video(torch.rand(2, 16, 16, 4), Fraction(8)))
    assert len(list(VideoReader(video.frames))) == 3
    assert ".mp4 files cannot hold transparency" in report


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


@pytest.fixture(params=["file", "frames"])
def source(request, clip_file, tone):
    """Six frames at 12 fps, with half a second of sound."""
    frames = request.param == "frames"
    return Video(moving_square(), Fraction(12), tone) if frames else Video(clip_file)


def seconds_of_sound(video):
    audio = VideoReader(video.frames).read_audio()
    return audio and audio["waveform"].shape[-1] / audio["sample_rate"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({}, 0.5),
        ({"sound": "none"}, None),
        ({"slow_motion": True}, None),
        ({"slow_motion": True, "sound": "stretch"}, 1),
        ({"slow_motion": True, "sound": "tape"}, 1),
        ({"speed": "0-0.25:0.5"}, 0.75),
        ({"start": "3f"}, 4 / 12),
        ({"stop": "3f"}, 3 / 12),
        ({"start": "0.05", "stop": "0.25"}, 2 / 12),
    ],
)
def test_sound_is_as_long_as_the_picture(run, source, asked, seconds):
    video, *_, report = run(source, **asked)
    assert seconds_of_sound(video) == (seconds and pytest.approx(seconds, abs=0.09))
    assert ("Left out" in report) == (seconds is None)
    assert ("Sound follows the speed" in report) == (
        "speed" in asked or asked.get("sound") in ("stretch", "tape")
    )


def test_a_part_of_a_video(run, source):
    video, fps, count, report = run(source, start="2f", stop="4f", crf=0)
    assert (fps, count) == (24, 5)
    assert "3 frames at 12 fps" in report
    first = next(iter(VideoReader(video.frames)))
    apart = [float((first - frame).abs().mean()) for frame in moving_square()]
    assert apart.index(min(apart)) == 1
    with pytest.raises(ValueError, match="start is 'soon'; write seconds"):
        run(source, start="soon")


def test_a_part_after_the_end_of_the_sound(run):
    sound = {"waveform": torch.zeros(1, 2, 800), "sample_rate": 8000}
    video, *_ = run(Video(moving_square(), Fraction(12), sound), start="0.25")
    assert VideoReader(video.frames).read_audio() is None


def test_what_lies_beyond_the_part_is_named(run, source):
    report = run(source, start="2f", stop="4f", cuts="3, 5")[3]
    assert "cuts names frame 5, but the clip has 3; that changed nothing." in report


def test_a_speed_curve(run, source):
    _, fps, count, _ = run(source, speed="0-0.25s:0.5", multiplier=1)
    assert (fps, count) == (12, 9)
    with pytest.raises(ValueError, match="empty speed"):
        run(source, speed="0-:0.5", slow_motion=True)


def test_replaced_frames_and_blur(run, source):
    *_, count, report = run(source, multiplier=1, replace="3, 5")
    assert count == 6
    assert "2 were made" in report
    *_, report = run(source, multiplier=1, blur=180.0, exposures=4)
    assert "open for 180 degrees" in report
    with pytest.raises(ValueError, match="set blur to 0"):
        run(source, replace="3", blur=90.0)


def test_frames_that_cannot_be_decoded_are_made_anew(run, tmp_path):
    path = tmp_path / "broken.mov"
    with VideoWriter(path, 12, encoder=EncoderRequest("prores")) as writer:
        for frame in moving_square(8):
            writer.write(frame)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][4]
    content = bytearray(path.read_bytes())
    content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(content)
    *_, count, report = run(Video(path), multiplier=1, replace="auto")
    assert count == 8
    assert "made anew" in report


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


def test_a_note_speaks_of_inputs(run, tmp_path):
    with VideoWriter(tmp_path / "odd.mp4", Fraction(12)) as writer:
        for frame in moving_square(4)[:, :35, :51]:  # odd sides keep all of their colour
            writer.write(frame)
    report = run(Video(tmp_path / "odd.mp4"))[-1]
    assert "the pixel_format yuv420p is for those" in report


def test_quality_means_crf_where_nothing_else_is_asked():
    assert _request(20, "auto", -1, "") == EncoderRequest(quality=20)
    assert _request(20, "auto", 30, " ") == EncoderRequest(quality=30)
    assert _request(20, "vp9", -1, "") == EncoderRequest("vp9")


def test_a_quality_that_the_encoder_does_not_know_is_refused(run, clip_file):
    with pytest.raises(ValueError, match="quality is 80; libx265 takes 0 to 51"):
        run(Video(clip_file), encoder="x265", quality=80)
