"""Pictures from files and into them: PNG, JPEG, WebP, TIFF by PyAV, EXR by OpenEXR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from torch import Tensor

from ..basics.whole_file import content_of
from .containers import VideoError
from .encoders import Quality, layouts_of
from .pixels import (
    Chroma,
    Orientation,
    chroma_of,
    depth_of,
    has_alpha,
    reformat,
    to_frame,
    to_tensor,
)

_BYTE = 8  # bits
_MAX_BYTES = 2**31
_EXR_MAGIC = b"\x76\x2f\x31\x01"
_CODEC_BY_MAGIC = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8", "mjpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_STRICT = ("png", "mjpeg")  # decoders that can be made to fail where a picture is incomplete
_EXR = ".exr"
_GREY = "Y"
_KEPT_OF_HEADER = ("compression", "pixelAspectRatio", "chromaticities", "framesPerSecond")


class _Format(NamedTuple):
    """How pictures of a file type are encoded: layouts by bits, without and with alpha."""

    codec: str
    layouts: Mapping[tuple[int, bool], str]
    options: Mapping[str, str] = {}
    quality: Quality | None = None


_TIFF = _Format(
    "tiff",
    {(8, False): "rgb24", (8, True): "rgba", (16, False): "rgb48le", (16, True): "rgba64le"},
    {"compression_algo": "deflate"},
)
_JPEG = _Format(
    "mjpeg",
    {(8, False): "yuvj444p"},
    {},
    Quality({"qmin": "{}", "qmax": "{}"}, 1, 31, 2),
)

FORMATS: Mapping[str, _Format | None] = {
    ".png": _Format(
        "png",
        {(8, False): "rgb24", (8, True): "rgba", (16, False): "rgb48be", (16, True): "rgba64be"},
    ),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _Format("libwebp", {(8, False): "bgra", (8, True): "bgra"}, {"lossless": "1"}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    _EXR: None,
}
"""File types of pictures. OpenEXR has its own way."""

_LOSSY_WEBP = Quality({"quality": "{}"}, 100, 0, 90)


@dataclass
class Image:
    """A picture as its file has it.

    Attributes:
        pixels: H W 3 or H W 4: float32 in [0, 1]; of EXR, the very values, linear, float16 or
            float32.
        depth: bits of each value; 32 and 16 of floating point too.
        is_linear: light, not what displays are sent: an EXR.
        header: what else is kept of an EXR.
        left_out: channels that are not read.
        chroma: how finely the file has its colour.
    """

    pixels: Tensor
    depth: int
    is_linear: bool = False
    header: Mapping[str, Any] = field(default_factory=dict[str, Any])
    left_out: tuple[str, ...] = ()
    chroma: Chroma = "444"


def read_image(path: Path) -> Image:
    """The picture in a file, upright; its content decides the type, not its name.

    Raises:
        VideoError: it cannot be read.
    """
    try:
        content = content_of(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise VideoError(f"{path.name} cannot be read: {reason}.") from error
    if content.startswith(_EXR_MAGIC):
        return _read_exr(path)
    codec = next((name for magic, name in _CODEC_BY_MAGIC if content.startswith(magic)), None)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        codec = "webp"
    if codec is None:
        raise VideoError(
            f"{path.name} is no picture that can be read. Give PNG, JPEG, WebP, TIFF or EXR."
        )
    try:
        context = cast(VideoCodecContext, CodecContext.create(codec, "r"))
        if codec in _STRICT:
            context.options = {"err_detect": "explode"}
        frames = [*context.decode(Packet(content)), *context.decode(None)]
    except FFmpegError as error:
        raise VideoError(f"{path.name} is damaged ({error.strerror}).") from error
    if not frames or frames[0].is_corrupt:
        raise VideoError(f"{path.name} is damaged, or holds no picture.")
    image = _image_of(frames[0])
    if codec == "webp" and not _webp_has_alpha(content):  # its decoder always gives some
        return replace(image, pixels=image.pixels[..., :3].contiguous())
    return image


def _webp_has_alpha(content: bytes) -> bool:
    """As the first chunk says."""
    kind = content[12:16]
    if kind == b"VP8X":
        return bool(content[20] & 0x10)
    return kind == b"VP8L" and bool(int.from_bytes(content[21:25], "little") >> 28 & 1)


def _image_of(frame: VideoFrame) -> Image:
    orientation = Orientation.of(frame)
    depth, chroma = depth_of(frame.format), chroma_of(frame.format)
    if frame.format.name.startswith(("gray", "ya")):
        grey = _from_grey(frame, deep=depth > _BYTE)
        return Image(orientation.upright(grey), depth, chroma=chroma)
    pixels = to_tensor(frame, deep=depth > _BYTE, alpha=has_alpha(frame.format))
    return Image(orientation.upright(pixels), depth, chroma=chroma)


def _from_grey(frame: VideoFrame, *, deep: bool) -> Tensor:
    """H W 3, or H W 4 with alpha; swscale rounds on its way from grey to colour."""
    transparent = has_alpha(frame.format)
    name = ("ya16be" if deep else "ya8") if transparent else ("gray16le" if deep else "gray")
    if transparent:  # ya16be: big-endian, two values a pixel
        plane = reformat(frame, format=name).planes[0]
        kind = np.dtype(">u2" if deep else "u1")
        rows = np.frombuffer(bytes(plane), kind).reshape(frame.height, -1)
        values = rows[:, : 2 * frame.width].reshape(frame.height, frame.width, 2)
        values = values[..., [0, 0, 0, 1]]
    else:
        values = reformat(frame, format=name).to_ndarray()[..., None].repeat(3, -1)
    top = 2 ** (2 * _BYTE if deep else _BYTE) - 1
    return torch.from_numpy(values.astype(np.float32)).div_(top)


def check_image_type(suffix: str, quality: int | None) -> None:
    """Raises an error unless pictures of this type can be written, in this quality."""
    if suffix not in FORMATS:
        raise VideoError(
            f"{suffix or 'A name without an ending'} is no type of pictures that can be written; "
            f"known are {', '.join(FORMATS)}."
        )
    if suffix == _EXR:
        _open_exr()
    _settings(suffix, quality)


def keeps_depth(suffix: str) -> int:
    """Bits of each value that pictures of a type can hold."""
    how = FORMATS[suffix]
    return 32 if how is None else max(depth for depth, _ in how.layouts)


def encode_image(
    image: Tensor, suffix: str, *, depth: int = 8, quality: int | None = None
) -> bytes:
    r"""A file of one picture, of any type but EXR.

    Args:
        image: H W 3 or H W 4 in [0, 1].
        suffix: the file type.
        depth: bits of each value that are to be kept, as far as the type can.
        quality: in the numbers of the type: of JPEG 1 (best) to 31; of WebP 100 (best) to 0,
            without loss by default.

    Example:
        >>> import torch
        >>> encode_image(torch.zeros(2, 3, 3), ".png")[:4]
        b'\x89PNG'
    """
    how = FORMATS[suffix]
    assert how is not None
    alpha = image.shape[2] == 4 and any(transparent for _, transparent in how.layouts)
    deep = depth > _BYTE and (2 * _BYTE, alpha) in how.layouts
    layout = how.layouts[2 * _BYTE if deep else _BYTE, alpha]
    if layout not in layouts_of(how.codec):
        raise VideoError(f"This PyAV cannot write {suffix} pictures; install one that can.")
    picture = to_frame(image if alpha else image[..., :3], deep=deep)
    encoder = cast(VideoCodecContext, CodecContext.create(how.codec, "w"))
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt, encoder.time_base = layout, Fraction(1)
    encoder.options = _settings(suffix, quality)
    if how is _JPEG:
        encoder.color_range = 2
        # Older releases of PyAV do not look at the encoder's range.
        picture = reformat(picture, format=layout, dst_colorspace=5, dst_color_range=2)
    else:
        picture = reformat(picture, format=layout)
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


def _settings(suffix: str, quality: int | None) -> dict[str, str]:
    how = FORMATS[suffix]
    if how is None or how.codec in ("png", "tiff"):
        if quality is not None:
            raise ValueError(f"The quality is {quality}, but {suffix} pictures lose nothing.")
        return dict(how.options) if how else {}
    if how.codec == "libwebp":
        lossy = quality is not None
        return _LOSSY_WEBP.checked(quality, suffix) if lossy else dict(how.options)
    assert how.quality is not None
    return {**how.options, **how.quality.checked(quality, suffix)}


def _open_exr() -> Any:
    try:
        import OpenEXR  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise VideoError(
            'EXR pictures need the package OpenEXR: pip install "rife-video[images]"'
        ) from error
    return OpenEXR


def _read_exr(path: Path) -> Image:
    """Red, green, blue and alpha of the first part, in the display window."""
    library = _open_exr()
    try:
        with library.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
            header = dict(file.header())
    except (RuntimeError, ValueError, TypeError) as error:
        raise VideoError(f"{path.name} is damaged ({str(error).splitlines()[0]}).") from error
    names = [name for name in "RGB" if name in channels] or [_GREY]
    if len(names) == 2 or names[0] not in channels:
        raise VideoError(
            f"{path.name} has the channels {', '.join(channels)}; of pictures, R, G and B or Y are "
            "expected."
        )
    planes = [channels[name] for name in (names if len(names) == 3 else names[:1] * 3)]
    planes += [channels["A"]] if "A" in channels else []
    kind = np.result_type(*planes)
    pixels = np.stack([plane.astype(kind) for plane in planes], axis=-1)
    left_out = tuple(name for name in channels if name not in (*names, "A"))
    if kind.kind != "f":
        raise VideoError(
            f"{path.name} holds whole numbers ({kind}), not light; give float or half."
        )
    pixels = _in_display_window(pixels, header)
    kept = {key: header[key] for key in _KEPT_OF_HEADER if key in header}
    return Image(torch.from_numpy(pixels), kind.itemsize * _BYTE, True, kept, left_out)


def _in_display_window(pixels: NDArray[Any], header: Mapping[str, Any]) -> NDArray[Any]:
    """The stored part put where it belongs; what lies outside is cut, what is missing black."""
    (left, top), (right, bottom) = (tuple(map(int, corner)) for corner in header["displayWindow"])
    (x, y), (last_x, last_y) = (tuple(map(int, corner)) for corner in header["dataWindow"])
    if (left, top, right, bottom) == (x, y, last_x, last_y):
        return pixels
    shown = np.zeros((bottom - top + 1, right - left + 1, pixels.shape[2]), pixels.dtype)
    inner_x, inner_y = max(left, x), max(top, y)
    end_x, end_y = min(right, last_x) + 1, min(bottom, last_y) + 1
    if inner_x < end_x and inner_y < end_y:
        shown[inner_y - top : end_y - top, inner_x - left : end_x - left] = pixels[
            inner_y - y : end_y - y, inner_x - x : end_x - x
        ]
    return shown


def write_exr(path: Path, pixels: Tensor, header: Mapping[str, Any]) -> None:
    """Writes linear light, H W 3 or H W 4, float16 or float32, bit for bit."""
    library = _open_exr()
    array = np.ascontiguousarray(pixels.detach().cpu().numpy())
    name = "RGBA" if array.shape[2] == 4 else "RGB"
    if "compression" not in header:
        header = {"compression": library.ZIP_COMPRESSION, **header}
    try:
        file = library.File({**header, "type": library.scanlineimage}, {name: array})
        file.write(str(path))
    except (RuntimeError, ValueError) as error:
        raise VideoError(f"{path.name} cannot be written: {error}.") from error
