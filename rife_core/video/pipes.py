"""Frames through pipes: y4m and raw rgb24 and rgb48, on standard input and output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from copy import copy
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from ..timeline import as_fraction
from .clock import Clock
from .containers import VideoError
from .pixels import (
    ColorTags,
    PixelKind,
    chroma_of,
    depth_of,
    reformat,
    to_frame,
    to_tensor,
    writable,
)

PIPE = "-"
"""The name that means standard input or output."""

RAW_LAYOUTS = {"rgb24": "rgb24", "rgb48": "rgb48le"}
PIPE_FORMATS = ("y4m", *RAW_LAYOUTS)
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_BYTE = 8  # bits
_Y4M = "yuv4mpegpipe"


def binary(stream: TextIO | None, name: str) -> BinaryIO:
    """The bytes of standard "input" or "output".

    Raises:
        VideoError: it was closed by whoever started the program.
    """
    if stream is None:
        raise VideoError(f"Standard {name} is closed; give a file, or connect the pipe.")
    return stream.buffer


class _Readable:
    """A stream that cannot be rewound, so that FFmpeg does not try to."""

    def __init__(self, file: BinaryIO) -> None:
        self._read = file.read

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        return self._read(size)


class _Writable:
    """A stream that cannot be rewound."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


class RawVideo(NamedTuple):
    """The format of raw frames, which their reader needs to know.

    Attributes:
        layout: "rgb24", or "rgb48" (little-endian).
        width, height: in pixels.
        fps: their rate.
    """

    layout: str
    width: int
    height: int
    fps: Fraction

    @classmethod
    def parse(cls, layout: str, size: str | None, fps: Fraction | float | str | None) -> RawVideo:
        """Raw frames as options name them.

        Raises:
            ValueError: something is missing.

        Example:
            >>> RawVideo.parse("rgb24", "64x48", 25).width
            64
        """
        match = _SIZE.fullmatch(size or "")
        if match is None or fps is None or not int(match[1]) * int(match[2]):
            raise ValueError(
                f"Raw {layout} frames do not say how large and fast they are. Give "
                "--size 1920x1080 and --source-fps 24."
            )
        return cls(layout, int(match[1]), int(match[2]), as_fraction(fps))


class PipeReader:
    """The frames that come through a pipe, once, in order. It has the interface of a `VideoReader`.

    Args:
        file: where they come from.
        raw: what they are; y4m, which says so itself, by default.
        fps: their rate, whatever y4m says.

    Raises:
        VideoError: what comes is no video of that kind.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        raw: RawVideo | None = None,
        fps: Fraction | float | str | None = None,
    ) -> None:
        self.path = Path("standard input")
        self.allow_damaged = self.skip_damaged = False
        self.explains_count = False
        self.has_alpha, self.channels = False, 3
        self.audio_codecs: list[str] = []
        self.beside: list[str] = []
        options: dict[str, str] = {}
        if raw:
            options = {
                "pixel_format": RAW_LAYOUTS[raw.layout],
                "video_size": f"{raw.width}x{raw.height}",
                "framerate": str(raw.fps),
            }
        self._begin, self._count = 0, None
        self._resources = ExitStack()
        try:
            container = av.open(
                _Readable(file), "r", format="rawvideo" if raw else _Y4M, options=options
            )
            self._resources.enter_context(container)
            self._frames = container.decode(container.streams.video[0])
            first = next(self._frames, None)
        except (FFmpegError, IndexError, ValueError) as error:
            raise VideoError(
                "Standard input holds no y4m frames. Send them by, say, "
                "ffmpeg -i clip.mp4 -f yuv4mpegpipe - | rife-video interpolate - out.mp4"
            ) from error
        if first is None:
            raise VideoError("Standard input holds no frames.")
        self._first = first
        self.width, self.height = first.width, first.height
        stream = container.streams.video[0]
        rate = raw.fps if raw else Fraction(stream.average_rate or stream.guessed_rate or 25)
        self.fps = as_fraction(fps) if fps else rate
        context = stream.codec_context
        tags = ColorTags(
            context.colorspace, context.color_primaries, context.color_trc, context.color_range or 1
        )
        self.kind = PixelKind(
            writable(tags, first.format),
            depth_of(first.format),
            chroma_of(first.format),
            aspect=Fraction(stream.sample_aspect_ratio or 1),
        )

    @property
    def clock(self) -> Clock:
        """An even beat of unknown length."""
        nothing = np.empty(0, np.int64)
        return Clock(0, True, self.fps, nothing, 1 / self.fps, Fraction(0), 0)

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """The frames, each with its time; once, and from the first one on."""
        if first:
            raise VideoError("What came through a pipe cannot be read again; begin anew.")
        with self._resources:
            stop = None if self._count is None else self._begin + self._count
            for index, frame in enumerate(islice(self._decoded(), self._begin, stop)):
                yield index / self.fps, to_tensor(frame, deep=self.kind.depth > _BYTE, alpha=False)

    def _decoded(self) -> Iterator[VideoFrame]:
        yield self._first
        try:
            yield from self._frames
        except FFmpegError as error:
            raise VideoError(f"Standard input broke off ({error.strerror}).") from error

    def part(self, first: int, count: int | None) -> PipeReader:
        """The same with `count` frames from frame `first` on."""
        part = copy(self)
        part._begin, part._count = first, count
        return part

    def check(self) -> str | None:
        """Nothing is known of damage before a frame is read."""
        return None

    def check_unchanged(self) -> None:
        """Does nothing: a pipe cannot be read again."""

    def notes(self) -> list[str]:
        """No notes: nothing is known of a pipe."""
        return []

    def identity(self) -> None:
        """It cannot be read twice."""
        return


class PipeWriter:
    """Writes frames to a pipe, one at a time; a context manager.

    Args:
        file: where they go.
        fps: their rate, which y4m tells.
        kind: the pixels of the source. y4m keeps colour matrix, bits and fineness of colour.
        layout: "y4m", "rgb24" or "rgb48".

    Attributes:
        count: frames written so far.
        notes: sentences on what the layout cannot keep.
    """

    def __init__(self, file: BinaryIO, fps: Fraction, kind: PixelKind, layout: str = "y4m") -> None:
        self.count, self.fps, self.kind = 0, fps, kind
        self._file, self._raw = file, RAW_LAYOUTS.get(layout)
        self.notes: list[str] = []
        holds = {"y4m": 12, "rgb24": 8, "rgb48": 16}[layout]
        if kind.depth > holds:
            self.notes.append(f"{layout} frames hold {holds} bits a value, of {kind.depth}.")
        if kind.source_chroma not in (None, kind.chroma) and not self._raw:
            self.notes.append(
                f"Colour of {':'.join(kind.source_chroma or '')} becomes {':'.join(kind.chroma)}; "
                "raw frames (--pipe-format rgb24) keep it."
            )
        if kind.aspect != 1 and self._raw:
            self.notes.append(f"Raw frames do not tell the shape of pixels ({kind.aspect}).")
        self._resources = ExitStack()

    def __enter__(self) -> PipeWriter:
        return self

    def write(self, frame: Tensor) -> None:
        """Writes one frame, H W 3, in [0, 1].

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if self._raw:
            self._file.write(
                to_frame(frame[..., :3], deep=self._raw != "rgb24").to_ndarray().tobytes()
            )
            self._file.flush()
        else:
            self._write_y4m(frame)
        self.count += 1

    def _write_y4m(self, frame: Tensor) -> None:
        if not self.count:
            self._start(frame.shape[1], frame.shape[0])
        stream = self._stream
        layout = VideoFormat(str(stream.pix_fmt))
        picture = reformat(
            to_frame(frame[..., :3], deep=depth_of(layout) > _BYTE),
            format=layout.name,
            dst_colorspace=self.kind.color.matrix,
            dst_color_range=self.kind.color.range,
        )
        picture.pts, picture.time_base = self.count, 1 / self.fps
        for packet in stream.encode(picture):
            self._container.mux(packet)
        self._file.flush()

    def _start(self, width: int, height: int) -> None:
        depth = min((each for each in (8, 10, 12) if each >= self.kind.depth), default=12)
        layout = f"yuv{self.kind.chroma}p" + (f"{depth}le" if depth > _BYTE else "")
        self._container = self._resources.enter_context(
            av.open(_Writable(self._file), "w", format=_Y4M, container_options={"strict": "-1"})
        )
        stream = cast(VideoStream, self._container.add_stream("rawvideo", rate=self.fps))
        stream.width, stream.height, stream.pix_fmt = width, height, layout
        stream.time_base = stream.codec_context.time_base = 1 / self.fps
        context = stream.codec_context
        context.sample_aspect_ratio = self.kind.aspect
        context.color_range = self.kind.color.range
        self._stream = stream

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            with suppress(FFmpegError, OSError):
                self._resources.close()
        else:
            self._resources.close()
            self._file.flush()
