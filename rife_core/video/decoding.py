"""Decodes the picture of a file, from its start or from a key frame: whole frames of one size."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import cast

import numpy as np
from av.codec.context import CodecContext
from av.codec.hwaccel import hwdevices_available
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from .clock import Clock, KeyFrame, Shifts, shifted
from .containers import VideoError, open_input
from .pixels import reformat

AUTO_DEVICE = "auto"

_NO_TIME = -(2**63)
_AT_SEAM = 4  # frames
_TRIES = 3  # key frames from which a frame is sought before the file is decoded from its start
_SEEK_BACK = (0, 2)  # seconds before a key frame; file types without an index are not found exactly
_FIELDS_BEFORE = 4  # frames that the deinterlacer sees before one that it is to make


class PictureDecoder:
    """Decodes one track of a file, as often as it is asked to.

    Args:
        path: the file.
        index: of the track.
        allow_damaged: leaves out what cannot be decoded; without it that is an error.
        deinterlace: makes whole frames of interlaced ones.

    Attributes:
        size: width and height of the first frame as stored; all others are scaled to it.
        first_pts: when the first frame is shown, in ticks of the track; None: not said.
        start: the same in seconds.
        interlaced: how many frames of the latest pass were interlaced.
        resized: a sentence on where the size changes, once that was seen.
        device: the kind of hardware that decodes; None: software does. See `take_device`.
    """

    def __init__(self, path: Path, index: int, *, allow_damaged: bool, deinterlace: bool) -> None:
        self._path, self._index = path, index
        self._allow_damaged, self._deinterlace = allow_damaged, deinterlace
        self.size = 0, 0
        self.first_pts: int | None = None
        self.start = Fraction(0)
        self.interlaced = 0
        self.resized: str | None = None
        self.device: str | None = None

    def begin(self, container: InputContainer) -> VideoFrame:
        """Decodes the first frame, and remembers its size and time.

        Raises:
            VideoError: there is none.
        """
        stream = self.stream_of(container)
        first = next(self._decode(container.demux(stream), stream, None), None)
        if first is None:
            raise VideoError(f"{self._path.name} holds no frame that can be decoded.")
        self.size = first.width, first.height
        self.first_pts = first.pts
        self.start = Fraction(first.pts or 0) * Fraction(first.time_base or 0)
        self.interlaced = 0
        return first

    def take_device(self, asked: str) -> str | None:
        """Decodes on hardware from now on, if some takes the first frame.

        Args:
            asked: the kind that is tried, or "auto" for all.

        Returns:
            A sentence where none does, and software decodes.

        Raises:
            ValueError: PyAV does not know that kind.
        """
        known = hwdevices_available()
        if asked not in (AUTO_DEVICE, *known):
            raise ValueError(
                f"hwaccel is {asked!r}; this PyAV has {', '.join((AUTO_DEVICE, *known))}."
            )
        for device in known if asked == AUTO_DEVICE else [asked]:
            with suppress(VideoError, FFmpegError), open_input(self._path, device) as container:
                stream = self.stream_of(container)
                if next(container.decode(stream), None) and _is_on_device(stream):
                    self.device = device
                    return None
        tried = "No hardware" if asked == AUTO_DEVICE else f"The hardware ({asked})"
        does = "decodes" if asked == AUTO_DEVICE else "does not decode"
        return f"{tried} {does} {self._path.name} here, so it is decoded by software."

    def stream_of(self, container: InputContainer) -> VideoStream:
        """The track in the opened file."""
        stream = container.streams[self._index]
        assert isinstance(stream, VideoStream)
        return stream

    def frames(self, clock: Clock | None) -> Iterator[VideoFrame]:
        """All frames; where the clock of the file is known, their packets are counted, too."""
        with open_input(self._path, self.device) as container:
            stream = self.stream_of(container)
            yield from self._whole(self._decode(container.demux(stream), stream, clock), stream)

    def frames_from(self, first: int, clock: Clock) -> Generator[tuple[int, VideoFrame]]:
        """Numbered frames from `first` on.

        Where a key frame does not lead to the very frame that is wanted, an earlier one is tried.
        """
        wanted = max(0, first - (_FIELDS_BEFORE if self._deinterlace else 0))
        for key in (*islice(clock.starts_before(wanted), _TRIES), None):
            with open_input(self._path, self.device) as container:
                stream = self.stream_of(container)
                packets = self._packets(container, stream, clock, key)
                if packets is None:
                    continue
                start = key.frame if key else 0
                frames = self._decode(packets, stream, clock, key)
                pictures = enumerate(self._whole(frames, stream), start)
                try:
                    found = next((each for each in pictures if each[0] >= first), None)
                except VideoError:
                    if key is None:
                        raise
                    continue
                if key and (
                    found is None or self.time(found[1], first, clock) != clock.time(first)
                ):
                    continue
                if found:
                    yield found
                    yield from pictures
                return

    def time(self, frame: VideoFrame, index: int, clock: Clock) -> Fraction:
        """When frame `index` is shown, in seconds after the first one."""
        if not clock.dealt and frame.pts is not None and frame.time_base:
            return frame.pts * Fraction(frame.time_base) - self.start
        if index < clock.count:
            return clock.time(index)
        return clock.time(clock.count - 1) + (index - clock.count + 1) / clock.fps

    def times_shown(self, shifts: Shifts = ()) -> NDArray[np.int64]:
        """When decoded frames say that they are shown, in the order in which they come."""
        with open_input(self._path, self.device) as container:
            stream = self.stream_of(container)
            frames = self._decode(shifted(container.demux(stream), shifts), stream, None)
            return np.array(
                [_NO_TIME if frame.pts is None else frame.pts for frame in frames], np.int64
            )

    def check_allowed(self, damage: str, allowed: bool | None = None) -> None:
        """Raises a VideoError that names the damage, unless it is allowed."""
        if not (self._allow_damaged if allowed is None else allowed):
            raise VideoError(
                f"{self._path.name} is damaged {damage}. Give a whole file, or allow damage "
                "(--allow-damaged) to keep what can be read."
            )

    def _packets(
        self, container: InputContainer, stream: VideoStream, clock: Clock, key: KeyFrame | None
    ) -> Iterator[Packet[VideoStream]] | None:
        """Packets of the picture from `key` on, or all; None where seeking does not lead there."""
        if key is None or key.packet == 0:
            return shifted(container.demux(stream), clock.shifts.get(self._index, ()))
        place = round(clock.time(key.frame) / clock.tick) + (self.first_pts or 0)
        for back in _SEEK_BACK:
            try:
                container.seek(place - round(back / clock.tick), stream=stream)
                packets = container.demux(stream)
                for packet in packets:
                    if packet.is_keyframe and packet.size and (packet.pts or 0) >= place:
                        if packet.pts == place:
                            return chain([packet], packets)
                        break
            except FFmpegError:
                continue
        return None

    def _whole(self, frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
        """Frames of one size, without combs where that is wanted."""
        frames = self._of_one_size(frames)
        return _deinterlaced(frames, stream) if self._deinterlace else frames

    def _of_one_size(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        for number, frame in enumerate(frames, 1):
            size = frame.width, frame.height
            if size == self.size:
                yield frame
                continue
            self.resized = self.resized or (
                f"The size changes to {size[0]}x{size[1]} at frame {number}; all frames are "
                f"scaled to that of the first, {self.size[0]}x{self.size[1]}."
            )
            scaled = reformat(frame, *self.size)
            scaled.pts, scaled.time_base = frame.pts, frame.time_base
            yield scaled

    def _decode(
        self,
        packets: Iterator[Packet[VideoStream]],
        stream: VideoStream,
        clock: Clock | None,
        key: KeyFrame | None = None,
    ) -> Iterator[VideoFrame]:
        """Frames of `packets`, which begin with `key`, or are all."""
        decode = _decoder(stream)
        self.interlaced = 0
        number, packets_seen = (key.frame, key.packet) if key else (0, 0)
        first = clock.time(number) if key and clock else Fraction(0)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                packets_seen += bool(packet.size)
                frames = decode(packet)
            except FFmpegError as error:
                self.check_allowed(f"after frame {number}: {error.strerror}")
                continue  # a generator that failed has ended, so this ends, too
            for frame in frames:
                if key and clock and number == key.frame and self.time(frame, 0, clock) < first:
                    continue  # not whole without what went before the key frame
                if frame.is_corrupt and not _is_at_seam(number, clock):
                    self.check_allowed(f"at frame {number}, which is incomplete")
                self.interlaced += frame.interlaced_frame
                yield frame
                number += 1
        if clock and packets_seen != clock.packets and not self._allow_damaged:
            raise VideoError(
                f"{self._path.name} gave {packets_seen} packets of picture where {clock.packets} "
                "were counted before; it was changed while it was read. Run it again."
            )


def _is_on_device(stream: VideoStream) -> bool:
    """Whether hardware decoded what has come out of a stream."""
    return stream.codec_context.is_hwaccel


def _is_at_seam(number: int, clock: Clock | None) -> bool:
    """Whether frame `number` looks damaged only because clips were joined there."""
    return clock is not None and any(0 <= seam - number <= _AT_SEAM for seam in clock.seams)


def _decoder(stream: VideoStream) -> Callable[[Packet[VideoStream]], list[VideoFrame]]:
    """The decoder of a stream."""
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
        yield from ready(sink)
        if frame is None:
            return


def ready(sink: FilterContext) -> Iterator[VideoFrame]:
    """The frames that have come out of a filter."""
    while True:
        try:
            yield cast(VideoFrame, sink.pull())
        except (BlockingIOError, EOFError):  # FFmpeg's own are kinds of these
            return
