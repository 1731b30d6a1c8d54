"""Reads video files: frames, the times at which they are shown, and what is damaged."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TypedDict, cast

import av
import numpy as np
import torch
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from ..timeline import as_fraction
from .clock import Clock, KeyFrame, Shifts, clock_of, scan, shifted
from .containers import VideoError, has_times, open_input
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
    to_tensor,
    writable,
)

_BYTE = 8  # bits
_LIMITED_RANGE = 1
_USUAL_RATE = Fraction(25)  # of raw streams that name none, as FFmpeg takes it
_LONGEST_PAUSE = 24 * 60 * 60  # seconds; a picture that stays for longer is a fault of the file
_NO_TIME = -(2**63)
_AT_SEAM = 4  # frames
_TRIES = 3  # key frames from which a frame is sought before the file is decoded from its start
_SEEK_BACK = (0, 2)  # seconds before a key frame; file types without an index are not found exactly
_FIELDS_BEFORE = 4  # frames that the deinterlacer sees before one that it is to make
_CHROMA_SITE = (b"\x55\xb7\x81", b"\x55\xb8\x81")  # Matroska's elements of one byte each
_TRANSPARENT_BY_HABIT = ("gif",)  # codecs that always have alpha, and seldom mean it


class Audio(TypedDict):
    """Sound as node graphs pass it: `waveform` is 1 C N, float32 in [-1, 1]; rate in hertz."""

    waveform: Tensor
    sample_rate: int


class VideoReader:
    """The frames of a video file, in order, one at a time.

    Of several pictures the one that players show is taken, never a cover.

    Args:
        path: the file.
        allow_damaged: reads past damage and yields what can be read; without it
            damage is an error.
        fps: takes the frames to follow each other at this rate, whatever the file says.
        deinterlace: makes whole frames of interlaced ones (bwdif); leaves others alone.
        alpha: reads transparency, too, where there is any.

    Attributes:
        path: the file.
        width, height: of the upright picture, in pixels.
        start: time of the first frame in the file, in seconds.
        stop: of a part of a file, how long it lasts; else None. See `excerpt`.
        audio_codecs: the codec of each sound track; empty where it is silent.
        kind: how the picture is stored.
        color: colour tags that a file of these frames is to bear.
        depth: bits of each colour value: 8, or more.
        aspect: width of a pixel over its height, upright.
        stream_index: which track of the file is read.
        channels: 4 where transparency is read, or 3.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: it is no video, or damaged.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        allow_damaged: bool = False,
        fps: Fraction | float | str | None = None,
        deinterlace: bool = False,
        alpha: bool = False,
    ) -> None:
        self.path = Path(path)
        self.stop: Fraction | None = None
        self.allow_damaged = allow_damaged
        self.deinterlace = deinterlace
        self._fps = None if fps is None else as_fraction(fps)
        self._dealt = fps is not None
        self._remarks: dict[str, str] = {}
        self._interlaced = 0
        self._state = self._state_now() if self.path.is_file() else ()
        with open_input(self.path) as container:
            stream = _picture_stream(container, self.path)
            self.stream_index = stream.index
            self._name_other_pictures(container)
            first = next(self._decode(container.demux(stream), stream), None)
            if first is None:
                raise VideoError(f"{self.path.name} holds no frame that can be decoded.")
            self._stored_size = first.width, first.height
            self._interlaced = 0
            self._first_pts = first.pts
            self.start = Fraction(first.pts or 0) * Fraction(first.time_base or 0)
            self._rates = _stated_rates(container, stream)
            self._orientation = Orientation.of(first)
            self.kind = _kind_of(stream, first, self._orientation)
            transparent = self.kind.alpha and (
                stream.codec_context.name not in _TRANSPARENT_BY_HABIT or _shows_through(first)
            )
            self.channels = 4 if alpha and transparent else 3
            self.has_alpha = transparent
            self.width, self.height = first.width, first.height
            if self._orientation.transposed:
                self.width, self.height = self.height, self.width
            self._stated_frames = stream.frames
            self._stated_seconds = Fraction(container.duration or 0) / av.time_base
            contexts = [track.codec_context for track in container.streams.audio]
            self.audio_codecs = [context.name if context else "unknown" for context in contexts]

    @property
    def color(self) -> ColorTags:
        """Colour tags that a file of these frames is to bear."""
        return self.kind.color

    @property
    def depth(self) -> int:
        """Bits of each colour value: 8, or more."""
        return self.kind.depth

    @property
    def aspect(self) -> Fraction:
        """Width of a pixel over its height, upright."""
        return self.kind.aspect

    @property
    def fps(self) -> Fraction:
        """The frame rate, exact; of an uneven clip, the rate of the interval that prevails.

        Reads the file once to know it; see `clock`.
        """
        return self._fps or self.clock.fps

    @fps.setter
    def fps(self, fps: Fraction) -> None:
        self._fps = fps
        self.__dict__.pop("clock", None)

    @property
    def frame_count(self) -> int | None:
        """How many frames the file claims to have, or None; nothing is read to know it."""
        return self._stated_frames or (
            round(self._stated_seconds * (self._fps or self._rates[0])) or None
        )

    def __iter__(self) -> Iterator[Tensor]:
        with open_input(self.path) as container:
            stream = self._stream_of(container)
            for frame in self._pictures(container.demux(stream), stream):
                yield self._image(frame)

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """Frames from number `first` on, each with its time in seconds after frame 0.

        Times rise. Decoding begins at a key frame before `first` where the file tells of one,
        else at the start of the file; the frames are the same.

        Raises:
            VideoError: the file is not the one that was opened, or does not hold the
                frames that its packets promised.
        """
        clock = self.clock
        self.check_unchanged()
        last, done = Fraction(-1), 0
        with closing(self._from(first)) as pictures:
            for index, frame in pictures:
                done = index + 1
                time = self._time(frame, index)
                if time <= last:
                    time = last + clock.interval / 2
                last = time
                yield time, self._image(frame)
        self.check_unchanged()
        self._compare(max(done, first))

    @cached_property
    def clock(self) -> Clock:
        """The times of all frames, and whether the file is whole.

        Reads the file once, without decoding; keeps 16 bytes a frame. Where packets do
        not say when their frames are shown, the file is decoded as well.
        """
        rates = [self._fps] if self._fps else self._rates
        with open_input(self.path) as container:
            seen = scan(container, self._stream_of(container), rates[0])
        if self._dealt:
            assert self._fps is not None
            ticks = np.arange(self._count_decoded(), dtype=np.int64)
            end, tick = len(ticks) / self._fps, 1 / self._fps
            packets = len(seen.pts)
            return Clock(
                len(ticks), True, self._fps, ticks, tick, end, packets, True, damage=seen.damage
            )
        if seen.is_clear:
            clock = clock_of(seen, None, self._first_pts, rates)
        else:
            shown = self._times_decoded(seen.shifts.get(self.stream_index, ()))
            clock = clock_of(seen, shown, None, rates, len(shown))
        if self._fps and clock.fps != self._fps:
            return replace(clock, constant=False, fps=self._fps)
        return clock

    def check(self) -> str | None:
        """Raises a VideoError where the file is damaged; returns what is wrong if that is allowed.

        Sees more than `__init__`, for it reads all of the file; see `clock`.
        """
        clock = self.clock
        if clock.damage:
            self._damaged(clock.damage)
        if clock.count > 1:
            gaps = np.diff(clock.ticks)
            worst = int(gaps.argmax())
            pause = float(int(gaps[worst]) * clock.tick)
            if pause > _LONGEST_PAUSE:
                raise VideoError(
                    f"{self.path.name} says that frame {worst + 1} stays for "
                    f"{pause / _LONGEST_PAUSE:.1f} days, which must be wrong. Give --source-fps "
                    "to have all frames follow each other at one rate."
                )
        return clock.damage

    @property
    def explains_count(self) -> bool:
        """Whether fewer frames came, for a reason that `notes` names, than packets promised."""
        return "frames" in self._remarks

    def check_unchanged(self) -> None:
        """Raises a VideoError where the file is not the one that was opened."""
        if not self.path.is_file() or self._state_now() != self._state:
            raise VideoError(
                f"{self.path.name} was changed while it was read, so the result would mix two "
                "clips. Run it again once the file stays as it is."
            )

    def identity(self) -> Mapping[str, object]:
        """What tells this file from any other, and how it is read."""
        size, changed, *_ = list(self._state)
        return {
            "source": str(self.path.resolve()),
            "size": size,
            "changed": changed,
            "reading": [repr(self.clock.fps), self.deinterlace, self.channels],
        }

    def notes(self) -> list[str]:
        """Sentences on what a person should know of this file, as far as it was read."""
        clock = self.clock
        notes = list(self._remarks.values())
        if clock.damage:
            notes.insert(0, f"The source is damaged {clock.damage}.")
        if clock.seams:
            frames = ", ".join(str(seam + 1) for seam in clock.seams)
            notes.append(
                f"The clock of the source is set anew at frame {frames}; the clip goes on there "
                "without a pause, as a cut."
            )
        if self._interlaced and not self.deinterlace:
            notes.append(
                f"The source is interlaced ({self._interlaced} frames): moving edges are combed. "
                "Give --deinterlace to make whole frames first."
            )
        return notes

    def read_audio(self) -> Audio | None:
        """The whole of the first sound track, or None where there is none."""
        with open_input(self.path) as container:
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

    def _stream_of(self, container: InputContainer) -> VideoStream:
        stream = container.streams[self.stream_index]
        assert isinstance(stream, VideoStream)
        return stream

    def _state_now(self) -> tuple[int, ...]:
        state = self.path.stat()
        return state.st_size, state.st_mtime_ns, state.st_ino

    def _name_other_pictures(self, container: InputContainer) -> None:
        others = [
            f"{stream.index + 1} ({stream.codec_context.name if stream.codec_context else '?'})"  # pyright: ignore[reportUnnecessaryComparison]
            for stream in container.streams.video
            if stream.index != self.stream_index
        ]
        if others:
            self._remarks["pictures"] = (
                f"The picture is track {self.stream_index + 1}; left out, as covers or other "
                f"pictures: track {', '.join(others)}."
            )

    def _from(self, first: int) -> Generator[tuple[int, VideoFrame]]:
        """Numbered frames from `first` on.

        Where a key frame does not lead to the very frame that is wanted, an earlier one is tried.
        """
        shifts = self.clock.shifts.get(self.stream_index, ())
        wanted = max(0, first - (_FIELDS_BEFORE if self.deinterlace else 0))
        for key in (*islice(self.clock.starts_before(wanted), _TRIES), None):
            with open_input(self.path) as container:
                stream = self._stream_of(container)
                packets = self._packets(container, stream, shifts, key)
                if packets is None:
                    continue
                start = key.frame if key else 0
                pictures = enumerate(self._pictures(packets, stream, key), start)
                try:
                    found = next((each for each in pictures if each[0] >= first), None)
                except VideoError:
                    if key is None:
                        raise
                    continue
                if key and (found is None or self._time(found[1], first) != self.clock.time(first)):
                    continue
                if found:
                    yield found
                    yield from pictures
                return

    def _packets(
        self, container: InputContainer, stream: VideoStream, shifts: Shifts, key: KeyFrame | None
    ) -> Iterator[Packet[VideoStream]] | None:
        """Packets of the picture from `key` on, or all; None where seeking does not lead there."""
        if key is None or key.packet == 0:
            return shifted(container.demux(stream), shifts)
        place = round(self.clock.time(key.frame) / self.clock.tick) + (self._first_pts or 0)
        for back in _SEEK_BACK:
            try:
                container.seek(place - round(back / self.clock.tick), stream=stream)
                packets = container.demux(stream)
                for packet in packets:
                    if packet.is_keyframe and packet.size and (packet.pts or 0) >= place:
                        if packet.pts == place:
                            return chain([packet], packets)
                        break
            except FFmpegError:
                continue
        return None

    def _time(self, frame: VideoFrame, index: int) -> Fraction:
        clock = self.clock
        if not clock.dealt and frame.pts is not None and frame.time_base:
            return frame.pts * Fraction(frame.time_base) - self.start
        if index < clock.count:
            return clock.time(index)
        return clock.time(clock.count - 1) + (index - clock.count + 1) / clock.fps

    def _compare(self, frames: int) -> None:
        """Compares the frames that were decoded with those that the packets promised."""
        clock = self.clock
        if frames != clock.count and not self.allow_damaged:
            self._remarks["frames"] = (
                f"The source has {clock.count} packets of picture, and {frames} frames came out of "
                "them; all of these are used."
            )

    def _image(self, frame: VideoFrame) -> Tensor:
        """H W C in [0, 1], upright, without a loss of bits."""
        image = to_tensor(frame, deep=self.kind.depth > _BYTE, alpha=self.channels == 4)
        return self._orientation.upright(image)

    def _pictures(
        self,
        packets: Iterator[Packet[VideoStream]],
        stream: VideoStream,
        key: KeyFrame | None = None,
    ) -> Iterator[VideoFrame]:
        """Decoded frames of one size, whole."""
        frames = self._of_one_size(self._decode(packets, stream, key))
        return _deinterlaced(frames, stream) if self.deinterlace else frames

    def _of_one_size(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        for number, frame in enumerate(frames, 1):
            size = frame.width, frame.height
            if size == self._stored_size:
                yield frame
                continue
            self._remarks.setdefault(
                "size",
                f"The size changes to {size[0]}x{size[1]} at frame {number}; all frames are "
                f"scaled to that of the first, {self._stored_size[0]}x{self._stored_size[1]}.",
            )
            scaled = frame.reformat(*self._stored_size)
            scaled.pts, scaled.time_base = frame.pts, frame.time_base
            yield scaled

    def _decode(
        self,
        packets: Iterator[Packet[VideoStream]],
        stream: VideoStream,
        key: KeyFrame | None = None,
    ) -> Iterator[VideoFrame]:
        """Frames of `packets`, which begin with `key`, or are all."""
        decode = _decoder(stream)
        self._interlaced = 0
        number, packets_seen = (key.frame, key.packet) if key else (0, 0)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                packets_seen += bool(packet.size)
                frames = decode(packet)
            except FFmpegError as error:
                self._damaged(f"after frame {number}: {error.strerror}")
                continue  # a generator that failed has ended, so this ends, too
            for frame in frames:
                if key and number == key.frame and self._time(frame, 0) < self.clock.time(number):
                    continue  # shown before the key frame, and not whole without what went before
                if frame.is_corrupt and not self._is_at_seam(number):
                    self._damaged(f"at frame {number}, which is incomplete")
                self._interlaced += frame.interlaced_frame
                yield frame
                number += 1
        clock = self.__dict__.get("clock")
        if clock is not None and packets_seen != clock.packets and not self.allow_damaged:
            raise VideoError(
                f"{self.path.name} gave {packets_seen} packets of picture where {clock.packets} "
                "were counted before; it was changed while it was read. Run it again."
            )

    def _is_at_seam(self, number: int) -> bool:
        """Whether frame `number` looks damaged only because clips were joined there."""
        clock = self.__dict__.get("clock")
        return clock is not None and any(0 <= seam - number <= _AT_SEAM for seam in clock.seams)

    def _times_decoded(self, shifts: Shifts) -> np.ndarray:
        """When decoded frames say that they are shown, in the order in which they come."""
        with open_input(self.path) as container:
            stream = self._stream_of(container)
            frames = self._decode(shifted(container.demux(stream), shifts), stream)
            return np.array(
                [_NO_TIME if frame.pts is None else frame.pts for frame in frames], np.int64
            )

    def _count_decoded(self) -> int:
        return len(self._times_decoded(()))

    def _damaged(self, what: str) -> None:
        if not self.allow_damaged:
            raise VideoError(
                f"{self.path.name} is damaged {what}. Give a whole file, or allow damage "
                "(--allow-damaged) to keep what can be read."
            )


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The track that players show."""
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


def _stated_rates(container: InputContainer, stream: VideoStream) -> list[Fraction]:
    """Rates that the file states, the most trusted one first."""
    coded = stream.codec_context.framerate
    stated = [stream.guessed_rate, stream.average_rate, coded]
    if not has_times(container):
        stated = [coded, stream.guessed_rate]
    rates = [Fraction(rate) for rate in stated if rate]
    return rates or [_USUAL_RATE]


def _kind_of(stream: VideoStream, first: VideoFrame, orientation: Orientation) -> PixelKind:
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
    """Where colour samples lie. PyAV does not tell, but Matroska writes it down."""
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


def _shows_through(frame: VideoFrame) -> bool:
    return bool((frame.reformat(format="rgba").to_ndarray()[..., 3] < 255).any())


def _decoder(stream: VideoStream) -> Callable[[Packet[VideoStream]], list[VideoFrame]]:
    """What turns packets into frames."""
    if stream.codec_context.name in ("vp9", "vp8") and stream.metadata.get("alpha_mode") == "1":
        return _with_alpha(stream)
    stream.thread_type = "AUTO"
    return lambda packet: packet.decode()


def _with_alpha(stream: VideoStream) -> Callable[[Packet[VideoStream]], list[VideoFrame]]:
    """FFmpeg's own decoders leave the alpha of WebM out; libvpx reads it."""
    name = f"libvpx-{stream.codec_context.name}".replace("-vp8", "")
    context = cast(VideoCodecContext, CodecContext.create(name, "r"))

    def decode(packet: Packet[VideoStream]) -> list[VideoFrame]:
        frames = context.decode(packet if packet.size else None)
        for frame in frames:
            frame.time_base = frame.time_base or packet.time_base
        return frames

    return decode


def _deinterlaced(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """One whole frame for each interlaced one."""
    graph = Graph()
    nodes = (
        graph.add_buffer(template=stream),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*nodes).configure()
    source, sink = nodes[0], nodes[-1]
    while True:
        frame = next(frames, None)
        source.push(frame)
        while True:
            try:
                made = sink.pull()
            except (BlockingIOError, EOFError):  # FFmpeg's own are kinds of these
                break
            assert isinstance(made, VideoFrame)
            yield made
        if frame is None:
            return
