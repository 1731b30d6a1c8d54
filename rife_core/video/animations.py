"""Writes animations that web pages show as pictures: .gif and .webp, from finished segments.

Such a file cannot be joined from stretches: a GIF has one palette for all of its frames, and a
WebP encoder gives the whole animation at once. So the frames wait without loss in segments,
and are read from there: twice for a GIF, first to choose 256 colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple, cast

from av.error import FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..basics.whole_file import whole_file
from .containers import VideoError, open_input, open_output, packets_of
from .decoding import ready
from .encoder_choice import EncoderRequest
from .encoders import FILE_TYPES, Quality
from .pixels import PixelKind, reformat

_LAYOUT = "bgra"  # what both encoders and the palette's filters read
_BYTE = 8  # bits


class _Kind(NamedTuple):
    """How a file type is encoded."""

    codec: str
    highest_fps: Fraction
    options: dict[str, str]
    container_options: dict[str, str]
    quality: Quality | None
    note: str


_KINDS = {
    ".gif": _Kind(
        "gif", Fraction(50), {}, {"loop": "0"}, None, "A .gif has 256 colours for all its frames."
    ),
    ".webp": _Kind(
        "libwebp_anim",
        Fraction(1000),
        {},
        {"loop": "0"},
        Quality({"quality": "{}"}, 100, 0, 90),
        "An animated .webp has its colour in 4:2:0.",
    ),
}


def check_animation(suffix: str, fps: Fraction, request: EncoderRequest) -> None:
    """Raises a ValueError where an animation cannot be as fast, or of such a quality.

    Example:
        >>> check_animation(".gif", Fraction(25), EncoderRequest())
    """
    kind = _KINDS[suffix]
    if fps > kind.highest_fps:
        raise ValueError(
            f"{suffix} files show {kind.highest_fps} frames a second at most, and these are "
            f"{float(fps):.6g}. Give --fps {kind.highest_fps}, or write .webp or .mp4."
        )
    if request.preset or request.pixel_format:
        raise ValueError(f"{suffix} files have neither presets nor pixel formats to choose.")
    _settings(suffix, request)


class AnimationWriter:
    """Joins segments to an animation, which appears under its name only when complete.

    It is used as a `VideoWriter` that joins is.

    Args:
        path: ends in .gif or .webp.
        fps: frame rate.
        request: what was asked of the encoder; of it, the quality counts.
        name: what messages call the file.
        kind: the pixels of what is to be shown.
        left_out: tracks of the source, none of which goes along.

    Attributes:
        count: frames so far.
        notes: what is not as the source has it, in sentences.
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        request: EncoderRequest,
        *,
        name: str,
        kind: PixelKind,
        left_out: list[str],
    ) -> None:
        self.path, self.fps, self.name = path, fps, name
        self.suffix = path.suffix.lower()
        self.left_out = left_out
        self.notes = [_KINDS[self.suffix].note]
        if kind.depth > _BYTE:
            self.notes.append(f"{self.suffix} files hold 8 bits a value, of {kind.depth}.")
        if kind.aspect != 1:
            self.left_out.append(f"the shape of pixels ({kind.aspect})")
        self.count = 0
        self._request = request
        self._parts: list[Path] = []

    def __enter__(self) -> AnimationWriter:
        return self

    def append(self, part: Path, reorder: int = 0) -> None:
        """Appends the frames of a file; nothing in it may depend on frames before it."""
        with open_input(part) as container:
            self.count += sum(1 for _ in packets_of(container, container.streams.video[0]))
        self._parts.append(part)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            return
        if not self.count:
            raise VideoError(f"{self.name} was not written: there were no frames.")
        try:
            self._write()
        except (FFmpegError, OSError) as fault:
            raise VideoError(f"{self.name} cannot be written: {fault.strerror}.") from fault

    def _write(self) -> None:
        how = _KINDS[self.suffix]
        pictures = _with_palette(self._pictures) if how.codec == "gif" else self._pictures()
        container = FILE_TYPES[self.suffix].container
        with (
            whole_file(self.path) as part,
            open_output(part, how.container_options, container) as output,
        ):
            stream = cast(VideoStream, output.add_stream(how.codec, rate=self.fps))
            stream.options = {**how.options, **_settings(self.suffix, self._request)}
            for number, picture in enumerate(pictures):
                if not number:
                    stream.width, stream.height = picture.width, picture.height
                    stream.pix_fmt = picture.format.name
                    stream.time_base = stream.codec_context.time_base = 1 / self.fps
                picture.pts, picture.time_base = number, 1 / self.fps
                output.mux(stream.encode(picture))
            output.mux(stream.encode(None))

    def _pictures(self) -> Iterator[VideoFrame]:
        number = 0
        for part in self._parts:
            with open_input(part) as container:
                for frame in container.decode(container.streams.video[0]):
                    picture = reformat(frame, format=_LAYOUT)
                    picture.pts, picture.time_base = number, 1 / self.fps
                    number += 1
                    yield picture


def _settings(suffix: str, request: EncoderRequest) -> dict[str, str]:
    quality = _KINDS[suffix].quality
    if quality:
        return quality.checked(request.quality, suffix)
    if request.quality is not None:
        raise ValueError(f"The quality is {request.quality}, but {suffix} files have none.")
    return {}


def _with_palette(pictures: Callable[[], Iterator[VideoFrame]]) -> Iterator[VideoFrame]:
    """The pictures in 256 colours that fit all of them best."""
    palette = _palette_of(pictures())
    graph, first = Graph(), next(pictures())
    frames, colours = _source(graph, first), _source(graph, palette)
    use = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle")
    sink = graph.add("buffersink")
    frames.link_to(use, 0, 0)
    colours.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    colours.push(palette)
    colours.push(None)
    for picture in chain(pictures(), (None,)):
        frames.push(picture)
        yield from ready(sink)


def _palette_of(pictures: Iterator[VideoFrame]) -> VideoFrame:
    graph, first = Graph(), next(pictures)
    source, sink = _source(graph, first), graph.add("buffersink")
    graph.link_nodes(source, graph.add("palettegen"), sink).configure()
    for picture in chain((first,), pictures):
        source.push(picture)
    source.push(None)
    return next(ready(sink))


def _source(graph: Graph, like: VideoFrame) -> FilterContext:
    return graph.add_buffer(
        width=like.width, height=like.height, format=like.format, time_base=like.time_base
    )
