"""Single pictures: every type there and back, damage, light beyond what displays show."""

import numpy as np
import pytest
import torch
from rife_video.rife_core.video import VideoError
from rife_video.rife_core.video.images import (
    FORMATS,
    check_image_type,
    encode_image,
    read_image,
    write_exr,
)


def _random(channels, depth, seed=0):
    top = 2**depth - 1
    values = torch.rand(21, 34, channels, generator=torch.Generator().manual_seed(seed))
    return (values * top).round() / top


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("suffix", "depth"), [(".png", 8), (".png", 16), (".tiff", 8), (".tif", 16)]
)
def test_pictures_keep_every_bit(tmp_path, suffix, depth, channels):
    image = _random(channels, depth)
    (tmp_path / f"a{suffix}").write_bytes(encode_image(image, suffix, depth=depth))
    read = read_image(tmp_path / f"a{suffix}")
    assert read.depth == depth
    assert torch.equal(read.pixels, image)


@pytest.mark.parametrize("channels", [3, 4])
def test_webp_keeps_every_bit_unless_a_quality_is_asked_for(tmp_path, channels):
    image = _random(channels, 8)
    image[..., 3:] = image[..., 3:].clamp(min=1 / 255)  # colours that nobody sees are not kept
    path = tmp_path / "a.webp"
    path.write_bytes(encode_image(image, ".webp"))
    assert torch.equal(read_image(path).pixels, image)
    assert len(encode_image(image, ".webp", quality=20)) < path.stat().st_size / 2


def test_jpeg_comes_near(tmp_path):
    y, x = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 60), indexing="ij")
    image = torch.stack((x, y, 1 - x), dim=-1)
    (tmp_path / "a.jpg").write_bytes(encode_image(image, ".jpg"))
    assert float((read_image(tmp_path / "a.jpg").pixels - image).abs().mean()) < 0.01


def test_the_quality_of_jpeg_decides_its_size():
    noise = torch.rand(40, 60, 3, generator=torch.Generator().manual_seed(0))
    best, usual, asked, worst = (
        len(encode_image(noise, ".jpg", quality=quality)) for quality in (1, None, 2, 31)
    )
    assert best > usual == asked > 2 * worst


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_pictures_are_not_rounded(tmp_path, depth):
    import av

    values = np.arange(32 * 16, dtype=np.uint16 if depth == 16 else np.uint8).reshape(16, 32)
    values *= 119 if depth == 16 else 1
    frame = av.VideoFrame.from_ndarray(values, format="gray16le" if depth == 16 else "gray")
    layout = "gray16be" if depth == 16 else "gray"
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 16, layout, 1
    packets = [*encoder.encode(frame.reformat(format=layout)), *encoder.encode(None)]
    (tmp_path / "g.png").write_bytes(b"".join(bytes(packet) for packet in packets))
    pixels = read_image(tmp_path / "g.png").pixels
    expected = torch.from_numpy(values.astype(np.float32)) / (2**depth - 1)
    assert torch.equal(pixels, expected[..., None].expand(-1, -1, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("channels", [3, 4])
def test_exr_keeps_light_of_any_size(tmp_path, dtype, channels):
    pytest.importorskip("OpenEXR")
    light = (torch.randn(9, 12, channels) * 100).to(dtype)
    light[0, 0, 0], light[0, 0, 1] = float("inf"), -3
    write_exr(tmp_path / "a.exr", light, {})
    read = read_image(tmp_path / "a.exr")
    assert read.is_linear
    assert read.pixels.dtype == dtype
    assert torch.equal(read.pixels, light)


def test_exr_is_read_in_its_display_window_and_other_channels_are_named(tmp_path):
    library = pytest.importorskip("OpenEXR")
    planes = {name: np.full((4, 5), value, np.float32) for value, name in enumerate("RGBZ", 1)}
    header = {
        "compression": library.ZIP_COMPRESSION,
        "type": library.scanlineimage,
        "dataWindow": (np.array([2, 1], np.int32), np.array([6, 4], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([7, 5], np.int32)),
    }
    library.File(header, planes).write(str(tmp_path / "a.exr"))
    read = read_image(tmp_path / "a.exr")
    assert read.pixels.shape == (6, 8, 3)
    assert read.pixels[1, 2].tolist() == [1, 2, 3]
    assert not read.pixels[0].any()
    assert read.left_out == ("Z",)


@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix != ".exr"])
def test_half_a_picture_is_damaged(tmp_path, suffix):
    content = encode_image(_random(3, 8), suffix)
    path = tmp_path / f"half{suffix}"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError, match=f"half{suffix} is damaged"):
        read_image(path)


def test_the_content_decides_not_the_name(tmp_path):
    image = _random(3, 8)
    (tmp_path / "a.jpg").write_bytes(encode_image(image, ".png"))
    assert torch.equal(read_image(tmp_path / "a.jpg").pixels, image)
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(VideoError, match=r"b\.png is no picture"):
        read_image(tmp_path / "b.png")


def test_what_a_type_cannot_is_refused():
    with pytest.raises(VideoError, match=r"\.bmp is no type .* known are \.png"):
        check_image_type(".bmp", None)
    with pytest.raises(ValueError, match=r"\.png pictures lose nothing"):
        check_image_type(".png", 5)
    with pytest.raises(ValueError, match="takes 1 to 31"):
        check_image_type(".jpg", 90)
