"""Video encoders: one table of what can be asked for, and what of it works here.

Each row is checked against the installed PyAV: layouts of pixels that its encoder does not
take are never offered, and an encoder that needs hardware is tried on one frame first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, cast

import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from ..ops.shared import environment, shared
from .pixels import ColorTags, reformat

DEFAULT_CRF = 17
_PLACE = "{}"  # where the number goes in an option that sets the quality
ISO = (".mp4", ".m4v", ".mov")
_SVT_LOG, _ERRORS = "SVT_LOG", "1"
_TRIED_RATE = Fraction(24)
_BT709, _CURVES_OF_BT709, _LIMITED_RANGE = 1, (6, 14, 15), 1  # codes of ITU-T H.273

_420 = ("yuv420p", "yuv420p10le")
_444 = ("yuv444p", "yuv444p10le")
_YUV = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")
_YUV12 = ("yuv420p12le", "yuv422p12le", "yuv444p12le")
_GPU = ("nv12", "p010le")

quiet_encoders = shared(lambda: environment(_SVT_LOG, os.environ.get(_SVT_LOG, _ERRORS)))
"""Meanwhile SVT-AV1 writes errors to the terminal and no more, unless its variable says so."""


@dataclass(frozen=True)
class Quality:
    """The numbers in which an encoder takes its quality.

    Attributes:
        options: what is set to the number, which stands for `{}`.
        best, worst: the ends of the range. In most encoders lower is better.
        default: what is set where nothing is asked for.
    """

    options: Mapping[str, str]
    best: int
    worst: int
    default: int

    def checked(self, asked: int | None, name: str) -> dict[str, str]:
        """The options for the quality that was asked for."""
        quality = self.default if asked is None else asked
        low, high = sorted((self.best, self.worst))
        if not low <= quality <= high:
            raise ValueError(
                f"The quality is {quality}; {name} takes {low} to {high}, of which {self.best} is "
                "the best."
            )
        return {key: text.replace(_PLACE, str(quality)) for key, text in self.options.items()}


@dataclass(frozen=True)
class Preset:
    """The speeds of an encoder: the option that chooses one, the default, and all of them."""

    option: str
    default: str
    known: Sequence[str]

    def checked(self, asked: str | None, name: str) -> dict[str, str]:
        """The option for the preset that was asked for."""
        if asked is not None and asked not in self.known:
            raise ValueError(f"The preset is {asked!r}; {name} has {', '.join(self.known)}.")
        return {self.option: asked or self.default}


@dataclass(frozen=True)
class Encoder:
    """A way to encode the picture.

    Attributes:
        codec: the encoder's name in FFmpeg.
        suffixes: file types that can hold it.
        layouts: layouts of pixels, of which the one is taken that loses least.
        options: what it is told besides quality and preset.
        quality: its scale; None where there is none to choose.
        preset: its speeds; None where there are none to choose.
        instead: the row that steps in where this one's hardware does not answer.
        takes_odd: whether odd widths and heights go with halved colour.
        smallest: the least width and height.
        tags: by file type, the name under which players look for it.
        writable: of colour tags, those of the same meaning that it can write.
        about: a few words for a person.
    """

    codec: str
    suffixes: tuple[str, ...]
    layouts: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    quality: Quality | None = None
    preset: Preset | None = None
    instead: str | None = None
    takes_odd: bool = False
    smallest: tuple[int, int] = (1, 1)
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    writable: Callable[[ColorTags], ColorTags] = lambda color: color
    about: str = ""

    @property
    def available(self) -> tuple[str, ...]:
        """The layouts that the installed encoder takes; none where there is no such encoder."""
        return tuple(layout for layout in self.layouts if layout in layouts_of(self.codec))

    def settings(self, suffix: str, quality: int | None, preset: str | None) -> dict[str, str]:
        """The encoder's options.

        Raises:
            ValueError: the quality or the preset is none of its own.
        """
        options = dict(self.options)
        for asked, scale, word in (
            (quality, self.quality, "quality"),
            (preset, self.preset, "preset"),
        ):
            if scale is None and asked is not None:
                raise ValueError(
                    f"The {word} is {asked!r}, but {self.codec} has none to choose; leave it out."
                )
        if self.quality:
            options |= self.quality.checked(quality, self.codec)
        if self.preset:
            options |= self.preset.checked(preset, self.codec)
        if suffix == ".avi":
            options["bf"] = "0"  # AVI writes down when a frame is decoded, not when it is shown
        return options


def _of_prores(color: ColorTags) -> ColorTags:
    """Its frames are always of limited range; the curves of BT.601 and BT.2020 are BT.709's."""
    transfer = _BT709 if color.transfer in _CURVES_OF_BT709 else color.transfer
    return color._replace(transfer=transfer, range=_LIMITED_RANGE)


def _of_dnxhr(color: ColorTags) -> ColorTags:
    """Its frames say that they are BT.709 of limited range, whatever the file says besides."""
    return color._replace(matrix=_BT709, range=_LIMITED_RANGE)


_CRF = Quality({"crf": _PLACE}, 0, 51, DEFAULT_CRF)
_CRF_OF_AV1 = Quality({"crf": _PLACE}, 1, 63, DEFAULT_CRF)
_CRF_OF_VP9 = Quality({"crf": _PLACE}, 0, 63, DEFAULT_CRF)
_OF_NVENC = Quality({"rc": "vbr", "cq": _PLACE, "b": "0"}, 1, 51, 19)
_OF_QSV = Quality({"global_quality": _PLACE}, 1, 51, 19)
_OF_AMF = Quality({"rc": "cqp", "qp_i": _PLACE, "qp_p": _PLACE}, 0, 51, 19)
_OF_APPLE = Quality({"global_quality": _PLACE + "*QP2LAMBDA", "flags": "+qscale"}, 100, 1, 70)

_X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
# An encoder shares the processor with the network. These presets take 0.72, 0.60 and 0.36 of the
# time of the encoders' own, in files as large, and lose 0.5, 0.5 and 0.3 dB.
_PRESETS = Preset("preset", "fast", (*_X26X, "veryslow", "placebo"))
_OF_SVT = Preset("preset", "8", tuple(map(str, range(14))))
_OF_VPX = Preset("cpu-used", "4", tuple(map(str, range(9))))
_NVENC_PRESETS = Preset("preset", "p5", tuple(f"p{number}" for number in range(1, 8)))
_QSV_PRESETS = Preset("preset", "medium", (*_X26X[2:], "veryslow"))
_AMF_PRESETS = Preset("quality", "balanced", ("speed", "balanced", "quality"))

# Without it, libx264 writes other bytes for the same pictures now and then.
_REPRODUCIBLE: Mapping[str, str] = MappingProxyType({"x264-params": "cpu-independent=1"})
_HVC1: Mapping[str, str] = dict.fromkeys(ISO, "hvc1")
_IN_H264 = (*ISO, ".mkv", ".ts", ".avi")
_IN_H265 = (*ISO, ".mkv", ".ts")
_IN_AV1 = (".mp4", ".mkv", ".webm")
_LARGE = (160, 64)  # what hardware takes at least

_HARDWARE = {
    f"{kind}_{maker}": Encoder(
        f"{kind}_{maker}",
        {"h264": _IN_H264, "hevc": _IN_H265, "av1": _IN_AV1}[kind],
        layouts if kind != "h264" else layouts[:1],
        options,
        quality,
        preset,
        {"h264": "x264", "hevc": "x265", "av1": "svt-av1"}[kind],
        smallest=_LARGE,
        tags=_HVC1 if kind == "hevc" else {},
        about=about,
    )
    for maker, kinds, layouts, options, quality, preset, about in (
        ("nvenc", ("h264", "hevc", "av1"), _GPU, {}, _OF_NVENC, _NVENC_PRESETS, "NVIDIA"),
        ("qsv", ("h264", "hevc", "av1"), _GPU, {}, _OF_QSV, _QSV_PRESETS, "Intel"),
        ("amf", ("h264", "hevc", "av1"), _GPU, {}, _OF_AMF, _AMF_PRESETS, "AMD"),
        ("videotoolbox", ("h264", "hevc"), _GPU, {}, _OF_APPLE, None, "Apple"),
    )
    for kind in kinds
}

ENCODER_TABLE: Mapping[str, Encoder] = MappingProxyType(
    {
        "x264": Encoder(
            "libx264",
            _IN_H264,
            _YUV,
            _REPRODUCIBLE,
            quality=_CRF,
            preset=_PRESETS,
            about="H.264, which everything plays",
        ),
        "x265": Encoder(
            "libx265",
            _IN_H265,
            (*_YUV, *_YUV12),
            {"x265-params": "log-level=error"},
            _CRF,
            _PRESETS,
            tags=_HVC1,
            about="H.265: smaller, slower; up to 12 bits",
        ),
        "svt-av1": Encoder(
            "libsvtav1",
            _IN_AV1,
            _420,
            quality=_CRF_OF_AV1,
            preset=_OF_SVT,
            takes_odd=True,
            smallest=(64, 64),
            about="AV1: small files, which new browsers play",
        ),
        "vp9": Encoder(
            "libvpx-vp9",
            (".webm", ".mkv", ".mp4"),
            (*_YUV, *_YUV12, "yuva420p"),
            {"deadline": "good", "row-mt": "1", "b": "0"},
            _CRF_OF_VP9,
            _OF_VPX,
            about="VP9: every browser plays it; keeps transparency in .webm",
        ),
        "prores": Encoder(
            "prores_ks",
            (".mov", ".mkv"),
            ("yuv422p10le",),
            {"profile": "hq", "vendor": "apl0"},
            takes_odd=True,
            writable=_of_prores,
            about="ProRes 422 HQ, for editing",
        ),
        "prores-4444": Encoder(
            "prores_ks",
            (".mov", ".mkv"),
            ("yuv444p10le", "yuva444p10le"),
            {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
            takes_odd=True,
            writable=_of_prores,
            about="ProRes 4444, for editing; keeps transparency",
        ),
        "dnxhr": Encoder(
            "dnxhd",
            (".mov",),
            ("yuv422p10le",),
            {"profile": "dnxhr_hqx"},
            takes_odd=True,
            smallest=(256, 120),
            writable=_of_dnxhr,
            about="DNxHR HQX, for editing",
        ),
        "ffv1": Encoder(
            "ffv1",
            (".mkv", ".avi"),
            ("bgr0", "bgra", "gbrp16le", "gbrap16le"),
            {"level": "3", "slicecrc": "1", "g": "1"},
            takes_odd=True,
            about="FFV1: every bit of each frame, up to 16 bits; keeps transparency",
        ),
        "x264-lossless": Encoder(
            "libx264rgb",
            (".mkv", ".mov", ".mp4"),
            ("rgb24",),
            {"qp": "0"},
            preset=replace(_PRESETS, default="ultrafast"),
            takes_odd=True,
            about="H.264 without loss: every bit of each frame in 8 bits",
        ),
        "qtrle": Encoder(
            "qtrle",
            (".mov",),
            ("rgb24", "argb"),
            takes_odd=True,
            about="QuickTime Animation: every bit in 8 bits, transparency; for drawings",
        ),
        **_HARDWARE,
    }
)
"""What can be asked for, by name."""


class FileType(NamedTuple):
    """What a file type gets where no encoder is asked for; of several, what loses least.

    Attributes:
        plain: for 8 bits.
        deep: for more.
        alpha: for transparency.
        container: FFmpeg's name of it.
        segment: the file type in which stretches of it are kept until they are joined.
        joins: packet by packet; else it is an animation, encoded as a whole from its segments.
        highest_fps: beyond it, the clock of the file type, or that of its segments, gives two
            frames one time.
    """

    plain: str
    deep: Sequence[str]
    alpha: Sequence[str]
    container: str
    segment: str
    joins: bool = True
    highest_fps: int = 1000


_H264_FIRST = FileType("x264", ("x265", "x264"), (), "mp4", ".mp4", highest_fps=10_000)

FILE_TYPES: Mapping[str, FileType] = MappingProxyType(
    {
        ".mp4": _H264_FIRST,
        ".m4v": _H264_FIRST,
        ".mov": _H264_FIRST._replace(
            alpha=("prores-4444", "qtrle"), container="mov", segment=".mov"
        ),
        ".mkv": FileType("x264", ("x265", "x264"), (), "matroska", ".mkv"),
        ".webm": FileType("vp9", ("vp9", "svt-av1"), ("vp9",), "webm", ".webm"),
        ".ts": FileType("x264", ("x265", "x264"), (), "mpegts", ".mkv"),
        ".avi": FileType("x264", ("x264",), ("ffv1",), "avi", ".avi"),
        ".gif": FileType("ffv1", ("ffv1",), ("ffv1",), "gif", ".mkv", joins=False),
        ".webp": FileType("ffv1", ("ffv1",), ("ffv1",), "webp", ".mkv", joins=False),
    }
)
"""File types that can be written."""


@cache
def layouts_of(codec: str) -> tuple[str, ...]:
    """The layouts of pixels that an encoder takes; none where there is no such encoder."""
    try:
        return tuple(layout.name for layout in Codec(codec, "w").video_formats or ())
    except UnknownCodecError:
        return ()


@cache
def fault_of(
    codec: str, layout: str, width: int, height: int, options: tuple[tuple[str, str], ...] = ()
) -> str | None:
    """Encodes one black frame; returns why that fails, or None where it works."""
    try:
        context = cast(VideoCodecContext, CodecContext.create(codec, "w"))
        context.width, context.height, context.pix_fmt = width, height, layout
        context.time_base, context.framerate = 1 / _TRIED_RATE, _TRIED_RATE
        context.options = dict(options)
        black = np.zeros((height, width, 3), np.uint8)
        frame = reformat(VideoFrame.from_ndarray(black, format="rgb24"), format=layout)
        frame.pts, frame.time_base = 0, context.time_base
        packets = [*context.encode(frame), *context.encode(None)]
    except (FFmpegError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None if packets else "it gives no packet"
