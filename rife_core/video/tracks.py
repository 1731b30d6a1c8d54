"""What goes along with the picture: sound, subtitles, chapters, title."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from typing import TypeAlias, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from .reader import Audio, VideoReader, open_video

_OPUS_RATE = 48000  # hertz; the only one of the usual rates that Opus takes
_AUDIO_CHUNK = 1024  # samples
_GAP = Fraction(1, 20)  # seconds without sound that are filled with silence
_PAUSE = b"\0\0"  # between two subtitles in an mp4; written anew where it is needed
_OF_THE_FORMAT = ("major_brand", "minor_version", "compatible_brands", "encoder", "ENCODER")
_DESCRIBING = ("language", "title")

AnyPacket: TypeAlias = "Packet[AudioStream] | Packet[SubtitleStream]"


class Track:
    """The packets of one track, of which the next one is looked at before it is taken."""

    def __init__(self, packets: Iterator[AnyPacket]) -> None:
        self._packets = packets
        self.waiting = next(packets, None)

    @property
    def time(self) -> Fraction:
        """When the next packet is due, in seconds."""
        packet = self.waiting
        assert packet is not None
        return Fraction(packet.pts or 0) * Fraction(packet.time_base or 0)

    def advance(self) -> None:
        """Takes the next packet."""
        self.waiting = next(self._packets, None)


def tracks_of(
    source: VideoReader | Audio, output: OutputContainer, resources: ExitStack
) -> tuple[list[Track], list[str]]:
    """Adds the tracks of `source` to `output`: all of its sound, and subtitles it can hold.

    Packets are copied where the output takes their codec. Other sound is encoded
    again; other subtitles are left out. Files opened for it are closed with `resources`.

    Returns:
        The tracks, and the names of what is left out.
    """
    if not isinstance(source, VideoReader):
        return [Track(_encoded(output, _waveform_frames(source), source["sample_rate"]))], []
    with closing(open_video(source.path)) as container:
        kinds = [(stream.index, stream.type) for stream in container.streams]
    tracks: list[Track] = []
    left_out: list[str] = []
    for index, kind in kinds:
        if kind not in ("audio", "subtitle"):
            continue
        # Each track is read by its own handle, so that neither waits for the other.
        container = resources.enter_context(closing(open_video(source.path)))
        stream = container.streams[index]
        known = stream.codec_context is not None  # pyright: ignore[reportUnnecessaryComparison]
        if known and _can_hold(output, stream):
            tracks.append(Track(_copied(output, container, stream, source.start)))
        elif known and isinstance(stream, AudioStream):
            frames = _in_step(container, stream, source.start)
            tracks.append(Track(_encoded(output, frames, stream.rate, stream)))
        else:
            left_out.append(f"{kind} ({stream.codec_context.name if known else 'unknown'})")
    return tracks, left_out


def carry_chapters(source: VideoReader, output: OutputContainer) -> None:
    """Copies title, other such lines and chapters (where PyAV can; older ones cannot)."""
    with closing(open_video(source.path)) as container:
        output.metadata.update(
            {key: text for key, text in container.metadata.items() if key not in _OF_THE_FORMAT}
        )
        chapters = container.chapters() if hasattr(container, "chapters") else []
    for chapter in chapters:
        shift = round(source.start / Fraction(chapter["time_base"] or 1))
        chapter["start"] = max(0, chapter["start"] - shift)
        chapter["end"] = max(0, chapter["end"] - shift)
    if chapters:
        output.set_chapters(chapters)


def _can_hold(output: OutputContainer, stream: Stream) -> bool:
    context = stream.codec_context
    return not {context.name, context.codec.canonical_name}.isdisjoint(output.supported_codecs)


def _copied(
    output: OutputContainer, container: InputContainer, stream: Stream, start: Fraction
) -> Iterator[AnyPacket]:
    """The packets of `stream` as they are, in step with a video that now begins at 0."""
    source = cast(AudioStream, stream)
    target = output.add_stream_from_template(source)
    _describe(target, stream)
    is_subtitle = stream.type == "subtitle"

    def packets() -> Iterator[AnyPacket]:
        for packet in _until_damage(container.demux(source)):
            if packet.dts is None:  # the empty packet that ends a stream
                continue
            if is_subtitle and bytes(packet) == _PAUSE:
                continue
            shift = round(start / Fraction(packet.time_base))
            packet.dts -= shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            if is_subtitle and packet.dts < 0:  # not all players take these
                packet.duration = max(0, (packet.duration or 0) + packet.dts)
                packet.pts = packet.dts = 0
                if not packet.duration:
                    continue
            packet.stream = target
            yield packet

    return packets()


def _encoded(
    output: OutputContainer,
    frames: Iterator[AudioFrame],
    rate: int,
    described: Stream | None = None,
) -> Iterator[AnyPacket]:
    """Sound in the file type's own codec."""
    codec = output.default_audio_codec
    rate = _OPUS_RATE if "opus" in codec else rate
    target = cast(AudioStream, output.add_stream(codec, rate=rate))
    if described is not None:
        _describe(target, described)

    def packets() -> Iterator[AnyPacket]:
        for frame in frames:
            frame.pts = None
            yield from target.encode(frame)
        yield from target.encode(None)

    return packets()


def _describe(target: Stream, source: Stream) -> None:
    target.metadata.update(
        {key: source.metadata[key] for key in _DESCRIBING if key in source.metadata}
    )


def _in_step(
    container: InputContainer, stream: AudioStream, start: Fraction
) -> Iterator[AudioFrame]:
    """Decoded sound from `start` on; silence where it is missing or broken."""
    position = 0
    for packet in _until_damage(container.demux(stream)):
        try:
            frames = packet.decode()
        except FFmpegError:
            continue  # what is missing becomes silence when the next packet comes
        for frame in frames:
            if frame.pts is not None and frame.time_base:
                due = round((frame.pts * Fraction(frame.time_base) - start) * stream.rate)
                if due + frame.samples <= 0:
                    continue
                if due - position > _GAP * stream.rate:
                    yield from _silence(frame, due - position)
                    position = due
            position += frame.samples
            yield frame


def _until_damage(packets: Iterator[Packet[AudioStream]]) -> Iterator[Packet[AudioStream]]:
    """Packets as far as they can be read; `VideoReader.check` has told of what is damaged."""
    try:
        yield from packets
    except FFmpegError:
        return


def _silence(like: AudioFrame, samples: int) -> Iterator[AudioFrame]:
    for begin in range(0, samples, _AUDIO_CHUNK):
        count = min(_AUDIO_CHUNK, samples - begin)
        frame = AudioFrame(like.format.name, like.layout.name, count)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = like.sample_rate
        yield frame


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
