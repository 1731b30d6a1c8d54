"""Writes video files, which appear under their names only when complete."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, cast

import av
from av.codec.codec import Codec, UnknownCodecError
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from ..timeline import as_fraction
from .containers import VideoError, open_input, open_output, packets_of
from .pixels import Chroma, ColorTags, PixelKind, to_frame, writable
from .reader import Audio, VideoReader
from .tracks import (
    Track,
    TrackPlan,
    add_sound,
    add_tracks,
    carry_attachments,
    carry_chapters,
    describe,
    plan_tracks,
)

DEFAULT_CRF = 17
_BYTE = 8  # bits
_FAR = 1000  # frames
_REORDERED = 2  # frames that x265 holds back to put them into another order
_FINE = 10000  # parts of a second; fewer are usual in no file
_FINEST = 2**31 - 1  # of MP4's time scales
_CHROMA_SITES = {1: "left", 2: "center", 3: "topleft", 4: "top", 5: "bottomleft", 6: "bottom"}
_ALPHA_LAYOUTS = ("yuva444p10le", "yuva420p", "argb")  # the best first
_COARSER: Mapping[Chroma, Sequence[Chroma]] = {
    "444": ("444", "422", "420"),
    "422": ("422", "444", "420"),
    "420": ("420", "444"),
}


class Encoder(NamedTuple):
    """A video encoder, and what it needs besides the quality."""

    codec: str
    options: Mapping[str, str] = {}
    tag: str | None = None
    by_crf: bool = True


class Encoders(NamedTuple):
    """What a file type gets: for 8 bits, for more, and for transparency.

    Of several the first one is taken that is there and knows the layout of the pixels.
    """

    plain: Encoder
    deep: Sequence[Encoder]
    alpha: Sequence[Encoder] = ()


# An encoder shares the processor with the network. These settings take 0.72, 0.60 and 0.36 of the
# time of the encoders' own, in files as large, and lose 0.5, 0.5 and 0.3 dB.
_H264 = Encoder("libx264", {"preset": "fast"})
_H265 = Encoder("libx265", {"preset": "fast", "x265-params": "log-level=error"})
_MP4 = Encoders(_H264, (_H265._replace(tag="hvc1"), _H264))
_VP9 = Encoder("libvpx-vp9", {"deadline": "good", "cpu-used": "4", "row-mt": "1"})
_PRORES = Encoder("prores_ks", {"profile": "4444", "alpha_bits": "16"}, by_crf=False)

ENCODERS: Mapping[str, Encoders] = {
    ".mp4": _MP4,
    ".mov": _MP4._replace(alpha=(_PRORES, Encoder("qtrle", by_crf=False))),
    ".mkv": Encoders(_H264, (_H265, _H264)),
    ".webm": Encoders(
        _VP9,
        (_VP9, Encoder("libsvtav1")),
        (_VP9._replace(options={**_VP9.options, "auto-alt-ref": "0"}),),
    ),
}
"""File types that can be written, and their encoders."""


class _Choice(NamedTuple):
    """An encoder and the layout of pixels for it."""

    encoder: Encoder
    layout: str
    note: str | None = None


class VideoWriter:
    """Writes frames to a video file, which appears under its name only when complete.

    Use it as a context manager: leaving it with an exception removes what was written.

    Args:
        path: ends in .mp4, .mov, .mkv or .webm.
        fps: frame rate, exact where it is a Fraction.
        audio: sound to go along: a waveform, or a video file whose tracks are copied,
            subtitles, chapters, fonts and title too.
        color: colour tags to convert by and to write.
        depth: bits of each colour value; what the encoder has no layout for becomes less.
        aspect: width of a pixel over its height.
        crf: quality, 0 (lossless, huge) to 51; 17 is hard to tell from the source.
        encoders: those of the file type by default.
        name: what messages call the file; its name by default.
        kind: all that there is to say of the pixels; goes before `color`, `depth`, `aspect`.
        due: how many frames are to come; another number of them is an error.

    Attributes:
        count: frames written so far.
        left_out: tracks of the source that this file type cannot hold.
        notes: what is not as the source has it, in sentences.
        extradata: what decoders must know first, in hexadecimal; once all is written.
        reorder: by how many frames at most coding is ahead of display.

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
        kind: PixelKind | None = None,
        due: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.name = name or self.path.name
        self.suffix = self.path.suffix.lower()
        check_suffix(self.path, self.name)
        self.fps = as_fraction(fps)
        self.kind = kind or PixelKind(color or ColorTags(), depth, aspect=aspect)
        self.kind = replace(self.kind, color=writable(self.kind.color, av.VideoFormat("yuv444p")))
        self.count = 0
        self.notes: list[str] = []
        self._due = due
        self._crf, self._encoders = crf, encoders or ENCODERS[self.suffix]
        self._audio_source = audio
        self._plan = TrackPlan((), (), ())
        if isinstance(audio, VideoReader):
            self._plan = plan_tracks(audio, self.suffix)
            self.notes += self._plan.notes
        self.left_out = list(self._plan.left_out)
        self._encodes = False
        self._packets = 0
        self.extradata, self.reorder = "", 0
        self._tracks: list[Track] = []
        self._part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        self._resources = ExitStack()

    def __enter__(self) -> VideoWriter:
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = open_output(self._part, self._options())
        self._resources.callback(self._container.close)
        return self

    def write(self, frame: Tensor) -> None:
        """Appends one frame: H W 3 or 4, float in [0, 1], all of the first one's size."""
        height, width = frame.shape[:2]
        with self._explained():
            if not self.count:
                self._start(width, height, alpha=self.kind.alpha and frame.shape[2] == 4)
            stream = self._stream
            if (stream.width, stream.height) != (width, height):
                raise VideoError(
                    f"Frame {self.count} is {width}x{height}, but the video began with "
                    f"{stream.width}x{stream.height}."
                )
            picture = to_frame(frame, deep=self._is_deep).reformat(
                format=stream.pix_fmt,
                dst_colorspace=self.kind.color.matrix,
                dst_color_range=self.kind.color.range,
            )
            picture.pts, picture.time_base = self.count, 1 / self.fps
            self._encode(picture)
            self.count += 1
            self._carry_until(self.count / self.fps)

    def append(self, part: Path, reorder: int = _REORDERED) -> None:
        """Appends the picture of a file that was written like this one, packet by packet.

        Args:
            part: a file of the same type, size and encoder.
            reorder: by how many frames at most coding is ahead of display in all parts.
        """
        with open_input(part) as container, self._explained():
            source = container.streams.video[0]
            if not self.count:
                self._begin(self._container.add_stream_from_template(source, opaque=True))
                if source.metadata.get("alpha_mode") == "1":  # else nobody looks for it
                    self._stream.codec_context.pix_fmt = "yuva420p"
                if self.suffix in (".mp4", ".mov"):  # hvc1, ap4h: what players go by
                    self._stream.codec_context.codec_tag = source.codec_context.codec_tag
            start = self.count
            first: int | None = None
            for number, packet in enumerate(packets_of(container, source)):
                if packet.pts is None:
                    raise VideoError(f"{part.name} lacks the time of frame {number}.")
                # File types round times; what is meant is a whole number of frames.
                shown = round(packet.pts * Fraction(packet.time_base) * self.fps)
                first = shown if first is None else first
                packet.time_base = 1 / self.fps
                packet.pts, packet.dts = start + shown - first, start + number - reorder
                packet.duration = 1
                packet.stream = self._stream
                self._container.mux(packet)
                self.count += 1
                self._packets += 1
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
            with suppress(FFmpegError, OSError):  # the first error is the one that tells
                self._resources.close()
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        if not self.count:
            raise VideoError(f"{self.name} was not written: there were no frames.")
        with self._explained():
            if self._encodes:
                self._encode(None)
                self.extradata = bytes(self._stream.codec_context.extradata or b"").hex()
            self._check_count()
            self._carry_until(None)
            self._container.close()
            self._part.replace(self.path)

    def _check_count(self) -> None:
        due = self.count if self._due is None else self._due
        if not self._packets == self.count == due:
            raise VideoError(
                f"{self.name} was not written: {due} frames were due, {self.count} came and "
                f"{self._packets} were encoded."
            )

    def _encode(self, picture: VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            shown, coded = packet.pts or 0, packet.dts
            if coded is None or not 0 <= shown - coded < _FAR:
                packet.dts = shown - _REORDERED  # x265 sets none in clips of 1 or 2 frames
            self.reorder = max(
                self.reorder, self._packets - round(shown * Fraction(packet.time_base) * self.fps)
            )
            self._packets += 1
            self._container.mux(packet)

    def _start(self, width: int, height: int, *, alpha: bool) -> None:
        """Now that the size is known, says how the picture is to be encoded."""
        os.environ.setdefault("SVT_LOG", "1")  # errors; SVT-AV1 says much more by itself
        even = width % 2 == height % 2 == 0
        encoder, layout, note = choose_encoder(self._encoders, self.kind, even=even, alpha=alpha)
        if note:
            self.notes.append(note)
        stream = cast(VideoStream, self._container.add_stream(encoder.codec, rate=self.fps))
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = width, height, layout
        self._is_deep = layout.endswith("le")
        stream.options = self._encoder_options(encoder)
        stream.time_base = context.time_base = 1 / self.fps
        context.sample_aspect_ratio = self.kind.aspect
        if encoder.tag:
            context.codec_tag = encoder.tag
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            self.kind.color
        )
        self._encodes = True
        self._begin(stream)

    def _encoder_options(self, encoder: Encoder) -> dict[str, str]:
        options = dict(encoder.options)
        if encoder.by_crf:
            options["crf"] = str(self._crf)
        if site := _CHROMA_SITES.get(self.kind.chroma_site):
            options["chroma_sample_location"] = site
        hdr = _hdr_options(self.kind)
        if hdr and "x265-params" in options:
            options["x265-params"] += f":{hdr}"
        elif hdr:
            self.notes.append(f"{encoder.codec} cannot write what HDR displays are told; left out.")
        return options

    def _begin(self, stream: VideoStream) -> None:
        self._stream = stream
        source = self._audio_source
        if isinstance(source, VideoReader):
            with open_input(source.path) as container:
                describe(stream, container.streams[source.stream_index])
            self._tracks = add_tracks(source, self._plan, self._container, self._resources)
            carry_attachments(source, self._container)
            carry_chapters(source, self._container)
        elif source is not None:
            self._tracks = [add_sound(source, self._container, self.suffix)]

    def _options(self) -> dict[str, str]:
        """What the file type is told."""
        if self.suffix not in (".mp4", ".mov"):
            return {}
        scale = self.fps.numerator  # every frame's time is a whole number of these
        while scale < _FINE:
            scale *= 2
        return {"movflags": "+faststart", "video_track_timescale": str(min(scale, _FINEST))}

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


def check_suffix(path: Path, name: str | None = None) -> None:
    """Raises a VideoError unless `path` ends as a file type that can be written."""
    if path.suffix.lower() not in ENCODERS:
        raise VideoError(
            f"{name or path.name} cannot be written: the name must end in {', '.join(ENCODERS)}."
        )


def keeps_alpha(suffix: str) -> bool:
    """Whether files of a type can hold transparency."""
    return _alpha_choice(ENCODERS[suffix]) is not None


def choose_encoder(encoders: Encoders, kind: PixelKind, *, even: bool, alpha: bool) -> _Choice:
    """The encoder that keeps most of what there is, and a sentence on what it does not keep."""
    if alpha and (choice := _alpha_choice(encoders)):
        return choice
    for depth in (each for each in (12, 10, _BYTE) if each < kind.depth + 2):
        for chroma in _COARSER[kind.chroma] if even else ("444",):
            layout = f"yuv{chroma}p" + (f"{depth}le" if depth > _BYTE else "")
            for encoder in encoders.deep if depth > _BYTE else (encoders.plain,):
                if layout in _layouts(encoder.codec):
                    return _Choice(encoder, layout, _lost(kind, chroma, depth))
    return _Choice(encoders.plain, "yuv420p" if even else "yuv444p")


def _alpha_choice(encoders: Encoders) -> _Choice | None:
    for encoder in encoders.alpha:
        for layout in _ALPHA_LAYOUTS:
            if layout in _layouts(encoder.codec):
                return _Choice(encoder, layout)
    return None


def _lost(kind: PixelKind, chroma: Chroma, depth: int) -> str | None:
    lost: list[str] = []
    if depth < kind.depth and depth < 12:
        lost.append(f"{kind.depth} bits a value become {depth}")
    if int(chroma) < int(kind.chroma):
        lost.append(f"colour of {kind.chroma[0]}:{kind.chroma[1]}:{kind.chroma[2]} becomes 4:2:0")
    return f"For want of an encoder {' and '.join(lost)}." if lost else None


def _hdr_options(kind: PixelKind) -> str:
    """What x265 is to tell HDR displays."""
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


def _layouts(codec: str) -> list[str]:
    """The layouts of pixels that an encoder takes; none where there is no such encoder."""
    try:
        return [layout.name for layout in Codec(codec, "w").video_formats or ()]
    except UnknownCodecError:
        return []


def encode_png(image: Tensor) -> bytes:
    r"""A PNG file of one picture.

    Shape:
        image: H W 3 in [0, 1]

    Example:
        >>> import torch
        >>> encode_png(torch.zeros(2, 3, 3))[:4]
        b'\x89PNG'
    """
    picture = to_frame(image, deep=False)
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
