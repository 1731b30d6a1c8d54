"""y4m and raw frames through file objects."""

import io
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.video import (
    ColorTags,
    PipeReader,
    PipeWriter,
    PixelKind,
    RawVideo,
    VideoError,
)

RATE = Fraction(24000, 1001)


def _written(frames, kind=None, layout="y4m"):
    file = io.BytesIO()
    with PipeWriter(file, RATE, kind or PixelKind(), layout) as writer:
        for frame in frames:
            writer.write(frame)
    file.seek(0)
    return file


@pytest.fixture
def frames():
    random = torch.Generator().manual_seed(0)
    return [torch.rand(36, 52, 3, generator=random) for _ in range(3)]


@pytest.mark.parametrize(("layout", "top"), [("rgb24", 255), ("rgb48", 65535)])
def test_raw_frames_keep_every_bit(frames, layout, top):
    frames = [(frame * top).round() / top for frame in frames]
    file = _written(frames, layout=layout)
    assert len(file.getvalue()) == 3 * 36 * 52 * 3 * (1 if top == 255 else 2)
    reader = PipeReader(file, raw=RawVideo.parse(layout, "52x36", RATE))
    read = [frame for _, frame in reader.timed()]
    assert all(torch.equal(a, b) for a, b in zip(read, frames, strict=True))


@pytest.mark.parametrize(
    "kind",
    [
        PixelKind(),
        PixelKind(depth=10, chroma="444"),
        PixelKind(ColorTags(1, 1, 1, 2), chroma="422"),
    ],
)
def test_y4m_says_what_it_is(frames, kind):
    reader = PipeReader(_written(frames, kind))
    assert (reader.fps, reader.width, reader.height) == (RATE, 52, 36)
    assert (reader.kind.depth, reader.kind.chroma) == (kind.depth, kind.chroma)
    assert reader.kind.color.range == kind.color.range
    assert len(list(reader.timed())) == 3


def test_y4m_that_is_written_again_is_the_same(frames):
    once = _written(frames, PixelKind(ColorTags(2, 2, 2, 1), depth=10, chroma="444"))
    reader = PipeReader(once)
    again = _written([frame for _, frame in reader.timed()], reader.kind)
    assert PipeReader(again).kind == reader.kind
    first = [frame for _, frame in PipeReader(io.BytesIO(once.getvalue())).timed()]
    second = [frame for _, frame in PipeReader(io.BytesIO(again.getvalue())).timed()]
    assert all(float((a - b).abs().max()) < 0.02 for a, b in zip(first, second, strict=True))


def test_a_part_of_a_pipe(frames):
    reader = PipeReader(_written(frames)).part(1, 1)
    assert [time for time, _ in reader.timed()] == [0]


def test_what_is_no_stream_is_refused():
    with pytest.raises(VideoError, match="Standard input holds no y4m frames"):
        PipeReader(io.BytesIO(b"hello"))
    with pytest.raises(ValueError, match="--size 1920x1080 and --source-fps 24"):
        RawVideo.parse("rgb24", None, 24)
    with pytest.raises(ValueError, match="--size"):
        RawVideo.parse("rgb24", "0x10", 24)


@pytest.mark.parametrize(
    ("kind", "layout", "told"),
    [
        (PixelKind(depth=12), "y4m", []),
        (PixelKind(depth=16), "y4m", ["y4m frames hold 12 bits a value, of 16."]),
        (PixelKind(depth=10), "rgb24", ["rgb24 frames hold 8 bits a value, of 10."]),
        (
            PixelKind(aspect=Fraction(4, 3)),
            "rgb24",
            ["Raw frames do not tell the shape of pixels (4/3)."],
        ),
        (PixelKind(source_chroma="444"), "rgb24", []),
        (
            PixelKind(source_chroma="444"),
            "y4m",
            ["Colour of 4:4:4 becomes 4:2:0; raw frames (--pipe-format rgb24) keep it."],
        ),
    ],
)
def test_what_frames_in_a_pipe_cannot_say_is_named(kind, layout, told):
    assert PipeWriter(io.BytesIO(), RATE, kind, layout).notes == told
