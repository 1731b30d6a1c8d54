"""Video files: frames out of them and into them, one at a time, sound carried along.

Frames are H W 3, float32 in [0, 1], upright. Colours make the round trip through
the matrix and range that the source file names, and the written file carries the
same tags.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypedDict, cast

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from .timeline import as_fraction

VIDEO_CODECS: Mapping[str, str] = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
"""File types that can be written, and the codec that each gets."""

DEFAULT_CRF = 17
_BT709 = 1
_LIMITED_RANGE = 1
_AUDIO_CHUNK = 1024
_OPUS_RATE = 48000  # hertz; the only one of the usual rates that Opus takes


class VideoError(ValueError):
    """A video file that cannot be read or written; the message says why."""


class Audio(TypedDict):
    """Sound as node graphs pass it: `waveform` is 1 C N, float32 in [-1, 1]; rate in hertz."""

    waveform: Tensor
    sample_rate: int


class ColorTags(NamedTuple):
    """How a file's numbers mean colours, by the codes of ITU-T H.273."""

    matrix: int = _BT709
    primaries: int = _BT709
    transfer: int = _BT709
    range: int = _LIMITED_RANGE


class VideoReader:
    """The frames of a video file, in order, one at a time.

    Attributes:
        path: the file.
        fps: its average frame rate, exact.
        width, height: of the upright picture, in pixels.
        frame_count: how many frames the file claims to have, or None.
        start: time of the first frame in the file, in seconds.
        audio_codecs: the codec of each sound track; empty where it is silent.
        color: its colour tags.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: it is no video, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with closing(_open(self.path)) as container:
            stream = _video_stream(container, self.path)
            first = next(self._decode(container, stream), None)
            if first is None or not stream.average_rate:
                raise VideoError(f"{self.path.name} holds no frame that can be decoded.")
            context = stream.codec_context
            self.fps = Fraction(stream.average_rate)
            self.start = Fraction(first.pts or 0) * Fraction(first.time_base or 0)
            self.color = ColorTags(
                context.colorspace,
                context.color_primaries,
                context.color_trc,
                context.color_range or _LIMITED_RANGE,
            )
            self.width, self.height = first.width, first.height
            if _quarter_turns(first) % 2:
                self.width, self.height = self.height, self.width
            self.frame_count = stream.frames or _estimate_count(container, self.fps)
            self.audio_codecs = [track.codec_context.name for track in container.streams.audio]

    def __iter__(self) -> Iterator[Tensor]:
        with closing(_open(self.path)) as container:
            for frame in self._decode(container, _video_stream(container, self.path)):
                array = frame.to_ndarray(format="rgb24")
                image = torch.from_numpy(array).float().div_(255)
                turns = _quarter_turns(frame)
                yield torch.rot90(image, turns).contiguous() if turns else image

    def read_audio(self) -> Audio | None:
        """The whole of the first sound track, or None where there is none."""
        with closing(_open(self.path)) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            resampler = av.AudioResampler("fltp", stream.layout, stream.rate)
            chunks = [
                chunk.to_ndarray()
                for frame in [*container.decode(stream), None]
                for chunk in resampler.resample(frame)
            ]
            if not chunks:
                return None
            waveform = torch.from_numpy(np.concatenate(chunks, axis=1))[None]
            return {"waveform": waveform, "sample_rate": int(stream.rate or 0)}

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        stream.thread_type = "AUTO"
        count = 0
        try:
            for frame in container.decode(stream):
                count += 1
                yield frame
        except FFmpegError as error:
            raise VideoError(
                f"{self.path.name} is damaged after frame {count}: {error.strerror}."
            ) from error


class VideoWriter:
    """Writes frames to a video file, which appears under its name only when complete.

    Use it as a context manager: leaving it with an exception removes what was written.

    Args:
        path: ends in .mp4, .mov, .mkv or .webm.
        fps: frame rate, exact where it is a Fraction.
        audio: sound to go along: a video file whose tracks are copied, or a waveform.
        color: colour tags to convert by and to write.
        crf: quality, 0 (lossless, huge) to 51; 17 is hard to tell from the source.

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
        crf: int = DEFAULT_CRF,
    ) -> None:
        self.path = Path(path)
        codec = VIDEO_CODECS.get(self.path.suffix.lower())
        if codec is None:
            raise VideoError(
                f"{self.path.name} cannot be written: the name must end in "
                f"{', '.join(VIDEO_CODECS)}."
            )
        self.fps = as_fraction(fps)
        self.color = color or ColorTags()
        self.count = 0
        self._codec, self._crf = codec, crf
        self._audio_source = audio
        self._part = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        self._resources = ExitStack()

    def __enter__(self) -> VideoWriter:
        options = {"movflags": "+faststart"} if self.path.suffix in (".mp4", ".mov") else {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(self._part, "w", container_options=options)
        except OSError as error:
            raise VideoError(f"{self.path} cannot be written: {error.strerror}.") from error
        self._resources.enter_context(closing(self._container))
        self._stream = cast(VideoStream, self._container.add_stream(self._codec, rate=self.fps))
        self._sound = self._sound_tracks()
        return self

    def write(self, frame: Tensor) -> None:
        """Appends one frame: H W 3, float in [0, 1], all of the first one's size."""
        stream = self._stream
        height, width = frame.shape[:2]
        if not self.count:
            self._start(width, height)
        elif (stream.width, stream.height) != (width, height):
            raise VideoError(
                f"Frame {self.count} is {width}x{height}, but the video began with "
                f"{stream.width}x{stream.height}."
            )
        picture = VideoFrame.from_ndarray(_bytes(frame), format="rgb24")
        picture = picture.reformat(
            format=stream.pix_fmt,
            dst_colorspace=self.color.matrix,
            dst_color_range=self.color.range,
        )
        picture.pts, picture.time_base = self.count, 1 / self.fps
        self._container.mux(stream.encode(picture))
        self.count += 1
        self._sound_until(self.count / self.fps)

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
            self._resources.close()
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        if not self.count:
            raise VideoError(f"{self.path.name} was not written: there were no frames.")
        self._container.mux(self._stream.encode(None))
        self._sound_until(None)
        self._container.close()
        self._part.replace(self.path)

    def _start(self, width: int, height: int) -> None:
        """Now that the size is known, says how the picture is to be encoded."""
        stream, context = self._stream, self._stream.codec_context
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        stream.options = {"crf": str(self._crf)}
        stream.time_base = context.time_base = 1 / self.fps
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = (
            self.color
        )

    def _sound_until(self, time: Fraction | None) -> None:
        """Writes the sound up to `time` in seconds, or all of it.

        Players want sound and picture of one moment side by side in the file.
        """
        for track in self._sound:
            while track.waiting is not None and (time is None or track.time < time):
                self._container.mux(track.waiting)
                track.advance()

    def _sound_tracks(self) -> list[_Track]:
        source = self._audio_source
        if source is None:
            return []
        if not isinstance(source, VideoReader):
            return [
                _Track(_encoded(self._container, _waveform_frames(source), source["sample_rate"]))
            ]
        tracks: list[_Track] = []
        for index in range(len(source.audio_codecs)):
            # Each track is read by its own handle, so that neither waits for the other.
            container = self._resources.enter_context(closing(_open(source.path)))
            stream = container.streams.audio[index]
            if stream.codec_context.name in self._container.supported_codecs:
                packets = _copied(self._container, container, stream, source.start)
            else:
                frames = container.decode(stream)
                packets = _encoded(self._container, frames, int(stream.rate or 0))
            tracks.append(_Track(packets))
        return tracks


class _Track:
    """The packets of one sound track, of which the next one is looked at before it is taken."""

    def __init__(self, packets: Iterator[Packet[AudioStream]]) -> None:
        self._packets = packets
        self.waiting = next(packets, None)

    @property
    def time(self) -> Fraction:
        packet = self.waiting
        assert packet is not None
        return Fraction(packet.pts or 0) * Fraction(packet.time_base or 0)

    def advance(self) -> None:
        self.waiting = next(self._packets, None)


def _copied(
    output: OutputContainer, container: InputContainer, stream: AudioStream, start: Fraction
) -> Iterator[Packet[AudioStream]]:
    """The packets of `stream` as they are, in step with a video that now begins at 0."""
    target = output.add_stream_from_template(stream)

    def packets() -> Iterator[Packet[AudioStream]]:
        for packet in container.demux(stream):
            if packet.dts is None:  # the empty packet that ends a stream
                continue
            shift = round(start / Fraction(packet.time_base))
            packet.dts -= shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.stream = target
            yield packet

    return packets()


def _encoded(
    output: OutputContainer, frames: Iterator[AudioFrame], rate: int
) -> Iterator[Packet[AudioStream]]:
    """Sound in the file type's own codec."""
    codec = output.default_audio_codec
    rate = _OPUS_RATE if "opus" in codec else rate
    target = cast(AudioStream, output.add_stream(codec, rate=rate))

    def packets() -> Iterator[Packet[AudioStream]]:
        for frame in frames:
            frame.pts = None
            yield from target.encode(frame)
        yield from target.encode(None)

    return packets()


def _waveform_frames(audio: Audio) -> Iterator[AudioFrame]:
    rate = audio["sample_rate"]
    waveform = audio["waveform"][0].detach().float().cpu()
    layout = {1: "mono", 2: "stereo"}.get(len(waveform))
    if layout is None:
        waveform, layout = waveform.mean(0, keepdim=True), "mono"
    for chunk in waveform.split(_AUDIO_CHUNK, dim=1):
        array = np.ascontiguousarray(chunk.numpy())
        frame = AudioFrame.from_ndarray(array, format="fltp", layout=layout)
        frame.sample_rate = rate
        yield frame


def encode_png(image: Tensor) -> bytes:
    r"""A PNG file of one picture.

    Shape:
        image: H W 3 in [0, 1]

    Example:
        >>> encode_png(torch.zeros(2, 3, 3))[:4]
        b'\x89PNG'
    """
    array = _bytes(image)
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.height, encoder.width = array.shape[:2]
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1)
    frame = VideoFrame.from_ndarray(array, format="rgb24")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _bytes(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """H W 3 in [0, 1] as 8-bit numbers."""
    image = image.detach().float().mul(255).round_().clamp_(0, 255)
    return np.ascontiguousarray(image.byte().cpu().numpy())


def _open(path: Path) -> InputContainer:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    try:
        return av.open(path)
    except FFmpegError as error:
        raise VideoError(
            f"{path.name} is no video that can be read ({error.strerror}). "
            "Give a file such as an mp4, mov, mkv or webm."
        ) from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise VideoError(f"{path.name} has no picture, only other tracks.")
    return container.streams.video[0]


def _estimate_count(container: InputContainer, fps: Fraction) -> int | None:
    return round(container.duration / av.time_base * fps) if container.duration else None


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4
