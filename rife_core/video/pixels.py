"""Pixels of video files to tensors and back: colour matrices, bits, alpha, the way up."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from torch import Tensor

_BT709, _UNSPECIFIED, _BT2020, _BT2020_CONSTANT, _YCGCO = 1, 2, 9, 10, 8
_KNOWN_MATRICES = (1, 2, 4, 5, 6, 7, 9)  # those that swscale converts by
_LIMITED_RANGE, _FULL_RANGE = 1, 2
_BYTE = 8  # bits
_SQUARE = Fraction(1)
_VECTOR = 64  # pixels; the most that swscale writes at once
_HAS_THREADS = "threads" in (VideoFrame.reformat.__doc__ or "")  # older releases of PyAV use one

Chroma = Literal["420", "422", "444"]


class ColorTags(NamedTuple):
    """How a file's numbers mean colours, by the codes of ITU-T H.273."""

    matrix: int = _BT709
    primaries: int = _BT709
    transfer: int = _BT709
    range: int = _LIMITED_RANGE


_USUAL_COLORS = ColorTags()


class MasteringDisplay(NamedTuple):
    """The display that an HDR film was graded on (SMPTE ST 2086).

    `primaries` are x and y of red, green, blue and white; luminances in candela per square metre.
    """

    primaries: tuple[Fraction, ...]
    least: Fraction
    most: Fraction


class LightLevel(NamedTuple):
    """The brightest pixel and the brightest frame on average (CTA-861.3), in cd/m2."""

    content: int
    frame_average: int


@dataclass(frozen=True)
class PixelKind:
    """How a picture is stored, besides its size and rate.

    Attributes:
        color: its colour tags.
        depth: bits of each colour value.
        chroma: how finely colour is sampled.
        alpha: whether there is transparency.
        aspect: width of a pixel over its height, upright.
        mastering, light: what HDR displays are told; None: nothing.
        chroma_site: where colour samples lie, by the codes of FFmpeg (1: left, 3: top left);
            0: not said.
        source_chroma: how finely the source has its colour, where `chroma` is coarser on purpose:
            what is made of pictures is to play everywhere. None: as `chroma` says.
    """

    color: ColorTags = _USUAL_COLORS
    depth: int = _BYTE
    chroma: Chroma = "420"
    alpha: bool = False
    aspect: Fraction = _SQUARE
    mastering: MasteringDisplay | None = None
    light: LightLevel | None = None
    chroma_site: int = 0
    source_chroma: Chroma | None = None


def is_rgb(layout: VideoFormat) -> bool:
    """Whether values are red, green and blue, which no matrix was applied to."""
    return layout.is_rgb or layout.has_palette or layout.name.startswith("xyz")


def has_alpha(layout: VideoFormat) -> bool:
    """Whether there is transparency in pixels of this layout."""
    return any(part.is_alpha for part in layout.components)


def depth_of(layout: VideoFormat) -> int:
    """Bits of each value."""
    return max(part.bits for part in layout.components)


def chroma_of(layout: VideoFormat) -> Chroma:
    """How finely colour is sampled: in each pixel of RGB, not at all in grey."""
    if is_rgb(layout):
        return "444"
    if len(layout.components) < 3:
        return "420"
    width, height = layout.chroma_width(16), layout.chroma_height(16)
    if height < width:
        return "444"  # 4:4:0
    if width < 16:
        return "422" if height == 16 else "420"
    return "444"


def writable(color: ColorTags, layout: VideoFormat) -> ColorTags:
    """Tags by which a file of these can be written: those of a matrix that is known."""
    if not is_rgb(layout) and color.matrix in _KNOWN_MATRICES:
        return color
    if color.matrix == _BT2020_CONSTANT:
        return color._replace(matrix=_BT2020)
    primaries, transfer = (
        _BT709 if code in (0, _UNSPECIFIED) else code for code in (color.primaries, color.transfer)
    )
    return ColorTags(_BT709, primaries, transfer, _LIMITED_RANGE)


def reformat(
    frame: VideoFrame, width: int | None = None, height: int | None = None, **how: Any
) -> VideoFrame:
    """`VideoFrame.reformat`, with the same pixels in every run.

    swscale divides the rows among threads. Where the width is no multiple of its vectors, the last
    vector of a thread's last row reaches into the first row of the next thread, and chance decides
    which of the two is written last. One thread alone has no such neighbour.
    """
    if _HAS_THREADS and (frame.width % _VECTOR or (width or 0) % _VECTOR):
        how["threads"] = 1
    matrix = how.get("dst_colorspace", _UNSPECIFIED)
    if matrix not in (None, _UNSPECIFIED) and is_rgb(frame.format):
        # PyAV 17, the last for Python 3.10, takes BT.2020 from there only.
        frame.colorspace = matrix
    return frame.reformat(width, height, **how)


def to_tensor(frame: VideoFrame, *, deep: bool, alpha: bool) -> Tensor:
    """H W 3, or H W 4 with `alpha`: in [0, 1], as stored, without a loss of bits."""
    if frame.colorspace == _YCGCO and not is_rgb(frame.format):
        return _from_ycgco(frame)
    matrix = frame.colorspace
    if not is_rgb(frame.format) and matrix not in _KNOWN_MATRICES:
        matrix = frame.colorspace = _BT2020 if matrix == _BT2020_CONSTANT else _BT709
    # YUV does not become rgba, in which swscale loses alpha at the end of rows whose width is no
    # multiple of 8; RGB of 8 bits does, for on its way to 16 bits it is rounded.
    bits = 2 * _BYTE if deep or (alpha and not is_rgb(frame.format)) else _BYTE
    names = {(8, False): "rgb24", (8, True): "rgba", (16, False): "rgb48le", (16, True): "rgba64le"}
    picture = reformat(
        frame,
        format=names[bits, alpha],
        src_colorspace=matrix,  # older releases of PyAV look at it only
        dst_colorspace=_UNSPECIFIED,  # where it is named, and differs
        src_color_range=frame.color_range,
        dst_color_range=_FULL_RANGE,
    )
    return torch.from_numpy(picture.to_ndarray().astype(np.float32)).div_(2**bits - 1)


def _from_ycgco(frame: VideoFrame) -> Tensor:
    """H W 3 from YCgCo (H.273, equations 47 to 50), which swscale does not know."""
    full = frame.color_range == _FULL_RANGE
    frame.colorspace = _UNSPECIFIED
    values = reformat(frame, format="yuv444p16le").to_ndarray().astype(np.float32) / 2**_BYTE
    if values.shape[0] == 3 and values.shape[2] != 3:  # as older releases of PyAV lay it out
        values = values.transpose(1, 2, 0)
    luma, green, orange = (torch.from_numpy(np.ascontiguousarray(values[..., k])) for k in range(3))
    luma = luma / 255 if full else (luma - 16) / 219
    green, orange = ((part - 128) / (255 if full else 224) for part in (green, orange))
    rest = luma - green
    return torch.stack((rest + orange, luma + green, rest - orange), dim=-1).clamp_(0, 1)


def to_frame(image: Tensor, *, deep: bool) -> VideoFrame:
    """H W 1, 3 or 4, in [0, 1] or uint8, in 8 bits a value, or in 16; grey becomes RGB."""
    top = 2 ** (2 * _BYTE) - 1 if deep else 2**_BYTE - 1
    unit = 1 if image.is_floating_point() else 2**_BYTE - 1
    image = image.detach().float().mul(top / unit).round_().clamp_(0, top).nan_to_num_(0)
    image = image.expand(-1, -1, 3) if image.shape[2] == 1 else image
    array: NDArray[np.float32] = np.ascontiguousarray(image.cpu().numpy())
    kinds = {3: ("rgb24", "rgb48le"), 4: ("rgba", "rgba64le")}[array.shape[2]]
    values = array.astype(np.uint16 if deep else np.uint8)
    return VideoFrame.from_ndarray(
        values,  # pyright: ignore[reportArgumentType]  # one of two types
        format=kinds[deep],
    )


class Orientation(NamedTuple):
    """How a stored picture is turned and mirrored to be upright."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """As the display matrix says, of which the nearest quarter turn is taken."""
        data = side_data(frame, "DISPLAYMATRIX")
        if data is None:
            turns = round(frame.rotation / 90) % 4
            return (cls(), cls(True, False, True), cls(False, True, True), cls(True, True))[turns]
        a, b, _, c, d, *_ = struct.unpack("=9i", data)
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def upright(self, image: Tensor) -> Tensor:
        """H W C, turned."""
        if self.transposed:
            image = image.transpose(0, 1)
        dims = [dim for dim, turned in ((1, self.mirrored), (0, self.flipped)) if turned]
        return (image.flip(dims) if dims else image).contiguous()


def side_data(frame: VideoFrame, name: str) -> bytes | None:
    """The side data of a frame."""
    try:
        return bytes(frame.side_data[name])  # pyright: ignore[reportUnknownArgumentType, reportGeneralTypeIssues]
    except (KeyError, ValueError):  # PyAV fails at kinds that it has no name for, such as EXIF
        return None


def mastering_of(frame: VideoFrame) -> MasteringDisplay | None:
    """The display that a frame was mastered on; None where it does not say all of it."""
    data = side_data(frame, "MASTERING_DISPLAY_METADATA")
    if data is None:
        return None
    numbers = struct.unpack("=22i", data[:88])
    if not all(numbers[20:]) or not all(numbers[1:20:2]):
        return None
    values = [Fraction(*numbers[k : k + 2]) for k in range(0, 20, 2)]
    return MasteringDisplay(tuple(values[:8]), *values[8:])


def light_of(frame: VideoFrame) -> LightLevel | None:
    """How bright a frame says that its clip is; None where it does not say."""
    data = side_data(frame, "CONTENT_LIGHT_LEVEL")
    return None if data is None else LightLevel(*struct.unpack("=2I", data[:8]))
