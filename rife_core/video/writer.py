"""Writes video files, which appear under their names only when complete."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.error import FFmpegError
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from ..basics.arguments import checked, fitted
from ..basics.whole_file import PartFile
from ..timeline import as_fraction
from .containers import VideoError, open_input, open_output, packets_of
from .descriptions import carry_attachments, carry_chapters, carry_lines, describe, not_taken
from .encoder_choice import EncoderRequest, choose_encoder
from .encoders import ENCODER_TABLE, FILE_TYPES, ISO, quiet_encoders
from .pixels import ColorTags, PixelKind, depth_of, is_rgb, reformat, to_frame, writable
from .reader import Audio, VideoReader
from .stretched_sound import Stretch
from .tracks import Track, TrackPlan, add_sound, add_tracks, plan_tracks

_BYTE = 8  # bits

_RGB, _FULL_RANGE = 0, 2
_FAR = 1000  # frames
_REORDERED = 2  # frames that x265 holds back to put them into another order
_FINE = 10000  # parts of a second; fewer are usual in no file
_FINEST = 2**31 - 1  # of MP4's time scales
_CHROMA_SITES = {1: "left", 2: "center", 3: "topleft", 4: "top", 5: "bottomleft", 6: "bottom"}


class VideoWriter:
    """Writes frames to a video file, which appears under its name only when complete.

    Use it as a context manager: leaving it with an exception removes what was written.

    Args:
        path: ends in one of `FILE_TYPES`.
        fps: frame rate, exact where it is a Fraction.
        audio: sound to go along: a waveform, or a video file whose tracks are copied,
            subtitles, chapters, fonts and title too.
        color: colour tags to convert by and to write.
        depth: bits of each colour value; what the encoder has no layout for becomes less.
        aspect: width of a pixel over its height.
        crf: quality in the numbers of the encoder: of H.264 0 (lossless, huge) to 51; 17, the
            default, is hard to tell from the source.
        encoder: what was asked of the encoder; goes before `crf`.
        file_type: the suffix of the file that this is to become a stretch of.
        name: what messages call the file; its name by default.
        kind: all that there is to say of the pixels; goes before `color`, `depth`, `aspect`.
        due: how many frames are to come; another number of them is an error.
        speed: how fast the source is shown: its sound is stretched along; subtitles, chapters and
            fonts do not go along.
        title_of: a video file whose title and other such lines go along; by default the one whose
            tracks do.

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

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: Fraction | float | str,
        *,
        audio: VideoReader | Audio | None = None,
        color: ColorTags | None = None,
        depth: int = _BYTE,
        aspect: Fraction = Fraction(1),
        crf: int | None = None,
        encoder: EncoderRequest | None = None,
        file_type: str | None = None,
        name: str | None = None,
        kind: PixelKind | None = None,
        due: int | None = None,
        speed: Stretch | None = None,
        title_of: VideoReader | None = None,
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
        self._request = encoder or EncoderRequest(quality=crf)
        self._file_type = file_type or self.suffix
        self._audio_source = audio if isinstance(audio, VideoReader) else heard(audio)
        self._source = title_of
        self._plan = TrackPlan((), (), (), speed)
        if isinstance(audio, VideoReader):
            self._source = audio
            self._plan = plan_tracks(audio, self.suffix, speed)
            self.notes += self._plan.notes
        self.left_out = list(self._plan.left_out)
        self._encodes = False
        self._packets = 0
        self.extradata, self.reorder = "", 0
        self._tracks: list[Track] = []
        self._file = PartFile(self.path)
        self._resources = ExitStack()

    def __enter__(self) -> VideoWriter:
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = open_output(
                self._file.part, self._options(), FILE_TYPES[self.suffix].container
            )
        self._resources.callback(self._container.close)
        return self

    def write(self, frame: Tensor) -> None:
        """Appends one frame: H W 1, 3 or 4, float in [0, 1] or uint8, of the first one's size."""
        fitted("frame", frame, Tensor)
        if frame.ndim != 3 or frame.shape[2] not in (1, 3, 4) or not frame.numel():
            raise ValueError(f"A frame is H W 1, 3 or 4, but this one is {tuple(frame.shape)}.")
        height, width = frame.shape[:2]
        with self._explained():
            if not self.count:
                self._start(width, height, alpha=self.kind.alpha and frame.shape[2] == 4)
            stream = self._stream
            if (stream.width, stream.height) != (width, height):
                raise VideoError(
                    f"Frame {self.count + 1} is {width}x{height}, but the video began with "
                    f"{stream.width}x{stream.height}."
                )
            picture = reformat(
                to_frame(frame, deep=self._is_deep),
                format=stream.pix_fmt,
                dst_colorspace=self._tags.matrix or None,
                dst_color_range=self._tags.range,
            )
            picture.pts, picture.time_base = self.count, 1 / self.fps
            with suppress(AttributeError):  # of older PyAV; ProRes then says nothing of them
                picture.color_primaries = self._tags.primaries
                picture.color_trc = self._tags.transfer
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
                if self.suffix in ISO:  # hvc1, ap4h: what players go by
                    self._stream.codec_context.codec_tag = source.codec_context.codec_tag
            start = self.count
            first: int | None = None
            for number, packet in enumerate(packets_of(container, source)):
                if packet.pts is None and self.suffix == ".avi":
                    packet.pts = packet.dts  # nothing is reordered there; see `Encoder.settings`
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

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            with suppress(FFmpegError, OSError):  # the first error is the one that tells
                self._resources.close()
            self._file.discard()

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
            self._compare_descriptions()
            self._file.keep()

    def _compare_descriptions(self) -> None:
        """Names what the file type did not take, by reading the file back."""
        if self.kind.aspect != 1:
            with open_input(self._file.part) as container:
                shape = container.streams.video[0].sample_aspect_ratio or 1
            if shape != self.kind.aspect:
                self.left_out.append(f"the shape of pixels ({self.kind.aspect})")
        if self._source is None:
            return
        self.left_out += not_taken(
            self._source,
            [track.index for track in self._plan.tracks],
            self._file.part,
            chapters=self._keeps_pace,
        )

    @property
    def _keeps_pace(self) -> bool:
        """Whether the tracks of a file go along as they are, and so do chapters and fonts."""
        return isinstance(self._audio_source, VideoReader) and self._plan.speed is None

    def _tell(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

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
        self._resources.enter_context(quiet_encoders())
        choice = choose_encoder(
            self._request, self._file_type, self.kind, width=width, height=height, alpha=alpha
        )
        self.notes += choice.notes
        stream = cast(VideoStream, self._container.add_stream(choice.codec, rate=self.fps))
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = width, height, choice.layout
        layout = VideoFormat(choice.layout)
        self._is_deep = depth_of(layout) > _BYTE
        self._tags = ENCODER_TABLE[choice.name].writable(self.kind.color)
        if is_rgb(layout):
            self._tags = self._tags._replace(matrix=_RGB, range=_FULL_RANGE)
        stream.options = {**choice.options}
        if site := _CHROMA_SITES.get(self.kind.chroma_site):
            stream.options["chroma_sample_location"] = site
        stream.time_base = context.time_base = 1 / self.fps
        context.sample_aspect_ratio = self.kind.aspect
        if choice.tag:
            context.codec_tag = choice.tag
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            self._tags
        )
        self._encodes = True
        self._begin(stream)

    def _begin(self, stream: VideoStream) -> None:
        self._stream = stream
        sound, source, output = self._audio_source, self._source, self._container
        if isinstance(sound, VideoReader):
            self._tracks = add_tracks(sound, self._plan, output, self._resources, self._tell)
        elif sound is not None:
            self._tracks = [add_sound(sound, output, self.suffix, self._plan.speed)]
        if source is None:
            return
        with open_input(source.path) as container:
            describe(stream, container.streams[source.stream_index])
            carry_lines(container, output)
            if self._keeps_pace:
                carry_attachments(container, output)
                carry_chapters(container, source, output)

    def _options(self) -> dict[str, str]:
        """The options of the file type."""
        if self.suffix not in ISO:
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


def heard(audio: Audio | None) -> Audio | None:
    """A waveform that can be encoded; None where it holds no samples.

    Raises:
        ValueError: it has values that are not finite.
    """
    if audio is None or not audio["waveform"].numel():
        return None
    if not audio["waveform"].isfinite().all():
        raise ValueError(
            "The sound has values that are NaN or infinite. Look at what made it, or leave it out."
        )
    return audio


def check_suffix(path: Path, name: str | None = None) -> None:
    """Raises a VideoError unless `path` ends as a file type that can be written."""
    if path.suffix.lower() not in FILE_TYPES:
        raise VideoError(
            f"{name or path.name} cannot be written: the name must end in {', '.join(FILE_TYPES)}."
        )
