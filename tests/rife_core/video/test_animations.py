"""Animations are written whole, from lossless segments."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch
from rife_video.rife_core.video import (
    EncoderRequest,
    PixelKind,
    VideoError,
    VideoReader,
    VideoWriter,
)
from rife_video.rife_core.video.animations import AnimationWriter, check_animation
from rife_video.rife_core.video.encoders import FILE_TYPES
from support import moving_square

NOTHING = EncoderRequest()


def segments(folder, suffix, parts):
    for number, frames in enumerate(parts):
        path = folder / f"{number}{FILE_TYPES[suffix].segment}"
        with VideoWriter(path, Fraction(10), file_type=suffix) as writer:
            for frame in frames:
                writer.write(frame)
        yield path


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_segments_become_one_animation(tmp_path, suffix):
    frames = moving_square(5)
    path = tmp_path / f"a{suffix}"
    writer = AnimationWriter(
        path, Fraction(10), NOTHING, name=path.name, kind=PixelKind(), left_out=[]
    )
    parts = list(segments(tmp_path, suffix, (frames[:2], frames[2:])))
    with writer:
        for part in parts:
            writer.append(part)
    assert writer.count == 5
    assert sorted(tmp_path.iterdir()) == sorted([*parts, path])
    if suffix == ".gif":  # FFmpeg reads no animated WebP
        read = torch.stack(list(VideoReader(path)))
        assert read.shape == frames.shape
        assert (read - frames).abs().mean() < 0.03
    else:
        assert path.read_bytes().count(b"ANMF") == 5


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    with (
        pytest.raises(VideoError, match=r"a\.gif was not written: there were no frames"),
        AnimationWriter(path, Fraction(10), NOTHING, name="a.gif", kind=PixelKind(), left_out=[]),
    ):
        pass
    (part,) = segments(tmp_path, ".gif", [moving_square(2)])
    writer = AnimationWriter(
        path, Fraction(10), NOTHING, name="a.gif", kind=PixelKind(), left_out=[]
    )

    def broken(*_):
        raise av.error.OSError(28, "No space left on device")

    monkeypatch.setattr("rife_video.rife_core.video.animations._with_palette", broken)
    with pytest.raises(VideoError, match=r"a\.gif cannot be written: No space left"), writer:
        writer.append(part)
    assert list(tmp_path.iterdir()) == [part]


@pytest.mark.parametrize(
    ("suffix", "fps", "request_", "message"),
    [
        (".gif", 60, NOTHING, "50"),
        (".gif", 10, EncoderRequest(quality=5), "quality"),
        (".webp", 10, EncoderRequest(quality=500), "quality"),
    ],
)
def test_what_the_file_type_cannot(suffix, fps, request_, message):
    with pytest.raises(ValueError, match=message):
        check_animation(suffix, Fraction(fps), request_)


def test_what_an_animation_loses_is_said():
    kind = PixelKind(depth=10, aspect=Fraction(4, 3))
    writer = AnimationWriter(
        Path("a.gif"), Fraction(10), NOTHING, name="a.gif", kind=kind, left_out=["audio (aac)"]
    )
    assert writer.notes == [
        "A .gif has 256 colours for all its frames.",
        ".gif files hold 8 bits a value, of 10.",
    ]
    assert writer.left_out == ["audio (aac)", "the shape of pixels (4/3)"]
