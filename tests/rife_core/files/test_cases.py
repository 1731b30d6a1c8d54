"""Files of kinds that people have: each is interpolated, and nothing of it is lost without a word.

The files in `cases` were painted for these tests; the others are written here.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from rife_video.rife_core.files import interpolate_file
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import VideoError, VideoReader
from support import moving_square

CASES = Path(__file__).parent / "cases"
DOUBLE = Timeline.multiply(2)


def painted(path, *, codec="libx264", pixels="yuv420p", frames=6, rate=8, times=None, sound=None):
    """A file of a moving square, with sound as (codec, layout, sample format) if wanted."""
    with av.open(path, "w") as container:
        video = container.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = 52, 36, pixels
        if times:
            video.codec_context.time_base = Fraction(1, 1000)
        audio = None
        if sound:
            audio = container.add_stream(sound[0], rate=48000)
            audio.layout, audio.format = sound[1], sound[2]
        for index, picture in enumerate(moving_square(frames)):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            if times:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(video.encode(frame.reformat(format=pixels)))
        container.mux(video.encode(None))
        if audio:
            channels = audio.channels
            for begin in range(0, 48000 * frames // rate, 1024):
                wave = np.sin(np.arange(begin, begin + 1024) / 9, dtype=np.float32)
                chunk = np.stack([wave / (k + 2) for k in range(channels)])
                frame = av.AudioFrame.from_ndarray(chunk, "fltp", sound[1])
                frame.sample_rate, frame.pts = 48000, begin
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def frames_of(path, **options):
    return list(VideoReader(path, **options))


def times_of(path):
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def sounds_of(path):
    with av.open(str(path)) as container:
        return [(each.codec_context.name, each.layout.name) for each in container.streams.audio]


def all_are_in(source, result, places, *, within=6):
    """Each source frame is shown at its place of the result."""
    before, after = frames_of(source), frames_of(result)
    assert len(places) == len(before)
    for frame, place in zip(before, places, strict=True):
        assert (frame - after[place]).abs().mean() * 255 < within


def mean_difference(a, b):
    return float((a - b).abs().mean()) * 255


# Times


def test_a_still_in_a_screen_recording_is_held(tmp_path, network):
    source, result = CASES / "screen.mp4", tmp_path / "o.mp4"
    report = interpolate_file(network, source, result, DOUBLE)
    assert (report.fps, report.frames) == (60, 301)
    assert report.engine.frames_in == 32
    times = [VideoReader(source).clock.time(k) for k in range(32)]
    all_are_in(source, result, [round(time * 60) for time in times], within=2)
    after = frames_of(result)
    assert mean_difference(after[40], after[250]) < 1  # the still
    assert report.made == 31  # in the still nothing is made but its last step


@pytest.mark.parametrize(
    ("end", "frames", "seconds"), [("last_frame", 53, 2.65), ("keep_duration", 54, 2.70)]
)
def test_the_pause_at_the_end_of_a_gif_counts(tmp_path, network, end, frames, seconds):
    source = tmp_path / "in.gif"
    with av.open(source, "w") as container:
        video = container.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = 52, 36, "rgb8"
        for index, picture in enumerate(moving_square(8)):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(video.encode(frame.reformat(format="rgb8")))
        container.mux(video.encode(None))
    data = bytearray(source.read_bytes())
    at = [k for k in range(len(data)) if data[k : k + 3] == b"\x21\xf9\x04"][-1]
    data[at + 4 : at + 6] = (200).to_bytes(2, "little")  # the delay of the last frame, in 1/100 s
    source.write_bytes(data)
    reader = VideoReader(source)
    assert reader.clock.end == Fraction(27, 10)
    report = interpolate_file(network, reader, tmp_path / "o.mp4", Timeline.multiply(2, end))
    assert (report.frames, report.fps, report.engine.frames_in) == (frames, 20, 8)
    assert report.frames / report.fps == pytest.approx(seconds)


def test_a_clock_that_steps_back_goes_on(tmp_path, network):
    report = interpolate_file(network, CASES / "tsback.ts", tmp_path / "o.mp4", DOUBLE)
    assert (report.engine.frames_in, report.frames, report.fps) == (16, 31, 16)
    assert report.engine.scenes.cuts == [9]
    assert "set anew at frame 9" in report.notes[0]
    all_are_in(CASES / "tsback.ts", tmp_path / "o.mp4", range(0, 31, 2))
    result = frames_of(tmp_path / "o.mp4")
    assert mean_difference(result[14], result[15]) < 1  # the old scene is held up to the cut


def test_sound_follows_the_picture_over_a_seam(tmp_path, network):
    one = painted(tmp_path / "a.ts", frames=16, sound=("aac", "mono", "fltp"))
    data = one.read_bytes()
    (tmp_path / "in.ts").write_bytes(data + data)
    report = interpolate_file(network, tmp_path / "in.ts", tmp_path / "o.mkv", DOUBLE)
    assert report.engine.frames_in == 32
    assert report.engine.scenes.cuts == [17]
    with av.open(str(tmp_path / "o.mkv")) as container:
        heard = [
            packet.pts * packet.time_base for packet in container.demux(audio=0) if packet.size
        ]
    assert heard == sorted(heard)
    assert float(heard[-1]) == pytest.approx(4, abs=0.1)


def test_times_are_dealt_out_where_a_file_has_none(tmp_path, network):
    report = interpolate_file(network, CASES / "hb.avi", tmp_path / "o.mp4", DOUBLE)
    assert (report.engine.frames_in, report.frames, report.fps) == (20, 39, 50)
    all_are_in(CASES / "hb.avi", tmp_path / "o.mp4", range(0, 39, 2))


def test_a_raw_stream_has_the_rate_of_its_headers(tmp_path, network):
    report = interpolate_file(network, CASES / "h264.h264", tmp_path / "o.mp4", DOUBLE)
    assert (report.frames, report.fps) == (23, 16)


def test_a_rate_that_is_given_goes_before_that_of_the_file(tmp_path, network):
    reader = VideoReader(CASES / "h264.h264", fps=24)
    report = interpolate_file(network, reader, tmp_path / "o.mp4", DOUBLE)
    assert (report.frames, report.fps) == (23, 48)


def test_rates_are_numbers_that_files_take(tmp_path, network):
    report = interpolate_file(network, CASES / "ns.mp4", tmp_path / "o.mp4", DOUBLE)
    assert (report.frames, report.fps) == (23, Fraction(60000, 1001))


def test_a_faster_stretch_raises_the_rate(tmp_path, network):
    """Most at 10 fps, some at 20: the result has a frame for each of both."""
    times = [100 * k for k in range(11)] + [1000 + 50 * k for k in range(1, 7)]
    source = painted(tmp_path / "in.mkv", frames=17, times=times)
    report = interpolate_file(network, source, tmp_path / "o.mp4", Timeline.multiply(1))
    assert report.engine.frames_in == 17
    assert report.fps == 20
    assert "no frame is lost" in report.notes[0]
    all_are_in(source, tmp_path / "o.mp4", [round(time / 50) for time in times])


def test_a_pause_of_days_is_refused(tmp_path, network):
    times = [0, 100, 200, 3 * 24 * 3600 * 1000, 3 * 24 * 3600 * 1000 + 100]
    source = painted(tmp_path / "in.mkv", frames=5, times=times)
    with pytest.raises(VideoError, match=r"frame 3 stays for 3\.0 days"):
        interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)


# The picture


@pytest.mark.parametrize("name", ["rgb_odd.mov", "rgb_x264.mp4"])
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_rgb_keeps_its_colours(tmp_path, network, name, suffix):
    result = tmp_path / f"o{suffix}"
    interpolate_file(network, CASES / name, result, DOUBLE)
    assert VideoReader(result).color.matrix == 1
    with av.open(str(result)) as container:
        assert container.streams.video[0].codec_context.colorspace == 1
    all_are_in(CASES / name, result, range(0, 11, 2), within=3)


def test_a_mirrored_recording_is_shown_as_players_do(tmp_path, network):
    source = painted(tmp_path / "in.mp4", frames=3)
    plain = frames_of(source)
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44
    for index in (0, 6):  # a: mirrored; x: moved back into view
        value = -(1 << 16) if index == 0 else 52 << 16
        data[at + 4 * index : at + 4 * index + 4] = value.to_bytes(4, "big", signed=True)
    source.write_bytes(data)
    mirrored = frames_of(source)
    assert torch.equal(mirrored[1], plain[1].flip(1))
    interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)
    all_are_in(source, tmp_path / "o.mp4", [0, 2, 4])


def test_a_cover_is_not_the_film(tmp_path, network):
    source = tmp_path / "in.mkv"
    with av.open(source, "w") as container:
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 40, 40, "yuvj420p"
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 52, 36, "yuv420p"
        container.mux(cover.encode(av.VideoFrame(40, 40, "yuvj420p")))
        for picture in moving_square(6):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    report = interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)
    assert report.frames == 11
    assert "left out, as covers or other pictures: track 1 (mjpeg)" in report.notes[0]


def test_a_song_with_a_cover_is_no_video():
    with pytest.raises(VideoError, match="has no moving picture"):
        VideoReader(CASES / "song.mp3")


def test_hdr_is_told_to_displays(tmp_path, network):
    interpolate_file(network, CASES / "hdr10.mp4", tmp_path / "o.mp4", DOUBLE)
    before, after = VideoReader(CASES / "hdr10.mp4").kind, VideoReader(tmp_path / "o.mp4").kind
    assert before.mastering is not None
    assert before.light == (1000, 400)
    assert before.chroma_site == 3
    assert after == before


@pytest.mark.parametrize("suffix", [".mov", ".webm", ".mp4"])
def test_transparency_is_kept_or_named(tmp_path, network, suffix):
    source = tmp_path / "in.mov"
    with av.open(source, "w") as container:
        video = container.add_stream("qtrle", rate=10)
        video.width, video.height, video.pix_fmt = 52, 36, "argb"
        for picture in moving_square(4):
            alpha = torch.linspace(0, 1, 52).expand(36, 52)[..., None]
            rgba = (torch.cat((picture, alpha), dim=-1) * 255).byte().numpy()
            frame = av.VideoFrame.from_ndarray(rgba, "rgba")
            container.mux(video.encode(frame.reformat(format="argb")))
        container.mux(video.encode(None))
    report = interpolate_file(network, source, tmp_path / f"o{suffix}", DOUBLE)
    reader = VideoReader(tmp_path / f"o{suffix}", alpha=True)
    if suffix == ".mp4":
        assert reader.channels == 3
        assert ".mp4 files cannot hold transparency" in report.notes[0]
        return
    assert reader.channels == 4
    alpha = torch.stack(list(reader))[..., 3]
    assert mean_difference(alpha, torch.linspace(0, 1, 52)) < 4
    assert not any("transparency" in note for note in report.notes)


def test_interlaced_frames_are_named_or_made_whole(tmp_path, network):
    source = CASES / "inter.mp4"
    report = interpolate_file(network, source, tmp_path / "o.mp4", DOUBLE)
    assert "The source is interlaced (8 frames)" in report.notes[0]
    reader = VideoReader(source, deinterlace=True)
    report = interpolate_file(network, reader, tmp_path / "whole.mp4", DOUBLE)
    assert (report.frames, report.notes) == (15, ())

    def combing(path):
        frame = frames_of(path)[12]
        return float((frame[1:-1] - (frame[:-2] + frame[2:]) / 2).abs().mean())

    assert combing(tmp_path / "whole.mp4") < 0.5 * combing(tmp_path / "o.mp4")


def test_frames_of_another_size_are_scaled(tmp_path, network):
    small = painted(tmp_path / "a.mjpeg", codec="mjpeg", pixels="yuvj420p").read_bytes()
    container = av.CodecContext.create("mjpeg", "w")
    container.width, container.height, container.pix_fmt = 40, 30, "yuvj420p"
    container.time_base = Fraction(1, 25)
    other = b"".join(map(bytes, container.encode(av.VideoFrame(40, 30, "yuvj420p"))))
    (tmp_path / "in.mjpeg").write_bytes(small + other)
    report = interpolate_file(network, tmp_path / "in.mjpeg", tmp_path / "o.mp4", DOUBLE)
    assert report.frames == 13
    assert "changes to 40x30 at frame 7" in report.notes[0]


# Sound and the rest


@pytest.mark.parametrize(
    ("source", "sound", "result", "expected"),
    [
        ("in.avi", ("pcm_s16le", "stereo", "s16"), "o.mp4", ("aac", "stereo")),
        ("in.mkv", ("flac", "stereo", "s16"), "o.mov", ("aac", "stereo")),
        ("in.mkv", ("flac", "stereo", "s16"), "o.mp4", ("flac", "stereo")),
        ("in.mp4", ("aac", "5.1", "fltp"), "o.webm", ("opus", "5.1")),
        ("in.mp4", ("aac", "mono", "fltp"), "o.webm", ("opus", "mono")),
    ],
)
def test_sound_that_a_file_type_cannot_hold_is_encoded(
    tmp_path, network, source, sound, result, expected
):
    path = painted(tmp_path / source, sound=sound)
    report = interpolate_file(network, path, tmp_path / result, DOUBLE)
    assert sounds_of(tmp_path / result) == [expected]
    codec = sound[0].removeprefix("lib")
    is_copied = expected[0] == codec
    assert report.notes == () if is_copied else "is encoded again" in report.notes[0]


def test_which_track_plays_by_itself_is_kept(tmp_path, network):
    if not hasattr(av.container.OutputContainer, "add_attachment"):
        pytest.skip("this release of PyAV cannot write fonts")
    source = tmp_path / "in.mkv"
    with av.open(source, "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 52, 36, "yuv420p"
        video.metadata["language"], video.metadata["title"] = "eng", "Main"
        sounds = [container.add_stream("aac", rate=48000) for _ in range(2)]
        for sound, language, flags in zip(sounds, ("jpn", "eng"), (8, 1), strict=True):
            sound.metadata["language"], sound.disposition = language, flags
        container.add_attachment("f.ttf", "font/ttf", b"a font")
        for picture in moving_square(6):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for sound in sounds:
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 24000), np.float32), "fltp", "stereo")
            frame.sample_rate = 48000
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    for suffix in (".mkv", ".mp4"):
        report = interpolate_file(network, source, tmp_path / f"o{suffix}", DOUBLE)
        with av.open(str(tmp_path / f"o{suffix}")) as container:
            audio = container.streams.audio
            assert [int(each.disposition) & 1 for each in audio] == [0, 1]
            assert [each.metadata["language"] for each in audio] == ["jpn", "eng"]
            assert container.streams.video[0].metadata["language"] == "eng"
            fonts = [each for each in container.streams if each.type == "attachment"]
            assert [font.data for font in fonts] == ([b"a font"] if suffix == ".mkv" else [])
        named = any("attachment (f.ttf)" in note for note in report.notes)
        assert named == (suffix == ".mp4")


def test_a_title_that_is_not_utf8_reads(tmp_path, network):
    source = painted(tmp_path / "in.mkv")
    with av.open(str(source)) as one, av.open(str(tmp_path / "t.mkv"), "w") as two:
        two.metadata["title"] = "Caf#"
        stream = two.add_stream_from_template(one.streams.video[0], opaque=True)
        for packet in one.demux(video=0):
            if packet.size:
                packet.stream = stream
                two.mux(packet)
    data = (tmp_path / "t.mkv").read_bytes()
    (tmp_path / "t.mkv").write_bytes(data.replace(b"Caf#", b"Caf\xe9"))
    interpolate_file(network, tmp_path / "t.mkv", tmp_path / "o.mp4", DOUBLE)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.metadata["title"] == "Café"


# Names


@pytest.mark.parametrize("name", ["a:b", "file:c", "100%d", "x%03d", "http:", "-i", "pipe:1"])
def test_no_name_is_read_as_anything_but_a_name(tmp_path, network, name):
    source = painted(tmp_path / "in.mp4", frames=2)
    source.rename(tmp_path / f"{name}.mp4")
    result = tmp_path / f"o {name}.mkv"
    assert interpolate_file(network, tmp_path / f"{name}.mp4", result, DOUBLE).frames == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{name}.mp4", result.name])


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{0}'\n",
    ],
)
@pytest.mark.parametrize("suffix", [".m3u8", ".mp4", ".txt"])
def test_a_playlist_opens_nothing(tmp_path, text, suffix):
    (tmp_path / "elsewhere").mkdir()
    secret = painted(tmp_path / "elsewhere" / "s.ts", frames=2)
    (tmp_path / f"list{suffix}").write_text(text.format(secret))
    with pytest.raises(VideoError, match="is no video that can be read"):
        VideoReader(tmp_path / f"list{suffix}")
