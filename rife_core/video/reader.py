"""Reads video files: frames, the times at which they are shown, and what is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from torch import Tensor

from ..basics.arguments import checked
from ..timeline import as_fraction
from .clock import Clock, clock_of, scan
from .containers import VideoError, open_input
from .decoding import PictureDecoder
from .pixels import ColorTags, Orientation, to_tensor
from .probe import (
    beside_pictures,
    beside_pixels,
    is_transparent,
    kind_of,
    name_of_others,
    picture_stream,
    stated_rates,
)

_BYTE = 8  # bits
_LONGEST_PAUSE = 24 * 60 * 60  # seconds; a picture that stays for longer is a fault of the file


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
        skip_damaged: leaves single frames out that cannot be decoded whole, and yields the others
            at their times; damage of the file as a whole stays an error.
        hwaccel: the kind of hardware that is to decode, such as "cuda", or "auto" for whichever
            does; where none takes the first frame, software decodes, and a note says so.

    Attributes:
        path: the file.
        width, height: of the upright picture, in pixels.
        start: time of the first frame in the file, in seconds.
        stop: of a part of a file, how long it lasts; else None. See `excerpt`.
        audio_codecs: the codec of each sound track; empty where it is silent.
        beside: what there is besides pictures, such as "audio (aac)" or "chapters".
        kind: how the picture is stored.
        color: colour tags that a file of these frames is to bear.
        depth: bits of each colour value: 8, or more.
        aspect: width of a pixel over its height, upright.
        stream_index: which track of the file is read.
        channels: 4 where transparency is read, or 3.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: it is no video, or damaged.
        ValueError: there is no such kind of hardware.
    """

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        allow_damaged: bool = False,
        fps: Fraction | float | str | None = None,
        deinterlace: bool = False,
        alpha: bool = False,
        skip_damaged: bool = False,
        hwaccel: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.stop: Fraction | None = None
        self.allow_damaged = allow_damaged
        self.skip_damaged = skip_damaged
        self._skipped: set[int] = set()
        self.deinterlace = deinterlace
        self._fps = None if fps is None else as_fraction(fps)
        self._dealt = fps is not None
        self._remarks: dict[str, str] = {}
        self._state = self._state_now() if self.path.is_file() else ()
        with open_input(self.path) as container:
            stream = picture_stream(container, self.path)
            self.stream_index = stream.index
            self._decoder = PictureDecoder(
                self.path,
                stream.index,
                allow_damaged=allow_damaged or skip_damaged,
                deinterlace=deinterlace,
            )
            if others := name_of_others(container, stream):
                self._remarks["pictures"] = others
            first = self._decoder.begin(container)
            if lost := beside_pixels(first):
                self._remarks["side data"] = lost
            if hwaccel and (note := self._decoder.take_device(hwaccel)):
                self._remarks["hwaccel"] = note
            self.start = self._decoder.start
            self._rates = stated_rates(container, stream)
            self._orientation = Orientation.of(first)
            self.kind = kind_of(stream, first, self._orientation)
            self.has_alpha = is_transparent(stream, first)
            self.channels = 4 if alpha and self.has_alpha else 3
            self.width, self.height = first.width, first.height
            if self._orientation.transposed:
                self.width, self.height = self.height, self.width
            self._stated_frames = stream.frames
            self._stated_seconds = Fraction(container.duration or 0) / av.time_base
            contexts = [track.codec_context for track in container.streams.audio]
            self.audio_codecs = [context.name if context else "unknown" for context in contexts]
            self.beside = beside_pictures(container)

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
        for frame in self._decoder.frames(self.__dict__.get("clock")):
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
        with closing(self._decoder.frames_from(first, clock)) as pictures:
            for index, frame in pictures:
                done = index + 1
                if self.skip_damaged and index and frame.is_corrupt:
                    self._skipped.add(index + 1)
                    continue
                time = self._decoder.time(frame, index, clock)
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
            seen = scan(container, self._decoder.stream_of(container), rates[0])
        if self._dealt:
            assert self._fps is not None
            ticks = np.arange(len(self._decoder.times_shown()), dtype=np.int64)
            end, tick = len(ticks) / self._fps, 1 / self._fps
            packets = len(seen.pts)
            return Clock(
                len(ticks), True, self._fps, ticks, tick, end, packets, True, damage=seen.damage
            )
        if seen.is_clear:
            clock = clock_of(seen, None, self._decoder.first_pts, rates)
        else:
            shown = self._decoder.times_shown(seen.shifts.get(self.stream_index, ()))
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
            self._decoder.check_allowed(clock.damage, self.allow_damaged)
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
        return "frames" in self._remarks or bool(self._skipped)

    def check_unchanged(self) -> None:
        """Raises a VideoError where the file is not the one that was opened."""
        if not self.path.is_file() or self._state_now() != self._state:
            raise VideoError(
                f"{self.path.name} was changed while it was read, so the result would mix two "
                "clips. Run it again once the file stays as it is."
            )

    def identity(self) -> Mapping[str, object]:
        """The identity of this file, and how it is read."""
        size, changed, *_ = list(self._state)
        return {
            "source": str(self.path.resolve()),
            "size": size,
            "changed": changed,
            "reading": [
                repr(self.clock.fps),
                self.deinterlace,
                self.channels,
                *(["skip damaged"] if self.skip_damaged else []),
            ],
        }

    def notes(self) -> list[str]:
        """Sentences on what a person should know of this file, as far as it was read."""
        clock = self.clock
        notes = list(self._remarks.values())
        if self._decoder.resized:
            notes.append(self._decoder.resized)
        if self._skipped:
            damaged = ", ".join(map(str, sorted(self._skipped)))
            notes.append(f"Damaged frames of the source, made anew: {damaged}.")
        if clock.damage:
            notes.insert(0, f"The source is damaged {clock.damage}.")
        if clock.seams:
            frames = ", ".join(str(seam + 1) for seam in clock.seams)
            notes.append(
                f"The clock of the source is set anew at frame {frames}; the clip goes on there "
                "without a pause, as a cut."
            )
        interlaced = self._decoder.interlaced
        if interlaced and not self.deinterlace:
            notes.append(
                f"The source is interlaced ({interlaced} frames): moving edges are combed. "
                "Give --deinterlace to make whole frames first."
            )
        return notes

    def read_audio(self) -> Audio | None:
        """The whole of the first sound track, or None if there is no sound.

        What comes before time 0 is the encoder's own start: newer releases of PyAV leave it out.
        """
        with open_input(self.path) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            resampler = av.AudioResampler("fltp", stream.layout, stream.rate)
            frames = list(container.decode(stream))
            chunks = [
                chunk.to_ndarray()
                for frame in [*frames, None]
                for chunk in resampler.resample(frame)
            ]
            if not chunks:
                return None
            rate = int(stream.rate or 0)
            early = max(0, round(-(frames[0].time or 0) * rate))
            waveform = torch.from_numpy(np.concatenate(chunks, axis=1))[None, :, early:]
            return {"waveform": waveform, "sample_rate": rate}

    def _state_now(self) -> tuple[int, ...]:
        state = self.path.stat()
        return state.st_size, state.st_mtime_ns, state.st_ino

    def _compare(self, frames: int) -> None:
        """Compares the frames that were decoded with those that the packets promised."""
        clock = self.clock
        if frames < clock.count and self.skip_damaged:
            self._remarks["frames"] = (
                f"{clock.count - frames} of {clock.count} frames of the source cannot be decoded, "
                "so they are made anew."
            )
        elif frames != clock.count and not self.allow_damaged:
            self._remarks["frames"] = (
                f"The source has {clock.count} packets of picture, and {frames} frames came out of "
                "them; all of these are used."
            )

    def _image(self, frame: VideoFrame) -> Tensor:
        """H W C in [0, 1], upright, without a loss of bits."""
        image = to_tensor(frame, deep=self.kind.depth > _BYTE, alpha=self.channels == 4)
        return self._orientation.upright(image)
