"""Video files: what is written is what is read, and nothing is left half done."""

import struct
from fractions import Fraction

import av
import pytest
import torch
from rife_video.rife_core.video import ColorTags, VideoError, VideoReader, VideoWriter
from support import moving_square


def psnr(a, b):
    return -10 * torch.log10((a - b).square().mean())


def test_reader(clip_file):
    reader = VideoReader(clip_file)
    frames = list(reader)
    assert (reader.fps, reader.width, reader.height) == (12, 52, 36)
    assert reader.frame_count == len(frames) == 6
    assert reader.audio_codecs == ["aac"]
    assert frames[0].shape == (36, 52, 3)
    assert frames[0].dtype == torch.float32
    assert psnr(torch.stack(frames), moving_square()) > 30


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
    assert psnr(frames, clip) > 28
    audio = reader.read_audio()
    assert audio["waveform"].shape[:2] == (1, 2)
    seconds = audio["waveform"].shape[2] / audio["sample_rate"]
    assert seconds == pytest.approx(0.5, abs=0.1)


def packets_of(path):
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_sound_is_copied_packet_by_packet(tmp_path, clip_file):
    with VideoWriter(tmp_path / "copy.mp4", 24, audio=VideoReader(clip_file)) as writer:
        for frame in moving_square():
            writer.write(frame)
    copied = packets_of(tmp_path / "copy.mp4")
    assert copied == packets_of(clip_file)
    assert len(copied) > 5


def test_a_waveform_is_encoded(tmp_path, tone):
    with VideoWriter(tmp_path / "tone.mp4", 12, audio=tone) as writer:
        for frame in moving_square():
            writer.write(frame)
    heard = VideoReader(tmp_path / "tone.mp4").read_audio()
    assert heard["sample_rate"] == tone["sample_rate"]
    wave = heard["waveform"][0, 0, 2048:10000]
    spectrum = torch.fft.rfft(wave).abs()
    loudest = spectrum.argmax() * tone["sample_rate"] / len(wave)
    assert float(loudest) == pytest.approx(2764 / 6.2832, abs=5)


def test_a_silent_file_has_no_sound(tmp_path):
    with VideoWriter(tmp_path / "silent.mp4", 12) as writer:
        writer.write(moving_square()[0])
    assert VideoReader(tmp_path / "silent.mp4").read_audio() is None


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


def test_every_frame_has_its_exact_time(tmp_path):
    with VideoWriter(tmp_path / "t.mp4", Fraction(30000, 1001)) as writer:
        for frame in moving_square():
            writer.write(frame)
    with av.open(tmp_path / "t.mp4") as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [k * Fraction(1001, 30000) for k in range(6)]


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
        with pytest.raises(VideoError, match="Frame 1 is 16x16, but the video began with 52x36"):
            writer.write(torch.zeros(16, 16, 3))


@pytest.mark.parametrize("name", ["clip.avi", "clip", "clip.txt"])
def test_unknown_file_types(tmp_path, name):
    with pytest.raises(VideoError, match=r"must end in \.mp4, \.mov, \.mkv, \.webm"):
        VideoWriter(tmp_path / name, 12)


def test_unreadable_files(tmp_path, clip_file):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        VideoReader(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError, match=r"text\.mp4 is no video that can be read"):
        VideoReader(tmp_path / "text.mp4")
    (tmp_path / "cut.mp4").write_bytes(clip_file.read_bytes()[:400])
    with pytest.raises(VideoError, match=r"cut\.mp4"):
        VideoReader(tmp_path / "cut.mp4")


def test_a_sound_file_is_no_video(tmp_path, tone):
    with av.open(tmp_path / "tone.m4a", "w") as container:
        stream = container.add_stream("aac", rate=24000)
        frame = av.AudioFrame.from_ndarray(
            tone["waveform"][0].contiguous().numpy(), "fltp", "stereo"
        )
        frame.sample_rate = 24000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="has no picture"):
        VideoReader(tmp_path / "tone.m4a")


# A track header's display matrix, which phones set: 16.16 fixed point, the last column 2.30.
MATRIX_OFFSET = 44
UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
TURNED = {
    1: struct.pack(">9i", 0, -1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30),
    2: struct.pack(">9i", -1 << 16, 0, 0, 0, -1 << 16, 0, 0, 0, 1 << 30),
    3: struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30),
}


@pytest.mark.parametrize("turns", TURNED)
def test_a_turned_recording_is_read_upright(tmp_path, clip_file, turns):
    data = bytearray(clip_file.read_bytes())
    at = data.index(b"tkhd") + MATRIX_OFFSET
    assert data[at : at + 36] == UPRIGHT
    data[at : at + 36] = TURNED[turns]
    (tmp_path / "turned.mp4").write_bytes(data)
    reader = VideoReader(tmp_path / "turned.mp4")
    assert (reader.width, reader.height) == ((52, 36) if turns == 2 else (36, 52))
    frame, plain = next(iter(reader)), next(iter(VideoReader(clip_file)))
    assert torch.equal(frame, torch.rot90(plain, turns))


# More than the picture


def chapter(number, start, title):
    """Half a second of a film; times in 1/1000 s."""
    times = {"start": start, "end": start + 500, "time_base": Fraction(1, 1000)}
    return {"id": number, "metadata": {"title": title}, **times}


def rich_file(path, subtitles):
    """A film of 12 frames at 12 fps that begins at 1 s, with all that a file can carry."""
    with av.open(path, "w") as container:
        if not hasattr(container, "add_mux_stream"):
            pytest.skip("this release of PyAV cannot write subtitles")
        video = container.add_stream("libx264", rate=12)
        video.width, video.height, video.pix_fmt = 52, 36, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        sounds = [container.add_stream("aac", rate=24000) for _ in range(2)]
        lines = container.add_mux_stream(subtitles)
        lines.time_base = Fraction(1, 1000)
        for stream, language in zip((*sounds, lines), ("fra", "deu", "jpn"), strict=True):
            stream.metadata["language"] = language
        container.metadata["title"] = "A film"
        container.set_chapters([chapter(1, 1000, "One"), chapter(2, 1500, "Two")])
        for index, picture in enumerate(moving_square(12)):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            frame.pts, frame.time_base = 12 + index, Fraction(1, 12)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for pitch, sound in zip((0.1, 0.3), sounds, strict=True):
            wave = torch.sin(pitch * torch.arange(24000))
            for index, block in enumerate(wave.split(1024)):
                frame = av.AudioFrame.from_ndarray(block[None].numpy(), "fltp", "mono")
                frame.sample_rate, frame.time_base = 24000, Fraction(1, 24000)
                frame.pts = 24000 + 1024 * index
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        for start, text in ((1100, b"One"), (1600, b"Two")):
            packet = av.Packet(b"\0\3" + text if subtitles == "mov_text" else text)
            packet.pts = packet.dts = start
            packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), lines
            container.mux(packet)
    return path


def lines_of(path):
    """Subtitles as (from, to, text)."""
    with av.open(path) as container:
        packets = [p for p in container.demux(subtitles=0) if p.size > len(b"\0\0")]
        return [
            (
                p.pts * p.time_base,
                (p.pts + p.duration) * p.time_base,
                bytes(p).removeprefix(b"\0\3").decode(),
            )
            for p in packets
        ]


@pytest.mark.parametrize(
    ("source", "subtitles", "result", "kept"),
    [
        ("in.mp4", "mov_text", "out.mp4", True),
        ("in.mp4", "mov_text", "out.mov", True),
        ("in.mkv", "subrip", "out.mkv", True),
        ("in.mkv", "ass", "out.mkv", True),
        ("in.mkv", "subrip", "out.mp4", False),
        ("in.mkv", "webvtt", "out.webm", True),
    ],
)
def test_all_tracks_go_along(tmp_path, source, subtitles, result, kept):
    reader = VideoReader(rich_file(tmp_path / source, subtitles))
    result = tmp_path / result
    assert (reader.start, reader.aspect) == (1, Fraction(4, 3))
    with VideoWriter(result, 12, audio=reader, aspect=reader.aspect) as writer:
        for frame in reader:
            writer.write(frame)
    assert writer.left_out == ([] if kept else ["subtitle (srt)"])
    with av.open(result) as container:
        assert container.metadata["title"] == "A film"
        chapters = [(c["start"] * c["time_base"], c["metadata"]) for c in container.chapters()]
        sounds = container.streams.audio
        begins = [stream.start_time * stream.time_base for stream in container.streams]
        assert len(sounds) == 2
        if result.suffix != ".mov":  # which has languages of its own
            assert [sound.metadata["language"] for sound in sounds] == ["fra", "deu"]
        assert bool(container.streams.subtitles) == kept
        shown = begins[0]
    assert chapters == [(0, {"title": "One"}), (Fraction(1, 2), {"title": "Two"})]
    assert all(abs(begin - shown) < 0.06 for begin in begins[:3])  # in step
    if kept:
        lines = [(float(a - shown), float(b - shown), text) for a, b, text in lines_of(result)]
        expected = [(0.1, 0.3, "One"), (0.6, 0.8, "Two")]
        assert [line[2] for line in lines] == ["One", "Two"]
        for line, wanted in zip(lines, expected, strict=True):
            assert line[:2] == pytest.approx(wanted[:2], abs=0.003)
    assert VideoReader(result).aspect == (1 if result.suffix == ".webm" else Fraction(4, 3))


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
    monkeypatch.setattr("rife_video.rife_core.video.writer._layouts", lambda codec: [])
    with VideoWriter(tmp_path / "c.mp4", 12, depth=10) as writer:
        writer.write(moving_square()[0, :35, :51])
    assert VideoReader(tmp_path / "c.mp4").depth == 8


def test_the_shortest_deep_clips(tmp_path):
    for frames in (1, 2, 3) * 4:  # x265 gives a wrong time now and then
        with VideoWriter(tmp_path / "c.mp4", 12, depth=10) as writer:
            for _ in range(frames):
                writer.write(torch.rand(64, 64, 3))
        assert len(list(VideoReader(tmp_path / "c.mp4"))) == frames
