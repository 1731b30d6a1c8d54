"""What a file says of its picture."""

from fractions import Fraction

import av
import pytest
from rife_video.rife_core.video import ColorTags, VideoWriter
from rife_video.rife_core.video.containers import VideoError, open_input
from rife_video.rife_core.video.pixels import Orientation, PixelKind
from rife_video.rife_core.video.probe import (
    beside_pixels,
    is_transparent,
    kind_of,
    name_of_others,
    picture_stream,
    stated_rates,
)
from support import moving_square


def test_a_file_of_sound_alone_has_no_picture(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame("s16", "mono", 80)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with open_input(path) as container, pytest.raises(VideoError, match="has no picture"):
        picture_stream(container, path)


def test_pixels_are_told_as_they_were_written(tmp_path):
    tags = ColorTags(1, 1, 1, 1)
    kind = PixelKind(tags, 8, aspect=Fraction(4, 3))
    path = tmp_path / "wide.mkv"
    with VideoWriter(path, Fraction(30000, 1001), kind=kind) as writer:
        for frame in moving_square(2):
            writer.write(frame)
    with open_input(path) as container:
        stream = picture_stream(container, path)
        first = next(container.decode(stream))
        found = kind_of(stream, first, Orientation())
        assert stated_rates(container, stream)[0] == Fraction(30000, 1001)
        assert name_of_others(container, stream) is None
        assert not is_transparent(stream, first)
        assert (found.color, found.depth, found.alpha) == (tags, 8, False)
        assert found.aspect == kind.aspect


def captioned(path):
    """H.264 whose first frame bears closed captions (CEA-708, one empty pair)."""
    captions = b"\xb5\x00\x31GA94\x03\x41\xff\xfc\x80\x80\xff"
    message = b"\0\0\0\1\x06\x04" + bytes([len(captions)]) + captions + b"\x80"
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base = Fraction(1, 8)
    frames = [av.VideoFrame(64, 48, "yuv420p") for _ in range(2)]
    for number, frame in enumerate(frames):
        frame.pts = number
    stream = b"".join(bytes(p) for frame in (*frames, None) for p in encoder.encode(frame))
    at = stream.index(b"\0\0\1\x65")  # the first picture
    path.write_bytes(stream[:at] + message[1:] + stream[at:])
    return path


def test_what_frames_hold_beside_pixels_is_named(tmp_path):
    with open_input(captioned(tmp_path / "a.h264")) as container:
        first, second = container.decode(picture_stream(container, tmp_path))
    assert beside_pixels(first) == "Left out, for frames in between have none: closed captions."
    assert beside_pixels(second) is None
