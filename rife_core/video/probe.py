"""The properties of a video file's picture: the track, its rates, how its pixels are stored."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .containers import VideoError, has_times, readable
from .pixels import (
    ColorTags,
    Orientation,
    PixelKind,
    chroma_of,
    depth_of,
    has_alpha,
    is_rgb,
    light_of,
    mastering_of,
    reformat,
    side_data,
    writable,
)

_LIMITED_RANGE = 1
_USUAL_RATE = Fraction(25)  # of raw streams that name none, as FFmpeg takes it
_CHROMA_SITE = (b"\x55\xb7\x81", b"\x55\xb8\x81")  # Matroska's elements of one byte each
_BESIDE_PIXELS = {  # what frames can hold and interpolated ones cannot
    "A53_CC": "closed captions",
    "STEREO3D": "how two views are packed for 3D",
    "SPHERICAL": "the projection of 360 degree video",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_METADATA": "Dolby Vision",
    "ICC_PROFILE": "a colour profile",
}
_TRANSPARENT_BY_HABIT = ("gif",)  # codecs that always have alpha, and seldom mean it


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The track that players show: the best one, never a cover.

    Raises:
        VideoError: there is none, or it cannot be decoded.
    """
    if not container.streams.video:
        raise VideoError(f"{path.name} has no picture, only other tracks.")
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not moving:
        raise VideoError(f"{path.name} has no moving picture, only a cover.")
    stream = container.streams.best("video")
    if stream not in moving:
        stream = moving[0]
    assert isinstance(stream, VideoStream)
    if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise VideoError(f"{path.name} is damaged, or of a kind that cannot be decoded.")
    return stream


def name_of_others(container: InputContainer, shown: VideoStream) -> str | None:
    """A sentence that names the pictures which are left out, where there are any."""
    others = [
        f"{stream.index + 1} ({stream.codec_context.name if stream.codec_context else '?'})"  # pyright: ignore[reportUnnecessaryComparison]
        for stream in container.streams.video
        if stream.index != shown.index
    ]
    if not others:
        return None
    return (
        f"The picture is track {shown.index + 1}; left out, as covers or other pictures: track "
        f"{', '.join(others)}."
    )


def name_of(stream: Stream) -> str:
    """The name of a track in messages: the name of its file, its time code or its codec."""
    told = stream.metadata.get("filename") or stream.metadata.get("timecode")
    context = stream.codec_context
    if told or context is None:  # pyright: ignore[reportUnnecessaryComparison]
        return told or getattr(stream, "name", None) or "unknown"
    return context.name


def beside_pictures(container: InputContainer) -> list[str]:
    """What a file holds besides pictures: its tracks as "audio (aac)", and "chapters"."""
    tracks = [
        f"{stream.type} ({name_of(stream)})"
        for stream in container.streams
        if stream.type != "video" and not is_chapter_text(stream)
    ]
    return tracks + (["chapters"] if chapters_of(container) else [])


def is_chapter_text(stream: Stream) -> bool:
    """Whether a track is the titles of chapters, as MP4 has them."""
    return stream.type == "data" and name_of(stream) == "bin_data"


def chapters_of(container: InputContainer) -> Sequence[Any]:
    """The chapters of a file; none where PyAV is too old to tell."""
    chapters: Sequence[Any] = container.chapters() if hasattr(container, "chapters") else []
    for chapter in chapters:
        chapter["metadata"] = {k: readable(v) for k, v in chapter["metadata"].items()}
    return chapters


def beside_pixels(frame: VideoFrame) -> str | None:
    """A sentence on what a frame holds that goes along nowhere, where there is any."""
    found = [words for kind, words in _BESIDE_PIXELS.items() if side_data(frame, kind)]
    return f"Left out, for frames in between have none: {', '.join(found)}." if found else None


def stated_rates(container: InputContainer, stream: VideoStream) -> list[Fraction]:
    """Rates that the file states, the most trusted one first."""
    coded = stream.codec_context.framerate
    stated = [stream.guessed_rate, stream.average_rate, coded]
    if not has_times(container):
        stated = [coded, stream.guessed_rate]
    rates = [Fraction(rate) for rate in stated if rate]
    return rates or [_USUAL_RATE]


def kind_of(stream: VideoStream, first: VideoFrame, orientation: Orientation) -> PixelKind:
    """How the picture is stored, as its track and its first frame say."""
    context = stream.codec_context
    tags = ColorTags(
        context.colorspace,
        context.color_primaries,
        context.color_trc,
        context.color_range or _LIMITED_RANGE,
    )
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    rgb = is_rgb(first.format)
    return PixelKind(
        color=writable(tags, first.format),
        depth=depth_of(first.format),
        chroma=chroma_of(first.format),
        alpha=has_alpha(first.format),
        aspect=1 / aspect if orientation.transposed else aspect,
        mastering=mastering_of(first),
        light=light_of(first),
        chroma_site=0 if rgb else _chroma_site(stream),
    )


def _chroma_site(stream: VideoStream) -> int:
    """The location of chroma samples. PyAV does not expose it, but Matroska stores it."""
    file = io.BytesIO()
    try:
        with closing(av.open(file, "w", format="matroska")) as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (FFmpegError, ValueError):
        return 0
    header = file.getvalue()
    at = [header.find(element) for element in _CHROMA_SITE]
    if min(at) < 0:
        return 0
    across, down = (header[where + 3] for where in at)
    return {(1, 2): 1, (2, 2): 2, (1, 1): 3, (2, 1): 4}.get((across, down), 0)


def is_transparent(stream: VideoStream, first: VideoFrame) -> bool:
    """Whether the picture has transparency that is meant."""
    if not has_alpha(first.format):
        return False
    if stream.codec_context.name not in _TRANSPARENT_BY_HABIT:
        return True
    return bool((reformat(first, format="rgba").to_ndarray()[..., 3] < 255).any())
