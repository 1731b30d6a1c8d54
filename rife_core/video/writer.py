"""Writes video files, which appear under their names only when complete."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, cast

import av
import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from ..timeline import as_fraction
from .reader import Audio, ColorTags, VideoError, VideoReader, open_video
from .tracks import Track, carry_chapters, tracks_of

DEFAULT_CRF = 17
_BYTE = 8  # bits
_DEEP = "10le"  # ends the name of a layout of pixels with 10 bits a value
_REORDERED = 2  # frames that x265 holds back to put them into another order
_FAR = 1000  # frames
_FINE = 10000  # parts of a second; fewer are usual in no file


class Encoder(NamedTuple):
    """A video encoder, and what it needs besides the quality."""

    codec: str
    options: Mapping[str, str] = {}
    tag: str | None = None


class Encoders(NamedTuple):
    """What a file type gets: for 8 bits, and for more, where the first one there is taken."""

    plain: Encoder
    deep: Sequence[Encoder]


# An encoder shares the processor with the network. These settings take 0.72, 0.60 and 0.36 of the
# time of the encoders' own, in files as large, and lose 0.5, 0.5 and 0.3 dB.
_H264 = Encoder("libx264", {"preset": "fast"})
_H265 = Encoder("libx265", {"preset": "fast", "x265-params": "log-level=error"})
_MP4 = Encoders(_H264, (_H265._replace(tag="hvc1"), _H264))
_VP9 = Encoder("libvpx-vp9", {"deadline": "good", "cpu-used": "4", "row-mt": "1"})

ENCODERS: Mapping[str, Encoders] = {
    ".mp4": _MP4,
    ".mov": _MP4,
    ".mkv": Encoders(_H264, (_H265, _H264)),
    ".webm": Encoders(_VP9, (_VP9, Encoder("libsvtav1"))),
}
"""File types that can be written, and their encoders."""


class VideoWriter:
    """Writes frames to a video file, which appears under its name only when complete.

    Use it as a context manager: leaving it with an exception removes what was written.

    Args:
        path: ends in .mp4, .mov, .mkv or .webm.
        fps: frame rate, exact where it is a Fraction.
        audio: sound to go along: a waveform, or a video file whose tracks are copied,
            subtitles, chapters and title too.
        color: colour tags to convert by and to write.
        depth: bits of each colour value; above 8 it becomes 10.
        aspect: width of a pixel over its height.
        crf: quality, 0 (lossless, huge) to 51; 17 is hard to tell from the source.
        encoders: those of the file type by default.
        name: what messages call the file; its name by default.

    Attributes:
        count: frames written so far.
        left_out: tracks of the source that this file type cannot hold.

    Raises:
        VideoError: no such file type, or it cannot be written.

    Odd widths and heights are kept, at full colour resolution (4:4:4), because
    halved colour planes need even sides.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: Fraction | float | str,
        *,
        audio: VideoReader | Audio | None = None,
        color: ColorTags | None = None,
        depth: int = _BYTE,
        aspect: Fraction = Fraction(1),
        crf: int = DEFAULT_CRF,
        encoders: Encoders | None = None,
        name: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.name = name or self.path.name
        self.suffix = self.path.suffix.lower()
        if self.suffix not in ENCODERS:
            raise VideoError(
                f"{self.name} cannot be written: the name must end in {', '.join(ENCODERS)}."
            )
        self.fps = as_fraction(fps)
        self.color = color or ColorTags()
        self.depth, self.aspect = depth, aspect
        self.count = 0
        self._crf, self._encoders = crf, encoders or ENCODERS[self.suffix]
        self._audio_source = audio
        self._encodes = False
        self._tracks: list[Track] = []
        self.left_out: list[str] = []
        self._part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        self._resources = ExitStack()

    def __enter__(self) -> VideoWriter:
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(self._part, "w", container_options=self._options())
        self._resources.callback(self._container.close)
        return self

    def write(self, frame: Tensor) -> None:
        """Appends one frame: H W 3, float in [0, 1], all of the first one's size."""
        height, width = frame.shape[:2]
        with self._explained():
            if not self.count:
                self._start(width, height)
            stream = self._stream
            if (stream.width, stream.height) != (width, height):
                raise VideoError(
                    f"Frame {self.count} is {width}x{height}, but the video began with "
                    f"{stream.width}x{stream.height}."
                )
            picture = _picture(frame, deep=str(stream.pix_fmt).endswith(_DEEP)).reformat(
                format=stream.pix_fmt,
                dst_colorspace=self.color.matrix,
                dst_color_range=self.color.range,
            )
            picture.pts, picture.time_base = self.count, 1 / self.fps
            self._encode(picture)
            self.count += 1
            self._carry_until(self.count / self.fps)

    def append(self, part: Path) -> None:
        """Appends the picture of a file that was written like this one, packet by packet."""
        with closing(open_video(part)) as container, self._explained():
            source = container.streams.video[0]
            if not self.count:
                self._begin(self._container.add_stream_from_template(source, opaque=True))
            start = self.count / self.fps
            for packet in container.demux(source):
                if packet.dts is None or packet.pts is None:  # the empty packet at the end
                    continue
                shift = round(start / Fraction(packet.time_base))
                packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                packet.stream = self._stream
                self._container.mux(packet)
                self.count += 1
                self._carry_until(self.count / self.fps)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            with suppress(FFmpegError):  # the first error is the one that tells
                self._resources.close()
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        if not self.count:
            raise VideoError(f"{self.name} was not written: there were no frames.")
        with self._explained():
            if self._encodes:
                self._encode(None)
            self._carry_until(None)
            self._container.close()
            self._part.replace(self.path)

    def _encode(self, picture: VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            shown, coded = packet.pts or 0, packet.dts
            if coded is None or not 0 <= shown - coded < _FAR:
                packet.dts = shown - _REORDERED  # x265 sets none in clips of 1 or 2 frames
            self._container.mux(packet)

    def _start(self, width: int, height: int) -> None:
        """Now that the size is known, says how the picture is to be encoded."""
        os.environ.setdefault("SVT_LOG", "1")  # errors; SVT-AV1 says much more by itself
        encoder, pixels = self._choose(even=width % 2 == height % 2 == 0)
        stream = cast(VideoStream, self._container.add_stream(encoder.codec, rate=self.fps))
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.options = {"crf": str(self._crf), **encoder.options}
        stream.time_base = context.time_base = 1 / self.fps
        context.sample_aspect_ratio = self.aspect
        if encoder.tag:
            context.codec_tag = encoder.tag
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            self.color
        )
        self._encodes = True
        self._begin(stream)

    def _begin(self, stream: VideoStream) -> None:
        self._stream = stream
        source = self._audio_source
        if source is not None:
            self._tracks, self.left_out = tracks_of(source, self._container, self._resources)
        if isinstance(source, VideoReader):
            carry_chapters(source, self._container)

    def _options(self) -> dict[str, str]:
        """What the file type is told."""
        if self.suffix not in (".mp4", ".mov"):
            return {}
        scale = self.fps.numerator  # every frame's time is a whole number of these
        while scale < _FINE:
            scale *= 2
        return {"movflags": "+faststart", "video_track_timescale": str(scale)}

    def _choose(self, *, even: bool) -> tuple[Encoder, str]:
        """The encoder, and the layout of pixels for it."""
        layout = "yuv420p" if even else "yuv444p"
        if self.depth > _BYTE:
            for encoder in self._encoders.deep:
                if layout + _DEEP in _layouts(encoder.codec):
                    return encoder, layout + _DEEP
        return self._encoders.plain, layout

    def _carry_until(self, time: Fraction | None) -> None:
        """Writes sound and subtitles up to `time` in seconds, or all of them.

        Players want sound and picture of one moment side by side in the file.
        """
        for track in self._tracks:
            while track.waiting is not None and (time is None or track.time < time):
                self._container.mux(track.waiting)
                track.advance()

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except (FFmpegError, OSError) as error:
            raise VideoError(f"{self.name} cannot be written: {error.strerror}.") from error


def encode_png(image: Tensor) -> bytes:
    r"""A PNG file of one picture.

    Shape:
        image: H W 3 in [0, 1]

    Example:
        >>> import torch
        >>> encode_png(torch.zeros(2, 3, 3))[:4]
        b'\x89PNG'
    """
    picture = _picture(image, deep=False)
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


def _picture(image: Tensor, *, deep: bool) -> VideoFrame:
    """H W 3 in [0, 1] in 8 bits a value, or in 16."""
    top = 2**16 - 1 if deep else 2**8 - 1
    image = image.detach().float().mul(top).round_().clamp_(0, top)
    array = np.ascontiguousarray(image.cpu().numpy())
    if deep:
        return VideoFrame.from_ndarray(array.astype(np.uint16), format="rgb48le")
    return VideoFrame.from_ndarray(array.astype(np.uint8), format="rgb24")


def _layouts(codec: str) -> list[str]:
    """The layouts of pixels that an encoder takes; none where there is no such encoder."""
    try:
        return [layout.name for layout in Codec(codec, "w").video_formats or ()]
    except UnknownCodecError:
        return []
