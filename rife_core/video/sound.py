"""Sound that is encoded: in which codec, gapless and in step with the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple, TypeAlias, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.codec import Codec, UnknownCodecError
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from numpy.typing import NDArray

from .reader import Audio

_ENCODERS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".ts"), ("aac",)),
    ".mkv": ("flac", "aac"),
    ".webm": ("libopus",),
    ".avi": ("libmp3lame", "ac3"),
}
_BITS_A_CHANNEL = 96000  # a second, where a codec loses something
_USUAL_RATE = 48000  # hertz; the only one of the usual rates that Opus takes
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_AUDIO_CHUNK = 1024  # samples
GAP = Fraction(1, 20)
"""Seconds without sound that are filled with silence."""

_ENDLESS = 2**62  # samples

AnyPacket: TypeAlias = "Packet[AudioStream] | Packet[SubtitleStream]"
Tell: TypeAlias = Callable[[str], None]


class Sound(NamedTuple):
    """How sound is encoded."""

    codec: str
    rate: int
    layout: str


def ways_to_encode(stream: AudioStream, suffix: str) -> list[Sound]:
    """As much of a track as possible as it is, then with less."""
    own, count, rate = stream.layout.name, stream.channels, stream.rate
    layouts = [own, *({_LAYOUTS[count]} - {own} if count in _LAYOUTS else ()), "stereo"]
    return [
        Sound(codec, _rate_for(codec, rate), layout)
        for codec in _ENCODERS[suffix]
        for layout in layouts
    ]


def sound_of(audio: Audio, suffix: str) -> tuple[Sound, Iterator[AudioFrame]]:
    """A waveform as frames, and how it is encoded."""
    waveform = audio["waveform"][0].detach().float().cpu()
    if len(waveform) not in _LAYOUTS:
        waveform = waveform.mean(0, keepdim=True)
    codec = _ENCODERS[suffix][-1]
    sound = Sound(codec, _rate_for(codec, audio["sample_rate"]), _LAYOUTS[len(waveform)])

    def frames() -> Iterator[AudioFrame]:
        for chunk in waveform.split(_AUDIO_CHUNK, dim=1):
            array = np.ascontiguousarray(chunk.numpy())
            frame = AudioFrame.from_ndarray(array, format="fltp", layout=sound.layout)
            frame.sample_rate = audio["sample_rate"]
            yield frame

    return sound, frames()


def _rate_for(codec: str, rate: int) -> int:
    """The sample rate nearest to `rate` that an encoder takes."""
    if codec == "libopus":
        return _USUAL_RATE
    try:
        known = Codec(codec, "w").audio_rates
    except UnknownCodecError:
        return rate
    if not known or rate in known:
        return rate
    return min(known, key=lambda each: (each < min(rate, _USUAL_RATE), abs(each - rate)))


def add_encoder(output: OutputContainer, sound: Sound) -> AudioStream:
    """Adds a track of sound that is encoded so."""
    target = cast(AudioStream, output.add_stream(sound.codec, rate=sound.rate))
    target.codec_context.layout = sound.layout
    if sound.codec != "flac":
        target.codec_context.bit_rate = _BITS_A_CHANNEL * target.codec_context.channels
    return target


def encoded(frames: Iterator[AudioFrame], target: AudioStream) -> Iterator[AnyPacket]:
    """Packets of frames that follow each other without a gap from second 0 on."""
    position = 0
    for frame in frames:  # encoders hold sound back, which they tell by times, if there are any
        frame.pts, frame.time_base = position, Fraction(1, frame.sample_rate)
        position += frame.samples
        yield from target.encode(frame)
    yield from target.encode(None)


def in_step(
    packets: Iterable[Packet[Stream]],
    rate: int,
    start: Fraction,
    stop: Fraction | None,
    shown: Fraction,
    tell: Tell,
) -> Iterator[AudioFrame]:
    """Decoded sound from the first picture on; silence where it is missing or broken.

    Args:
        packets: those of the track, as far as they can be read.
        rate: samples a second.
        start: when the first picture is shown, in seconds.
        stop: for how many seconds sound is wanted; None: to its end.
        shown: for how many seconds there is a picture. Sound that sets in again after it, which
            may be years later where a time is wrong, is left out.
        tell: called, perhaps again and again, with sentences on what of a whole file is left out;
            {name} stands for the track in them.
    """
    position = 0
    end = _ENDLESS if stop is None else round(stop * rate)
    for packet in packets:
        try:
            frames = cast("list[AudioFrame]", packet.decode())
        except FFmpegError:
            tell("Some of {name} cannot be decoded and is silent.")
            continue  # what is missing becomes silence when the next packet comes
        for frame in frames:
            if frame.pts is not None and frame.time_base:
                due = round((frame.pts * Fraction(frame.time_base) - start) * rate)
                if due < -GAP * rate and stop is None:
                    tell("What {name} plays before the first picture is left out.")
                if due + frame.samples <= 0:
                    continue
                if due - position > GAP * rate:
                    if due > shown * rate:
                        tell(
                            f"What {{name}} plays from {due / rate:.2f} s on is left out: the "
                            f"picture ends at {float(shown):.2f} s."
                        )
                        return
                    yield from _silence(frame, due - position)
                    position = due
                elif due < 0:
                    frame = _cut(frame, -due, frame.samples)
            if position + frame.samples > end:
                if position < end:
                    yield _cut(frame, 0, end - position)
                return
            position += frame.samples
            yield frame


def _cut(frame: AudioFrame, begin: int, end: int) -> AudioFrame:
    """The samples from `begin` to `end`."""
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        part = samples[:, begin:end]
    else:
        channels = frame.layout.nb_channels
        part = samples[:, begin * channels : end * channels]
    cut = AudioFrame.from_ndarray(
        cast("NDArray[np.float32]", np.ascontiguousarray(part)),  # of whichever type
        format=frame.format.name,
        layout=frame.layout.name,
    )
    cut.sample_rate = frame.sample_rate
    return cut


def _silence(like: AudioFrame, samples: int) -> Iterator[AudioFrame]:
    for begin in range(0, samples, _AUDIO_CHUNK):
        count = min(_AUDIO_CHUNK, samples - begin)
        frame = AudioFrame(like.format.name, like.layout.name, count)
        for plane in frame.planes:
            plane.update(
                (b"\x80" if like.format.name.startswith("u8") else b"\0") * plane.buffer_size
            )
        frame.sample_rate = like.sample_rate
        yield frame
