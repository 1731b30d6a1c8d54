"""Reads video files: frames, the times at which they are shown, and what is damaged."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypedDict

import av
import numpy as np
import torch
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor

from ..timeline import as_fraction

_BT709 = 1
_UNSPECIFIED = 2
_LIMITED_RANGE, _FULL_RANGE = 1, 2
_BYTE = 8  # bits
_SQUARE = Fraction(1)

_JITTER = 1 / 8  # of a frame: so far from an even beat is still constant
_MISSING = Fraction(1, 10)  # seconds at the end that lie within the rounding of file formats
_STATES_DURATION = ("mov", "matroska")  # formats that write down how long they are


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


@dataclass(frozen=True)
class Clock:
    """When the frames of a file are shown, as its packets say, without decoding them.

    Attributes:
        count: how many frames there are.
        constant: whether they follow each other evenly, at the rate that the file states.
        fps: their mean rate.
        ticks: the time of each after the first, in units of `tick`; empty if not known.
        tick: seconds.
        damage: what is wrong with the file, with the number of the frame; or None.
    """

    count: int
    constant: bool
    fps: Fraction
    ticks: NDArray[np.int64]
    tick: Fraction
    damage: str | None

    def time(self, index: int) -> Fraction:
        """The time of frame `index`, in seconds after the first one."""
        return int(self.ticks[index]) * self.tick


class VideoReader:
    """The frames of a video file, in order, one at a time.

    Args:
        path: the file.
        allow_damaged: reads past damage and yields what can be read; without it
            damage is an error.

    Attributes:
        path: the file.
        fps: its average frame rate, exact.
        width, height: of the upright picture, in pixels.
        frame_count: how many frames the file claims to have, or None.
        start: time of the first frame in the file, in seconds.
        audio_codecs: the codec of each sound track; empty where it is silent.
        color: its colour tags.
        depth: bits of each colour value: 8, or more.
        aspect: width of a pixel over its height, upright.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: it is no video, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str], *, allow_damaged: bool = False) -> None:
        self.path = Path(path)
        self.allow_damaged = allow_damaged
        with closing(open_video(self.path)) as container:
            stream = _video_stream(container, self.path)
            first = next(self._decode(container, stream), None)
            rate = stream.average_rate or stream.guessed_rate
            if first is None or not rate:
                raise VideoError(f"{self.path.name} holds no frame that can be decoded.")
            context = stream.codec_context
            self.fps = Fraction(rate)
            self.start = Fraction(first.pts or 0) * Fraction(first.time_base or 0)
            self.color = ColorTags(
                context.colorspace,
                context.color_primaries,
                context.color_trc,
                context.color_range or _LIMITED_RANGE,
            )
            self.depth = max(part.bits for part in first.format.components)
            self.width, self.height = first.width, first.height
            self.aspect = Fraction(stream.sample_aspect_ratio or _SQUARE)
            if _quarter_turns(first) % 2:
                self.width, self.height = self.height, self.width
                self.aspect = 1 / self.aspect
            if not stream.average_rate:  # then a guess can be far off
                self.fps = as_fraction(float(self.clock.fps))
                del self.clock  # which compares with the rate
            self.frame_count = stream.frames or _estimate_count(container, self.fps)
            contexts = [track.codec_context for track in container.streams.audio]
            self.audio_codecs = [context.name if context else "unknown" for context in contexts]

    def __iter__(self) -> Iterator[Tensor]:
        for _, frame in self.timed():
            yield frame

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """Frames from number `first` on, each with its time in seconds after frame 0.

        Frames before `first` are decoded, but not looked at: seeking is not exact in
        every file, and decoding is fast beside the networks.
        """
        with closing(open_video(self.path)) as container:
            decoded = self._decode(container, _video_stream(container, self.path))
            for index, frame in enumerate(decoded):
                if index < first:
                    continue
                time = index / self.fps
                if frame.pts is not None and frame.time_base:
                    time = frame.pts * Fraction(frame.time_base) - self.start
                yield time, self._image(frame)

    @cached_property
    def clock(self) -> Clock:
        """The times of all frames, and whether the file is whole.

        Reads the file once, without decoding; keeps 8 bytes a frame. A file counts as
        damaged where a packet is marked so, where reading it fails, or where no track
        goes on as long as the file states.
        """
        pts, count, reached, damage = array("q"), 0, Fraction(0), None
        with closing(open_video(self.path)) as container:
            stream = _video_stream(container, self.path)
            tick = Fraction(stream.time_base or 1 / self.fps)
            stated = Fraction(container.duration or 0) / av.time_base
            try:
                for packet in container.demux():
                    if not packet.size:
                        continue
                    if packet.is_corrupt:
                        damage = damage or f"at frame {count}, a packet is incomplete"
                    reached = max(reached, _end(packet))
                    if packet.stream_index == stream.index and not packet.is_discard:
                        count += 1
                        if packet.pts is not None:
                            pts.append(packet.pts)
            except FFmpegError as error:
                damage = damage or f"after frame {count}: {error.strerror}"
            missing = stated - reached
            if container.format.name.startswith(_STATES_DURATION) and missing > max(
                _MISSING, 2 / self.fps
            ):
                damage = (
                    f"after frame {count}: it ends at {float(reached):.2f} s, but states "
                    f"{float(stated):.2f} s"
                )
        times = np.sort(np.frombuffer(pts, np.int64))
        lost = int((times < round(self.start / tick)).sum())  # what nothing before it explains
        times, count = times[lost:], count - lost
        if len(times) != count or count < 2 or times[0] == times[-1]:
            return Clock(count, True, self.fps, np.empty(0, np.int64), tick, damage)
        ticks = times - times[0]
        interval = ticks[-1] / (count - 1)
        uneven = np.abs(ticks - interval * np.arange(count)).max()
        drift = abs(ticks[-1] - float((count - 1) / self.fps / tick))
        constant = bool(uneven <= max(2, _JITTER * interval) and drift <= max(2, interval / 2))
        fps = 1 / (Fraction(int(ticks[-1]), count - 1) * tick)
        return Clock(count, constant, fps, ticks, tick, damage)

    def check(self) -> str | None:
        """Raises a VideoError where the file is damaged; returns what is wrong if that is allowed.

        Sees more than `__init__`, for it reads all of the file; see `clock`.
        """
        damage = self.clock.damage
        if damage:
            self._damaged(damage)
        return damage

    def read_audio(self) -> Audio | None:
        """The whole of the first sound track, or None where there is none."""
        with closing(open_video(self.path)) as container:
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

    def _image(self, frame: VideoFrame) -> Tensor:
        """H W 3 in [0, 1], upright, without a loss of bits."""
        bits, pixels = (_BYTE, "rgb24") if self.depth == _BYTE else (2 * _BYTE, "rgb48le")
        picture = frame.reformat(
            format=pixels,
            src_colorspace=frame.colorspace,  # older releases of PyAV look at it only
            dst_colorspace=_UNSPECIFIED,  # where it is named, and differs
            src_color_range=frame.color_range,
            dst_color_range=_FULL_RANGE,
        )
        image = torch.from_numpy(picture.to_ndarray().astype(np.float32)).div_(2**bits - 1)
        turns = _quarter_turns(frame)
        return torch.rot90(image, turns).contiguous() if turns else image

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        stream.thread_type = "AUTO"
        count = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except FFmpegError as error:
                self._damaged(f"after frame {count}: {error.strerror}")
                continue  # a generator that failed has ended, so this ends, too
            for frame in frames:
                if frame.is_corrupt:
                    self._damaged(f"at frame {count}, which is incomplete")
                yield frame
                count += 1

    def _damaged(self, what: str) -> None:
        if not self.allow_damaged:
            raise VideoError(
                f"{self.path.name} is damaged {what}. Give a whole file, or allow damage "
                "(--allow-damaged) to keep what can be read."
            )


def open_video(path: Path) -> InputContainer:
    """The file, opened; an error in a sentence where that fails."""
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
    stream = container.streams.video[0]
    if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise VideoError(f"{path.name} is damaged, or of a kind that cannot be decoded.")
    return stream


def _estimate_count(container: InputContainer, fps: Fraction) -> int | None:
    return round(container.duration / av.time_base * fps) if container.duration else None


def _end(packet: Packet[Stream]) -> Fraction:
    """Until when, in seconds, what is in the packet is shown."""
    if packet.pts is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4
