"""Which encoder and layout of pixels a clip gets; refusals, and hardware that does not answer."""

from dataclasses import replace

import pytest
from rife_video.rife_core.video import (
    ENCODER_TABLE,
    EncoderRequest,
    PixelKind,
    choose_encoder,
    encoder_choice,
)
from rife_video.rife_core.video.pixels import LightLevel

PLAIN = {"width": 64, "height": 64}


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

    exact = {"x264-params": "cpu-independent=1"}  # the same bytes in every run
    assert options() == {"crf": "17", "preset": "fast", **exact}
    assert options("x264", 0, "slow") == {"crf": "0", "preset": "slow", **exact}
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
    monkeypatch.setattr(encoder_choice, "ENCODER_TABLE", {**ENCODER_TABLE, "h264_nvenc": row})
    monkeypatch.setattr(encoder_choice, "fault_of", lambda *_: "no such device")
    size = {"width": 256, "height": 128}
    choice = choose_encoder(EncoderRequest("h264_nvenc"), ".mp4", PixelKind(), **size)
    assert choice.name == "x264"
    assert choice.notes == ("h264_nvenc does not answer here (no such device), so x264 encodes.",)


def test_colour_that_pictures_lose_on_purpose_is_said():
    pictures = PixelKind(source_chroma="444")
    choice = choose_encoder(EncoderRequest(), ".mp4", pictures, **PLAIN)
    assert choice.layout == "yuv420p"
    assert choice.notes == (
        "x264 keeps less than the source has: colour of 4:4:4 becomes 4:2:0. The pixel format "
        "yuv444p keeps colour in each pixel.",
    )
    full = EncoderRequest(pixel_format="yuv444p")
    assert choose_encoder(full, ".mp4", pictures, **PLAIN).notes == ()
    jpegs = PixelKind(source_chroma="420")
    assert choose_encoder(EncoderRequest(), ".mp4", jpegs, **PLAIN).notes == ()


def test_what_hdr_displays_are_told_is_written_or_named():
    kind = PixelKind(depth=10, light=LightLevel(1000, 400))
    x265 = choose_encoder(EncoderRequest(), ".mp4", kind, **PLAIN)
    assert "max-cll=1000,400" in x265.options["x265-params"]
    x264 = choose_encoder(EncoderRequest("x264"), ".mp4", kind, **PLAIN)
    assert x264.notes == ("x264 cannot write what HDR displays are told; left out.",)
