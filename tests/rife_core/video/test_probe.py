"""What a file says of its picture."""

from fractions import Fraction

import av
import pytest
from rife_video.rife_core.video import ColorTags, VideoWriter
from rife_video.rife_core.video.containers import VideoError, open_input
from rife_video.rife_core.video.pixels import Orientation, PixelKind
from rife_video.rife_core.video.probe import (
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
