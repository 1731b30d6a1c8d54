"""Every encoder of the table that this machine has; choices, refusals and fallbacks."""

from dataclasses import replace
from fractions import Fraction

import av
import pytest
import torch
from rife_video.rife_core.ops.psnr import psnr
from rife_video.rife_core.video import (
    ENCODER_TABLE,
    ColorTags,
    EncoderRequest,
    PixelKind,
    VideoReader,
    VideoWriter,
    choose_encoder,
    encoders,
)
from rife_video.rife_core.video.encoders import fault_of
from support import moving_square

LOSSLESS = {"ffv1", "x264-lossless", "qtrle"}
PLAIN = {"width": 64, "height": 64}


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


def test_16_bits_pass_ffv1_bit_for_bit(tmp_path):
    path = tmp_path / "deep.mkv"
    values = torch.randint(0, 65536, (48, 64, 4), generator=torch.Generator().manual_seed(1))
    frame = values.float() / 65535
    kind = PixelKind(depth=16, alpha=True)
    with VideoWriter(path, 24, kind=kind, encoder=EncoderRequest("ffv1")) as writer:
        writer.write(frame)
    assert torch.equal(next(iter(VideoReader(path, alpha=True))), frame)


@pytest.mark.parametrize(
    ("kind", "suffix", "codec", "layout"),
    [
        (PixelKind(), ".mp4", "libx264", "yuv420p"),
        (PixelKind(depth=10), ".mp4", "libx265", "yuv420p10le"),
        (PixelKind(depth=12, chroma="444"), ".mkv", "libx265", "yuv444p12le"),
        (PixelKind(chroma="422"), ".mov", "libx264", "yuv422p"),
        (PixelKind(alpha=True), ".mov", "prores_ks", "yuva444p10le"),
        (PixelKind(alpha=True), ".webm", "libvpx-vp9", "yuva420p"),
        (PixelKind(), ".avi", "libx264", "yuv420p"),
        (PixelKind(depth=16, alpha=True), ".gif", "ffv1", "gbrap16le"),
    ],
)
def test_a_file_type_gets_the_encoder_that_loses_least(kind, suffix, codec, layout):
    choice = choose_encoder(EncoderRequest(), suffix, kind, alpha=kind.alpha, **PLAIN)
    assert (choice.codec, choice.layout, choice.notes) == (codec, layout, ())


def test_odd_sizes_keep_all_colour():
    choice = choose_encoder(EncoderRequest(), ".mp4", PixelKind(), width=53, height=37)
    assert choice.layout == "yuv444p"


def test_quality_and_preset_are_told_in_the_words_of_the_encoder():
    def options(*asked, suffix=".mp4"):
        return dict(choose_encoder(EncoderRequest(*asked), suffix, PixelKind(), **PLAIN).options)

    assert options() == {"crf": "17", "preset": "fast"}
    assert options("x264", 0, "slow") == {"crf": "0", "preset": "slow"}
    assert options("svt-av1", 30, "10") == {"crf": "30", "preset": "10"}
    assert options("vp9", None, "6", suffix=".webm")["cpu-used"] == "6"
    assert options("x264", suffix=".avi")["bf"] == "0"


@pytest.mark.parametrize(
    ("asked", "suffix", "words"),
    [
        (EncoderRequest("x246"), ".mp4", "no encoder 'x246'; known are x264"),
        (EncoderRequest("prores"), ".mp4", "cannot hold prores; .* .mov, .mkv"),
        (EncoderRequest("x264", 60), ".mp4", "quality is 60; libx264 takes 0 to 51"),
        (EncoderRequest("ffv1", 5), ".mkv", "ffv1 has none to choose"),
        (EncoderRequest("x264", None, "warp"), ".mp4", "preset is 'warp'; .*ultrafast"),
        (
            EncoderRequest("x264", pixel_format="pal8"),
            ".mp4",
            "does not take .*'pal8'; it .*yuv420p",
        ),
        (EncoderRequest("dnxhr"), ".mov", "smaller than 256x120, and these are 64x64"),
    ],
)
def test_what_does_not_fit_is_refused(asked, suffix, words):
    with pytest.raises(ValueError, match=words):
        choose_encoder(asked, suffix, PixelKind(), **PLAIN)


def test_what_is_lost_is_said():
    request = EncoderRequest("x264", pixel_format="yuv420p")
    kind = PixelKind(depth=10, chroma="444", alpha=True)
    (note,) = choose_encoder(request, ".mp4", kind, alpha=True, **PLAIN).notes
    assert "10 bits a value become 8" in note
    assert "4:4:4 becomes 4:2:0" in note
    assert "transparency is left out" in note


def test_hardware_that_does_not_answer_is_replaced_with_a_note(monkeypatch):
    row = replace(ENCODER_TABLE["h264_nvenc"], codec="libx264", layouts=("yuv420p",))
    monkeypatch.setattr(encoders, "ENCODER_TABLE", {**ENCODER_TABLE, "h264_nvenc": row})
    monkeypatch.setattr(encoders, "fault_of", lambda *_: "no such device")
    size = {"width": 256, "height": 128}
    choice = choose_encoder(EncoderRequest("h264_nvenc"), ".mp4", PixelKind(), **size)
    assert choice.name == "x264"
    assert choice.notes == ("h264_nvenc does not answer here (no such device), so x264 encodes.",)


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
