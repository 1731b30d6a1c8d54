"""Every encoder of the table that this machine has, each in each of its file types."""

from fractions import Fraction

import av
import pytest
import torch
from rife_video.rife_core.ops.psnr import psnr
from rife_video.rife_core.video import (
    ENCODER_TABLE,
    FILE_TYPES,
    ColorTags,
    EncoderRequest,
    PixelKind,
    VideoReader,
    VideoWriter,
)
from rife_video.rife_core.video.encoders import fault_of
from support import moving_square

LOSSLESS = {"ffv1", "x264-lossless", "qtrle"}


def _frames(height=128, width=256, count=4):
    """A soft pattern that moves, in whole steps of 8 bits."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for index in range(count):
        wave = torch.sin((x + 4 * index) / 25.0) * torch.cos(y / 17.0)
        image = torch.stack(
            (0.5 + 0.4 * wave, 0.5 - 0.3 * wave, (x / width + wave * 0.2) / 1.5), -1
        )
        yield (image.clamp(0, 1) * 255).round() / 255


CASES = [
    (name, suffix)
    for name, row in ENCODER_TABLE.items()
    if row.available
    for suffix in row.suffixes
]


@pytest.mark.parametrize(("name", "suffix"), CASES, ids=[f"{n}{s}" for n, s in CASES])
def test_each_encoder_writes_each_of_its_file_types(tmp_path, name, suffix):
    path, frames = tmp_path / f"clip{suffix}", list(_frames())
    with VideoWriter(path, Fraction(25), encoder=EncoderRequest(name)) as writer:
        for frame in frames:
            writer.write(frame)
    reader = VideoReader(path)
    read = list(reader)
    assert len(read) == len(frames)
    assert reader.fps == 25
    if name in LOSSLESS:
        assert all(torch.equal(a, b) for a, b in zip(read, frames, strict=True))
    else:
        assert psnr(torch.stack(read), torch.stack(frames)).min() > 34
    if ENCODER_TABLE[name].instead:  # no such hardware here, or it answered
        answered = not any("does not answer" in note for note in writer.notes)
        codec = av.open(str(path)).streams.video[0].codec_context.name
        assert answered or codec in ("h264", "hevc", "libdav1d", "av1")


@pytest.mark.parametrize("tags", [ColorTags(9, 9, 16, 1), ColorTags(5, 5, 6, 2)], ids=str)
@pytest.mark.parametrize(("name", "suffix"), CASES, ids=[f"{n}{s}" for n, s in CASES])
def test_colours_mean_the_same_in_each_of_them(tmp_path, name, suffix, tags):
    """HDR, and full range of BT.601: ProRes and DNxHR frames speak for themselves."""
    frames, row, request = list(_frames()), ENCODER_TABLE[name], EncoderRequest(name)
    part, path = tmp_path / f"part{FILE_TYPES[suffix].segment}", tmp_path / f"clip{suffix}"
    with VideoWriter(part, 25, color=tags, encoder=request, file_type=suffix) as writer:
        for frame in frames:
            writer.write(frame)
    with VideoWriter(path, 25, color=tags) as whole:
        whole.append(part, writer.reorder)
    reader = VideoReader(path)
    assert psnr(torch.stack(list(reader)), torch.stack(frames)).min() > 34
    tells = hasattr(av.VideoFrame, "color_trc") or row.codec != "prores_ks"
    if tells and not (suffix == ".avi" and name == "ffv1"):  # which says nothing of colours
        curve = {6: 1} if row.codec == "prores_ks" else {}  # other names of one curve
        expected = tags.primaries, curve.get(tags.transfer, tags.transfer)
        assert (reader.color.primaries, reader.color.transfer) == expected


def test_16_bits_pass_ffv1_bit_for_bit(tmp_path):
    path = tmp_path / "deep.mkv"
    values = torch.randint(0, 65536, (48, 64, 4), generator=torch.Generator().manual_seed(1))
    frame = values.float() / 65535
    kind = PixelKind(depth=16, alpha=True)
    with VideoWriter(path, 24, kind=kind, encoder=EncoderRequest("ffv1")) as writer:
        writer.write(frame)
    assert torch.equal(next(iter(VideoReader(path, alpha=True))), frame)


def test_an_encoder_is_tried_on_one_frame():
    assert fault_of("libx264", "yuv420p", 64, 64) is None
    assert fault_of("libx264", "yuv420p", 53, 37) is not None
    assert fault_of("no_such_encoder", "yuv420p", 64, 64) is not None


def test_lossless_rgb_is_tagged_as_rgb(tmp_path):
    path = tmp_path / "rgb.mkv"
    tags = ColorTags(9, 9, 16, 1)
    with VideoWriter(path, 24, color=tags, encoder=EncoderRequest("x264-lossless")) as writer:
        for frame in moving_square():
            writer.write(frame)
    context = av.open(str(path)).streams.video[0].codec_context
    assert (context.colorspace, context.color_trc, context.color_range) == (0, 16, 2)


def test_players_of_apple_know_h265_by_its_tag():
    """They open no file whose tag is hev1."""
    for name in ("x265", "hevc_nvenc"):
        assert {ENCODER_TABLE[name].tags[suffix] for suffix in (".mp4", ".mov")} == {"hvc1"}
