"""Whatever a clip comes from is opened by its kind."""

import io
import types

import pytest
import torch
from rife_video.rife_core.files import sources
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


def test_damage_is_refused_unless_it_is_allowed(clip_file, pictures):
    clip, sequence = open_source(clip_file, "o.mp4"), open_source(pictures, "o.mp4")
    switches = (clip.allow_damaged, clip.skip_damaged, clip.deinterlace, sequence.allow_damaged)
    assert switches == (False,) * 4
    for wish in ("allow_damaged", "skip_damaged"):
        assert getattr(open_source(clip_file, "o.mp4", **{wish: True}), wish)
        # A picture that cannot be read is left out in either way.
        assert open_source(pictures, "o.mp4", **{wish: True}).allow_damaged
    assert open_source(clip_file, "o.mp4", deinterlace=True).deinterlace


@pytest.mark.parametrize("source", ["-", "pictures"])
def test_hardware_decodes_files_alone(pictures, clip_file, source):
    with pytest.raises(ValueError, match="Hardware decodes video files only"):
        open_source("-" if source == "-" else pictures, "o.mp4", hwaccel="auto")
    assert open_source(clip_file, "o.mp4", hwaccel="auto").width


@pytest.mark.parametrize(
    "wish", [{"raw": "rgb24"}, {"raw": "rgb24", "size": "4x2"}, {"size": "4x2"}, {"raw": "y4m"}]
)
def test_only_standard_input_has_raw_frames(clip_file, wish):
    with pytest.raises(ValueError, match="--raw and --size say together"):
        open_source(clip_file, "o.mp4", **wish)


def test_a_size_needs_raw_frames_and_y4m_tells_its_own(monkeypatch):
    y4m = b"YUV4MPEG2 W4 H2 F10:1 C444\nFRAME\n" + bytes(4 * 2 * 3)
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(y4m)))
    with pytest.raises(ValueError, match="--raw and --size say together"):
        open_source("-", "o.mp4", size="4x2")
    assert open_source("-", "o.mp4", raw="y4m").fps == 10


@pytest.mark.parametrize(
    ("destination", "linear"), [("o/%d.exr", 1), ("o/%d.EXR", 1), ("o/%d.png", 0), ("o.avi", 0)]
)
def test_light_stays_linear_where_it_is_written_so(pictures, monkeypatch, destination, linear):
    asked = []

    def reader(*arguments, linear, **options):
        asked.append(linear)
        return ImageSequenceReader(*arguments, **options)

    monkeypatch.setattr(sources, "ImageSequenceReader", reader)
    open_source(pictures, destination)
    assert asked == [linear]
