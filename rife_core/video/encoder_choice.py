"""The choice of an encoder for a clip: what loses least of it, among what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from av.video.format import VideoFormat

from ..basics.arguments import check_fields
from .containers import VideoError
from .encoders import ENCODER_TABLE, FILE_TYPES, ISO, Encoder, fault_of, layouts_of
from .pixels import PixelKind, depth_of, has_alpha

_BYTE = 8  # bits
_OF_X265 = "x265-params"
_CHROMA = ("420", "422", "444")  # by fineness
_FULL_COLOUR = (
    "Colour is kept in each pixel (4:4:4), which browsers and televisions may not play; "
    "--pixel-format yuv420p is for those."
)


@dataclass(frozen=True)
class EncoderRequest:
    """The user's request to the encoder; None where nothing was asked for.

    Attributes:
        encoder: a name of `ENCODER_TABLE`.
        quality: in the numbers of that encoder.
        preset: one of that encoder's.
        pixel_format: a layout of pixels by its name in FFmpeg.
    """

    encoder: str | None = None
    quality: int | None = None
    preset: str | None = None
    pixel_format: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def candidates(self, suffix: str, kind: PixelKind, *, alpha: bool) -> list[str]:
        """Names of the encoders that come into question for a file type, the first one best.

        Raises:
            ValueError: there is no such encoder, or the file type cannot hold it.
        """
        if self.encoder is None:
            defaults = FILE_TYPES[suffix]
            names = defaults.deep if kind.depth > _BYTE else (defaults.plain,)
            if alpha and any(ENCODER_TABLE[name].available for name in defaults.alpha):
                names = defaults.alpha
            return list(names)
        if self.encoder not in ENCODER_TABLE:
            raise ValueError(
                f"There is no encoder {self.encoder!r}; known are {', '.join(ENCODER_TABLE)}."
            )
        row = ENCODER_TABLE[self.encoder]
        if suffix not in row.suffixes:
            raise ValueError(
                f"{suffix} files cannot hold {self.encoder}; give the output one of the endings "
                f"{', '.join(row.suffixes)}."
            )
        return [self.encoder]


class Choice(NamedTuple):
    """An encoder with all its settings.

    Attributes:
        name: its row of `ENCODER_TABLE`.
        codec: its name in FFmpeg.
        layout: the layout of pixels.
        options: what it is told.
        tag: the name under which players look for it, or None.
        notes: sentences on what is not as the source has it, or not as asked.
    """

    name: str
    codec: str
    layout: str
    options: Mapping[str, str]
    tag: str | None
    notes: tuple[str, ...] = ()


def choose_encoder(
    request: EncoderRequest,
    suffix: str,
    kind: PixelKind,
    *,
    width: int,
    height: int,
    alpha: bool = False,
) -> Choice:
    """The encoder and layout of pixels that keep most of what there is.

    Args:
        request: what was asked for.
        suffix: of the file.
        kind: the pixels of the source.
        width, height: in pixels.
        alpha: whether transparency is to be kept.

    Raises:
        ValueError: what was asked for does not fit.
        VideoError: no encoder that fits is installed.

    Example:
        >>> choose_encoder(EncoderRequest(), ".mp4", PixelKind(), width=64, height=64).codec
        'libx264'
    """
    names = request.candidates(suffix, kind, alpha=alpha)
    fitting = [
        (name, layout)
        for name in names
        for layout in _fitting(ENCODER_TABLE[name], request, width, height)
    ]
    if not fitting:
        raise _nothing_fits(names, request, width, height)
    name, layout = min(fitting, key=_cost(names, kind, alpha))
    row = ENCODER_TABLE[name]
    options = _options(row, request, suffix, layout)
    if row.instead and (
        fault := fault_of(row.codec, layout, width, height, tuple(options.items()))
    ):
        other = choose_encoder(
            EncoderRequest(row.instead), suffix, kind, width=width, height=height, alpha=alpha
        )
        note = f"{name} does not answer here ({fault}), so {row.instead} encodes."
        return other._replace(notes=(note, *other.notes))
    notes = _lost(request.pixel_format or name, kind, VideoFormat(layout), alpha=alpha)
    if (hdr := _hdr_options(kind)) and _OF_X265 in options:
        options[_OF_X265] += f":{hdr}"
    elif hdr:
        notes += (f"{name} cannot write what HDR displays are told; left out.",)
    is_full = suffix in ISO and kind.chroma == "444" and layout.startswith("yuv444")
    if is_full and not (request.encoder or request.pixel_format):
        notes += (_FULL_COLOUR,)
    return Choice(name, row.codec, layout, options, row.tags.get(suffix), notes)


def keeps_alpha(suffix: str, request: EncoderRequest | None = None) -> bool:
    """Whether the encoder of a file can keep transparency."""
    request = request or EncoderRequest()
    names = FILE_TYPES[suffix].alpha if request.encoder is None else (request.encoder,)
    layouts = (
        layout
        for name in names
        if name in ENCODER_TABLE
        for layout in ENCODER_TABLE[name].available
        if request.pixel_format in (None, layout)
    )
    return any(has_alpha(VideoFormat(layout)) for layout in layouts)


def _options(row: Encoder, request: EncoderRequest, suffix: str, layout: str) -> dict[str, str]:
    """The options of an encoder; unless it was asked for by name it ignores those it lacks."""
    named = request.encoder is not None
    options = row.settings(
        suffix,
        request.quality if named or row.quality else None,
        request.preset if named or row.preset else None,
    )
    if has_alpha(VideoFormat(layout)) and row.codec == "libvpx-vp9":
        options["auto-alt-ref"] = "0"
    return options


def _fitting(row: Encoder, request: EncoderRequest, width: int, height: int) -> list[str]:
    """The layouts of a row in which the clip can be encoded."""
    if width < row.smallest[0] or height < row.smallest[1]:
        return []
    asked = request.pixel_format
    if asked is not None:
        return [asked] if asked in layouts_of(row.codec) else []
    return [layout for layout in row.available if row.takes_odd or _goes(layout, width, height)]


def _goes(layout: str, width: int, height: int) -> bool:
    """Whether colour planes of this layout have whole numbers of pixels."""
    pixels = VideoFormat(layout)
    return width % (2 // pixels.chroma_width(2)) == height % (2 // pixels.chroma_height(2)) == 0


def _nothing_fits(
    names: Sequence[str], request: EncoderRequest, width: int, height: int
) -> ValueError:
    row = ENCODER_TABLE[names[0]]
    what = f"{names[0]} ({row.codec})"
    if not layouts_of(row.codec):
        if row.instead:
            return VideoError(f"This PyAV has no {what}; ask for {row.instead}.")
        return VideoError(f"This PyAV has no {what}. Install one that has: pip install -U av")
    if width < row.smallest[0] or height < row.smallest[1]:
        least = "x".join(map(str, row.smallest))
        return ValueError(
            f"{what} takes no frames smaller than {least}, and these are {width}x{height}."
        )
    if request.pixel_format:
        return ValueError(
            f"{what} does not take the pixel format {request.pixel_format!r}; it takes "
            f"{', '.join(layouts_of(row.codec))}."
        )
    return ValueError(
        f"{what} takes even widths and heights only, and these frames are {width}x{height}. "
        "Ask for x264, which takes any."
    )


def _cost(
    names: Sequence[str], kind: PixelKind, alpha: bool
) -> Callable[[tuple[str, str]], tuple[int, ...]]:
    """What an encoder and a layout lose; then the order of the encoders; then what they add."""
    wanted = _CHROMA.index(kind.chroma)

    def cost(pair: tuple[str, str]) -> tuple[int, ...]:
        layout = VideoFormat(pair[1])
        depth, chroma, transparent = depth_of(layout), _fineness(layout), has_alpha(layout)
        return (
            alpha > transparent,
            max(0, kind.depth - depth),
            max(0, wanted - chroma),
            names.index(pair[0]),
            transparent > alpha,
            max(0, depth - kind.depth),
            max(0, chroma - wanted),
        )

    return cost


def _fineness(layout: VideoFormat) -> int:
    """How finely colour is sampled: 0 in 4:2:0, 1 in 4:2:2, 2 in each pixel."""
    return (layout.chroma_width(2) == 2) + (layout.chroma_height(2) == 2)


def _lost(name: str, kind: PixelKind, layout: VideoFormat, *, alpha: bool) -> tuple[str, ...]:
    """A sentence on what a layout cannot keep; `name` is what was asked for or chosen."""
    lost: list[str] = []
    if depth_of(layout) < kind.depth:
        lost.append(f"{kind.depth} bits a value become {depth_of(layout)}")
    chroma, fineness = kind.source_chroma or kind.chroma, _fineness(layout)
    if fineness < _CHROMA.index(chroma):
        lost.append(f"colour of {':'.join(chroma)} becomes {':'.join(_CHROMA[fineness])}")
    if alpha and not has_alpha(layout):
        lost.append("transparency is left out")
    if not lost:
        return ()
    more = "" if chroma == kind.chroma else " The pixel format yuv444p keeps colour in each pixel."
    return (f"{name} keeps less than the source has: {' and '.join(lost)}.{more}",)


def _hdr_options(kind: PixelKind) -> str:
    """The HDR metadata, as x265's options."""
    options: list[str] = []
    if kind.mastering:
        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y = (
            round(value * 50000) for value in kind.mastering.primaries
        )
        least, most = (
            round(value * 10000) for value in (kind.mastering.least, kind.mastering.most)
        )
        options.append(
            f"master-display=G({green_x},{green_y})B({blue_x},{blue_y})R({red_x},{red_y})"
            f"WP({white_x},{white_y})L({most},{least})"
        )
    if kind.light:
        options.append(f"max-cll={kind.light.content},{kind.light.frame_average}")
    return ":".join(options)
