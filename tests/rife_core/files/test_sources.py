"""Whatever a clip comes from is opened by its kind."""

import io
import types

import pytest
import torch
from rife_video.rife_core.files.sources import open_source
from rife_video.rife_core.video import (
    ImageSequenceReader,
    ImageSequenceWriter,
    Part,
    PipeReader,
    VideoReader,
)
from support import moving_square


@pytest.fixture
def pictures(tmp_path):
    pattern = f"{tmp_path}/in/%04d.png"
    (tmp_path / "in").mkdir()
    writer = ImageSequenceWriter(pattern)
    for frame in moving_square(3):
        writer.write(torch.cat((frame, torch.full_like(frame[..., :1], 0.5)), -1))
    return pattern


def test_each_kind_has_its_reader(clip_file, pictures, monkeypatch):
    assert isinstance(open_source(clip_file, "o.mp4"), VideoReader)
    assert isinstance(open_source(pictures, "o.mp4"), ImageSequenceReader)
    raw = types.SimpleNamespace(buffer=io.BytesIO(bytes(4 * 2 * 3 * 2)))
    monkeypatch.setattr("sys.stdin", raw)
    pipe = open_source("-", "o.mp4", raw="rgb24", size="4x2", fps=10)
    assert isinstance(pipe, PipeReader)
    assert (pipe.width, pipe.height, pipe.fps) == (4, 2, 10)


def test_a_part_is_cut_out(clip_file):
    assert open_source(clip_file, "o.mp4", part=Part("1f", frames=2)).clock.count == 2


@pytest.mark.parametrize(
    ("destination", "channels"), [("o.mp4", 3), ("o.mov", 4), ("out/%d.png", 4), ("-", 3)]
)
def test_transparency_is_read_where_it_can_be_kept(pictures, destination, channels):
    assert open_source(pictures, destination).channels == channels


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_source(tmp_path / "gone.mp4", "o.mp4")
