"""Sound, subtitles and other tracks that go along."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from rife_video.rife_core.video import VideoReader, VideoWriter
from support import moving_square


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


def test_sound_of_an_unknown_codec_is_named(tmp_path):
    """PyAV 15 crashed on it."""
    source, result = tmp_path / "in.mov", tmp_path / "out.mov"
    with av.open(source, "w") as container:
        video, sound = container.add_stream("mpeg4", rate=12), container.add_stream("pcm_s16le")
        video.width, video.height, video.pix_fmt = 52, 36, "yuv420p"
        for index, picture in enumerate(moving_square()):
            frame = av.VideoFrame.from_ndarray((255 * picture).byte().numpy(), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 12)
            container.mux(video.encode(frame))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "stereo")
        frame.sample_rate = 48000
        container.mux([*video.encode(None), *sound.encode(frame), *sound.encode(None)])
    source.write_bytes(source.read_bytes().replace(b"sowt", b"zzzz"))
    with VideoWriter(result, 12, audio=VideoReader(source)) as writer:
        for picture in moving_square():
            writer.write(picture)
    assert writer.left_out == ["audio (unknown)"]
    with av.open(result) as container:
        assert [stream.type for stream in container.streams] == ["video"]


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
    square = ["the shape of pixels (4/3)"] if result.suffix == ".webm" else []
    assert writer.left_out == square + ([] if kept else ["subtitle (srt)"])
    with av.open(result) as container:
        assert container.metadata["title"] == "A film"
        chapters = [(c["start"] * c["time_base"], c["metadata"]) for c in container.chapters()]
        sounds = container.streams.audio
        begins = [stream.start_time * stream.time_base for stream in container.streams]
        assert len(sounds) == 2
        german = "ger" if result.suffix == ".mov" else "deu"  # it has codes of its own
        assert [sound.metadata["language"] for sound in sounds] == ["fra", german]
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


def clip_with(path, codec, frame, place=lambda number, packet: None):
    """Four frames at 8 fps with one frame of sound; `place` may change the packets of sound."""
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(codec, rate=48000)
        audio.layout = frame.layout
        for picture in moving_square(4):
            image = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            container.mux(video.encode(image.reformat(64, 48)))
        container.mux(video.encode(None))
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        for number, packet in enumerate([*audio.encode(frame), *audio.encode(None)]):
            place(number, packet)
            container.mux(packet)
    return VideoReader(path)


def copied(reader, path):
    with VideoWriter(path, 8, audio=reader) as writer:
        for frame in reader:
            writer.write(frame)
    return str(path)


def test_the_last_packet_of_a_copied_track_is_kept(tmp_path):
    """Matroska does not say how long ALAC packets last, and MP4 drops a last one of no length."""
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 24000), np.int16), "s16p", "mono")
    reader = clip_with(tmp_path / "in.mkv", "alac", frame)
    with av.open(copied(reader, tmp_path / "out.mp4")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 24000


def test_packets_of_one_moment_follow_each_other(tmp_path):
    """Two of them, one tick of 1/90000 apart, would be at one tick of MOV, which refuses that."""

    def place(number, packet):
        if number >= 10:
            packet.pts = packet.dts = packet.pts - round(0.024 / packet.time_base) + 1

    frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 24192), np.int16), "s16", "stereo")
    reader = clip_with(tmp_path / "in.ts", "mp2", frame, place)
    for suffix in (".mov", ".mkv", ".avi"):
        with av.open(copied(reader, tmp_path / f"out{suffix}")) as container:
            times = [packet.dts for packet in container.demux(audio=0) if packet.size]
        assert len(times) == 21
        assert times == sorted(set(times))


def times_in(path, kind):
    with av.open(path) as container:
        return [packet.dts for packet in container.demux(**{kind: 0}) if packet.size]


@pytest.mark.parametrize("source", ["a file", "a waveform"])
def test_sound_in_avi_lets_no_frame_wait(tmp_path, clip_file, tone, source):
    """What an encoder holds back begins before the picture, which AVI cannot say."""
    sound = VideoReader(clip_file) if source == "a file" else tone
    with VideoWriter(tmp_path / "out.avi", 12, audio=sound) as writer:
        for picture in moving_square():
            writer.write(picture)
    assert times_in(tmp_path / "out.avi", "video") == [*range(6)]
    assert times_in(tmp_path / "out.avi", "audio")[0] == 0
    heard = VideoReader(tmp_path / "out.avi").read_audio()
    assert heard["waveform"].shape[2] / heard["sample_rate"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("late", [0.0, 0.25])
def test_sound_in_avi_sets_in_when_it_should(tmp_path, late):
    """All tracks of an AVI begin at once: what sets in later is encoded after silence."""

    def place(number, packet):
        packet.pts = packet.dts = packet.pts + round(late / packet.time_base)

    wave = (8000 * np.sin(np.arange(24192) / 20)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], "s16", "stereo")
    reader = clip_with(tmp_path / "in.mkv", "pcm_s16le", frame, place)
    heard = VideoReader(copied(reader, tmp_path / "out.avi"))
    loud = heard.read_audio()["waveform"][0, 0].abs() > 0.1
    assert int(loud.int().argmax()) / 48000 == pytest.approx(late, abs=0.005)
    assert heard.audio_codecs == (["mp3float"] if late else ["pcm_s16le"])


def test_sound_that_sets_in_again_after_the_picture_is_named(tmp_path):
    """The encoded track ends with the picture; the note says what is missing."""

    def place(number, packet):
        if number >= 8:
            packet.pts = packet.dts = packet.pts + round(3600 / packet.time_base)

    frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 24192), np.int16), "s16", "stereo")
    reader = clip_with(tmp_path / "in.mkv", "mp2", frame, place)
    with VideoWriter(tmp_path / "out.webm", 8, audio=reader) as writer:
        for picture in reader:
            writer.write(picture)
    (note,) = [note for note in writer.notes if "is left out" in note]
    assert note.startswith("What sound track 2 (mp2) plays from 3600.")
    assert note.endswith(" s on is left out: the picture ends at 0.50 s.")
