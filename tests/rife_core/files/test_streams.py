"""From clips to numbered pictures and pipes: bits kept, runs that go on, refusals."""

import io
import sys
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.files.convert import interpolate_file
from rife_video.rife_core.files.sources import open_source
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import (
    EncoderRequest,
    Part,
    PipeReader,
    PipeWriter,
    PixelKind,
    VideoError,
    VideoReader,
)
from rife_video.rife_core.video.images import encode_image, read_image, write_exr
from support import moving_square

TWICE = Timeline.multiply(2)


def _deep_pictures(folder, suffix, channels=3, count=4):
    """Pictures of 16 bits, whose last bits are random."""
    folder.mkdir()
    images = []
    for number, frame in enumerate(moving_square(), 1):
        if number > count:
            break
        noise = torch.rand(frame.shape, generator=torch.Generator().manual_seed(number)) / 500
        image = ((frame * 0.9 + noise) * 65535).round() / 65535
        if channels == 4:
            image = torch.cat((image, torch.full_like(image[..., :1], 0.5)), dim=2)
        images.append((image * 65535).round() / 65535)
        content = encode_image(images[-1], suffix, depth=16)
        (folder / f"f_{number:04d}{suffix}").write_bytes(content)
    return images


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_source_pictures_of_16_bits_come_out_bit_for_bit(network, tmp_path, suffix, channels):
    images = _deep_pictures(tmp_path / "in", suffix, channels)
    destination = f"{tmp_path}/out/n_%03d{suffix}"
    report = interpolate_file(network, tmp_path / "in", destination, TWICE)
    assert (report.frames, report.made, report.fps, report.notes) == (7, 3, 48, ())
    out = [read_image(path).pixels for path in sorted((tmp_path / "out").iterdir())]
    assert all(torch.equal(a, b) for a, b in zip(out[::2], images, strict=True))
    assert not torch.equal(out[1], out[0])


def test_light_of_exr_survives_and_is_interpolated_where_it_lies(network, tmp_path):
    pytest.importorskip("OpenEXR")
    (tmp_path / "in").mkdir()
    lights = []
    for number, frame in enumerate(moving_square(), 1):
        light = frame.clone()
        light[:18] *= 400  # a lamp
        light[-6:] = -0.25  # what a filter leaves
        alpha = torch.zeros_like(light[..., :1])  # and it covers nothing
        lights.append(torch.cat((light, alpha), dim=2).half())
        write_exr(tmp_path / "in" / f"{number}.exr", lights[-1], {})
    interpolate_file(network, tmp_path / "in", f"{tmp_path}/out/%02d.exr", TWICE)
    out = [read_image(path) for path in sorted((tmp_path / "out").iterdir())]
    assert all(image.depth == 16 for image in out)
    assert all(torch.equal(a.pixels, b) for a, b in zip(out[::2], lights, strict=True))
    made = out[1].pixels.float()
    assert float(made[:18, :, :3].max()) > 0.5 * float(lights[0][:18].max())
    assert float((made[-3:, :, :3] + 0.25).abs().max()) < 0.02
    assert float(made.min()) > -0.3


def test_pictures_become_a_film_and_a_film_pictures(network, tmp_path, clip_file):
    report = interpolate_file(network, clip_file, f"{tmp_path}/out/%d.png", TWICE, first_number=7)
    assert report.frames == 11
    assert report.notes == ("Left out, for only frames go to pictures and pipes: audio (aac).",)
    assert (tmp_path / "out/7.png").is_file()
    source = open_source(tmp_path / "out", tmp_path / "back.mkv", fps=12)
    lossless = EncoderRequest("ffv1")
    interpolate_file(network, source, tmp_path / "back.mkv", Timeline.multiply(1), encoder=lossless)
    back = list(VideoReader(tmp_path / "back.mkv"))
    first = read_image(tmp_path / "out/7.png").pixels
    assert len(back) == 11
    assert torch.equal(back[0], first)
    pictures, once = tmp_path / "out", Timeline.multiply(1)
    (note,) = interpolate_file(network, pictures, tmp_path / "back.mp4", once).notes
    assert "colour of 4:4:4 becomes 4:2:0" in note


class _StopError(Exception):
    pass


def test_a_run_that_was_stopped_goes_on_after_the_last_picture(network, tmp_path, clip_file):
    def stop(done, total):
        if done == 4:
            raise _StopError

    whole = f"{tmp_path}/whole/%04d.png"
    interpolate_file(network, clip_file, whole, TWICE)
    destination = f"{tmp_path}/out/%04d.png"
    with pytest.raises(_StopError):
        interpolate_file(network, clip_file, destination, TWICE, progress=stop)
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    (tmp_path / "out" / ".0005.png.0a1b2c3d.part").write_bytes(b"half")  # as a killed run does
    report = interpolate_file(network, clip_file, destination, TWICE)
    assert (report.resumed, report.frames) == (4, 11)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{number:04d}.png" for number in range(1, 12)
    ]
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()


def test_pictures_of_others_are_not_written_over(network, tmp_path, clip_file):
    destination = f"{tmp_path}/out/%04d.png"
    interpolate_file(network, clip_file, destination, TWICE)
    with pytest.raises(VideoError, match=r"holds 0001.png and other pictures .*--no-resume"):
        interpolate_file(network, clip_file, destination, Timeline.multiply(3))
    report = interpolate_file(network, clip_file, destination, Timeline.multiply(1), resume=False)
    assert report.frames == 6
    assert "Pictures from 0007.png on are of an earlier run" in report.notes[-1]


def test_what_pictures_cannot_is_refused(network, tmp_path, clip_file):
    with pytest.raises(ValueError, match="Pictures have no encoder to choose, and 'x264'"):
        interpolate_file(
            network, clip_file, f"{tmp_path}/a/%d.png", TWICE, encoder=EncoderRequest("x264")
        )
    _deep_pictures(tmp_path / "in", ".png")
    with pytest.raises(VideoError, match="is where the source lies"):
        interpolate_file(network, tmp_path / "in", f"{tmp_path}/in/n_%d.png", TWICE)


def _pipe(monkeypatch, name):
    """Standard input or output that is kept in memory."""
    file = io.BytesIO()
    monkeypatch.setattr(sys, name, SimpleNamespace(buffer=file, fileno=lambda: 1))
    return file


def test_y4m_through_pipes_equals_the_file_route_frame_for_frame(network, tmp_path, monkeypatch):
    path = tmp_path / "clip.y4m"
    with path.open("wb") as file, PipeWriter(file, Fraction(12), PixelKind()) as writer:
        for frame in moving_square():
            writer.write(frame)
    interpolate_file(network, path, tmp_path / "file.mkv", TWICE, encoder=EncoderRequest("ffv1"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    through = _pipe(monkeypatch, "stdout")
    report = interpolate_file(network, "-", "-", TWICE, pipe_format="rgb24")
    frames = list(VideoReader(tmp_path / "file.mkv"))
    assert report.frames == len(frames) == 11
    size = frames[0].numel()
    for index, frame in enumerate(frames):
        sent = through.getvalue()[index * size : (index + 1) * size]
        assert sent == (frame * 255).round().to(torch.uint8).numpy().tobytes()


def test_a_part_of_a_file_goes_through_a_pipe(network, clip_file, monkeypatch):
    out = _pipe(monkeypatch, "stdout")
    source = open_source(clip_file, "-", part=Part("2f", frames=3))
    report = interpolate_file(network, source, "-", TWICE)
    assert report.frames == 5
    out.seek(0)
    assert len(list(PipeReader(out).timed())) == 5


def test_a_reader_that_goes_away_ends_the_work(network, clip_file, monkeypatch):
    class Closed(io.BytesIO):
        def write(self, data):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=Closed()))
    with pytest.raises(BrokenPipeError):
        interpolate_file(network, clip_file, "-", TWICE)
    with pytest.raises(BrokenPipeError):
        interpolate_file(network, clip_file, "-", TWICE, pipe_format="rgb24")
