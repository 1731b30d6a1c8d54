"""Writing video files: round trips, depth, colours, and nothing half written."""

import struct
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.ops.psnr import psnr
from rife_video.rife_core.video import ColorTags, VideoError, VideoReader, VideoWriter
from support import moving_square


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("size", [(36, 52), (35, 51)])
def test_round_trip(tmp_path, suffix, size, clip_file):
    height, width = size
    path = tmp_path / f"clip{suffix}"
    source = VideoReader(clip_file)
    clip = moving_square()[:, :height, :width]
    with VideoWriter(path, "24000/1001", audio=source, crf=4) as writer:
        for frame in clip:
            writer.write(frame)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    reader = VideoReader(path)
    frames = torch.stack(list(reader))
    assert frames.shape == clip.shape
    assert abs(reader.fps - Fraction(24000, 1001)) < Fraction(1, 100)
    assert psnr(frames, clip).min() > 28
    audio = reader.read_audio()
    assert audio["waveform"].shape[:2] == (1, 2)
    seconds = audio["waveform"].shape[2] / audio["sample_rate"]
    assert seconds == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("channels", [0, 1, 2])
def test_sound_without_a_sample_is_no_sound(tmp_path, channels):
    """As a part of a clip has it whose sound has ended before."""
    empty = {"waveform": torch.zeros(1, channels, 0), "sample_rate": 48000}
    with VideoWriter(tmp_path / "c.mp4", 12, audio=empty) as writer:
        writer.write(torch.zeros(32, 32, 3))
    assert VideoReader(tmp_path / "c.mp4").read_audio() is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_sound_that_is_not_finite_is_refused(tmp_path, value):
    broken = {"waveform": torch.full((1, 2, 800), value), "sample_rate": 48000}
    with pytest.raises(ValueError, match="sound has values that are NaN or infinite"):
        VideoWriter(tmp_path / "c.mp4", 12, audio=broken)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "tags", [ColorTags(), ColorTags(6, 6, 6, 1), ColorTags(9, 9, 14, 1), ColorTags(1, 1, 1, 2)]
)
def test_colour_tags_and_colours_make_the_round_trip(tmp_path, tags):
    clip = torch.zeros(1, 32, 32, 3)
    clip[..., :16, 0], clip[..., 16:, 2] = 0.8, 0.7
    with VideoWriter(tmp_path / "c.mp4", 12, color=tags, crf=0) as writer:
        writer.write(clip[0])
    reader = VideoReader(tmp_path / "c.mp4")
    assert reader.color == tags
    assert (next(iter(reader))[:, [4, 28]] - clip[0][:, [4, 28]]).abs().max() < 0.03


def test_a_failed_run_leaves_nothing(tmp_path):
    (tmp_path / "old.mp4").write_bytes(b"what was there before")

    def interrupted():
        with VideoWriter(tmp_path / "old.mp4", 12) as writer:
            writer.write(moving_square()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [file.name for file in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"what was there before"


def test_no_frames_no_file(tmp_path):
    with pytest.raises(VideoError, match=r"n\.mp4 was not written: there were no frames"):
        VideoWriter(tmp_path / "n.mp4", 12).__enter__().__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_two_sizes(tmp_path):
    with VideoWriter(tmp_path / "n.mp4", 12) as writer:
        writer.write(moving_square()[0])
        with pytest.raises(VideoError, match="Frame 2 is 16x16, but the video began with 52x36"):
            writer.write(torch.zeros(16, 16, 3))


@pytest.mark.parametrize("name", ["clip.wmv", "clip", "clip.txt"])
def test_unknown_file_types(tmp_path, name):
    with pytest.raises(VideoError, match=r"must end in \.mp4, \.m4v, \.mov, \.mkv, \.webm"):
        VideoWriter(tmp_path / name, 12)


# A track header's display matrix, which phones set: 16.16 fixed point, the last column 2.30.
MATRIX_OFFSET = 44
TURNED = {
    1: struct.pack(">9i", 0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
    2: struct.pack(">9i", -1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30),
    3: struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30),
}


def test_a_turned_picture_has_turned_pixels(tmp_path, clip_file):
    with VideoWriter(tmp_path / "wide.mp4", 12, aspect=Fraction(2), crf=0) as writer:
        for frame in VideoReader(clip_file):
            writer.write(frame)
    data = bytearray((tmp_path / "wide.mp4").read_bytes())
    at = data.index(b"tkhd") + MATRIX_OFFSET
    data[at : at + 36] = TURNED[1]
    (tmp_path / "turned.mp4").write_bytes(data)
    assert VideoReader(tmp_path / "wide.mp4").aspect == 2
    assert VideoReader(tmp_path / "turned.mp4").aspect == Fraction(1, 2)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_ten_bits_stay_ten_bits(tmp_path, suffix):
    """A slow ramp has more steps than 8 bits can tell, and HDR tags survive."""
    tags = ColorTags(9, 9, 16, 1)
    ramp = torch.linspace(0.4, 0.6, 256).expand(64, 256)[..., None].expand(64, 256, 3)
    path = tmp_path / f"deep{suffix}"
    with VideoWriter(path, 24, color=tags, depth=10, crf=2) as writer:
        for _ in range(3):
            writer.write(ramp)
    reader = VideoReader(path)
    frame = next(iter(reader))
    assert (reader.depth, reader.color) == (10, tags)
    assert len(frame[32, :, 1].unique()) > 150  # 8 bits have 51 steps here
    assert (frame - ramp).abs().max() < 0.004
    assert VideoReader(path).clock.count == 3


def test_eight_bits_and_odd_sides_where_nothing_else_is_there(tmp_path, monkeypatch):
    layouts = "rife_video.rife_core.video.encoders.layouts_of"
    monkeypatch.setattr(layouts, lambda codec: ("yuv420p", "yuv444p"))
    with VideoWriter(tmp_path / "c.mp4", 12, depth=10) as writer:
        writer.write(moving_square()[0, :35, :51])
    assert VideoReader(tmp_path / "c.mp4").depth == 8


def test_the_shortest_deep_clips(tmp_path):
    for frames in (1, 2, 3) * 4:  # x265 gives a wrong time now and then
        with VideoWriter(tmp_path / "c.mp4", 12, depth=10) as writer:
            for _ in range(frames):
                writer.write(torch.rand(64, 64, 3))
        assert len(list(VideoReader(tmp_path / "c.mp4"))) == frames


def test_the_header_stands_first(tmp_path):
    """A player may begin before it has all of the file."""
    with VideoWriter(tmp_path / "a.mp4", 12) as writer:
        for frame in moving_square():
            writer.write(frame)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
