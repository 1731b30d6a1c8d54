"""The tracks beside the picture: the packets of sound and subtitles.

What a file type can hold is tried out before the work begins: the header and a few
packets of each track are written to memory.
"""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil
from typing import NamedTuple, TypeVar, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from .clock import shifted
from .containers import LATIN1_WHERE_NOT_UTF8, PYAV, VideoError, open_input
from .descriptions import describe
from .encoders import FILE_TYPES
from .probe import is_chapter_text, name_of
from .reader import Audio, VideoReader
from .sound import (
    GAP,
    AnyPacket,
    Sound,
    Tell,
    add_encoder,
    encoded,
    in_step,
    sound_of,
    ways_to_encode,
)
from .stretched_sound import Stretch, stretched

_TRIED = 8  # packets that are written to memory
_NEVER = -(2**62)  # ticks
_TICK = Fraction(1, 1000)  # seconds; the coarsest that file types count in
_TIMELESS = {".avi": FILE_TYPES[".avi"].container}
"""File types, and FFmpeg's names of them, in which all tracks begin at one time."""

_COPIES_UNKNOWN = PYAV >= 16
"""Whether PyAV copies packets of a codec that FFmpeg does not know; before, it crashes."""

_DISORDER = 16  # packets among which the next one is looked for
_PAUSE = b"\0\0"  # between two subtitles in an mp4; written anew where it is needed

P = TypeVar("P", bound="Packet[Stream]")


class Track:
    """The packets of one track, with a look at the next one before it is taken."""

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


class _Planned(NamedTuple):
    """A track that goes along: `sound` says how it is encoded; None copies its packets."""

    index: int  # pyright: ignore[reportIncompatibleMethodOverride]
    sound: Sound | None


@dataclass(frozen=True)
class TrackPlan:
    """Which tracks of a file go along into another one, and how.

    Attributes:
        tracks: those that do.
        left_out: names of those that cannot.
        notes: a sentence for each that is changed.
        speed: how fast the source is shown, along which sound is stretched.
    """

    tracks: Sequence[_Planned]
    left_out: Sequence[str]
    notes: Sequence[str]
    speed: Stretch | None = None


def plan_tracks(source: VideoReader, suffix: str, speed: Stretch | None = None) -> TrackPlan:
    """Finds out by writing to memory which tracks of `source` a file type takes.

    At another `speed` these are those of sound, encoded anew.

    Raises:
        VideoError: it takes each of them, but not all together.
    """
    tracks: list[_Planned] = []
    left_out: list[str] = []
    notes: list[str] = []
    with open_input(source.path) as container:
        streams = [
            (each.index, each.type, name_of(each))
            for each in container.streams
            if not is_chapter_text(each)  # written anew with the chapters
        ]
        rates = {each.index: each.rate for each in container.streams.audio if each.codec_context}  # pyright: ignore[reportUnnecessaryComparison]
    if speed is not None:
        streams = [each for each in streams if each[1] == "audio"]
    for index, kind, name in streams:
        is_late = kind == "audio" and suffix in _TIMELESS and _sets_in_late(source, index)
        if kind == "attachment" and suffix == ".mkv" and hasattr(OutputContainer, "add_attachment"):
            continue  # see `descriptions`
        if kind in ("data", "attachment"):
            left_out.append(f"{kind} ({name})")
        if kind not in ("audio", "subtitle"):
            continue
        candidates = [_Planned(index, None)] if speed is None and not is_late else []
        if kind == "audio":
            candidates += [_Planned(index, each) for each in _sounds(source, index, suffix)]
        planned = next((each for each in candidates if _is_taken(source, [each], suffix)), None)
        if planned is None:
            left_out.append(f"{kind} ({name})")
            continue
        tracks.append(planned)
        if planned.sound and speed is None:
            how = f"{planned.sound.codec.removeprefix('lib')}, {planned.sound.layout}"
            if planned.sound.rate != rates.get(index):
                how += f", {planned.sound.rate} Hz"
            notes.append(
                f"Sound track {index + 1} ({name}) is encoded again ({how}), for {suffix} files "
                "cannot hold it as it is."
            )
    if tracks and not _is_taken(source, tracks, suffix):
        raise VideoError(
            f"{suffix} files cannot hold the tracks of {source.path.name} together. "
            "Choose .mkv, which holds almost everything."
        )
    return TrackPlan(tracks, left_out, notes, speed)


def add_tracks(
    source: VideoReader,
    plan: TrackPlan,
    output: OutputContainer,
    resources: ExitStack,
    tell: Tell,
) -> list[Track]:
    """Adds what was planned to `output`; files that are opened for it close with `resources`.

    Meanwhile `tell` is called with a sentence for whatever of the sound is left out.
    """
    tracks: list[Track] = []
    for planned in plan.tracks:
        # Each track is read by its own handle, so that neither waits for the other.
        container = resources.enter_context(open_input(source.path))
        packets = _packets_for(planned, source, container, output, tell, plan.speed)
        tracks.append(Track(_from_zero(packets, output)))
    return tracks


def add_sound(
    audio: Audio, output: OutputContainer, suffix: str, speed: Stretch | None = None
) -> Track:
    """Adds a waveform to `output`, stretched along `speed`."""
    sound, frames = sound_of(audio, suffix)
    target = add_encoder(output, sound)
    packets = encoded(frames if speed is None else stretched(frames, speed), target)
    return Track(_from_zero(packets, output))


def _from_zero(packets: Iterator[AnyPacket], output: OutputContainer) -> Iterator[AnyPacket]:
    """Packets that do not begin before the picture, where a file type cannot say so.

    FFmpeg would let the picture begin a frame later instead. What encoders hold back and what
    lies before a part of a clip is mostly heard before it, and goes; the rest begins with it.
    """
    if output.format.name not in _TIMELESS.values():
        yield from packets
        return
    for packet in packets:
        early = -(packet.pts or 0)
        if early > 0:
            if 2 * early >= (packet.duration or 0):
                continue
            packet.pts = packet.dts = 0
        yield packet


def _sets_in_late(source: VideoReader, index: int) -> bool:
    """Whether the first packet of a track comes so much later than the picture that it counts."""
    with open_input(source.path) as container:
        first = next(_packets(source, container, container.streams[index]), None)
        if first is None or first.pts is None:
            return False
        return first.pts * Fraction(first.time_base) - source.start > GAP


def _sounds(source: VideoReader, index: int, suffix: str) -> list[Sound]:
    """Ways to encode a track, the best one first."""
    with open_input(source.path) as container:
        stream = container.streams[index]
        if not isinstance(stream, AudioStream) or stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            return []
        return ways_to_encode(stream, suffix)


def _is_taken(source: VideoReader, tracks: Sequence[_Planned], suffix: str) -> bool:
    """Whether header, a few packets and the end of a file with these tracks can be written.

    They are read again, too: MPEG-TS takes any sound, and no reader knows it for sound then.
    """
    file = io.BytesIO()
    try:
        with ExitStack() as resources:
            output = av.open(file, "w", format=FILE_TYPES[suffix].container)
            resources.enter_context(closing(output))
            opened = [
                _packets_for(
                    each,
                    source,
                    resources.enter_context(open_input(source.path)),
                    output,
                    lambda _: None,
                )
                for each in tracks
            ]
            output.start_encoding()
            for packets in opened:
                for packet in islice(packets, _TRIED):
                    output.mux(packet)
            kinds = [each.type for each in output.streams]
        file.seek(0)
        with av.open(file, **LATIN1_WHERE_NOT_UTF8) as again:
            return [each.type for each in again.streams] == kinds
    except (FFmpegError, ValueError, NotImplementedError):
        return False


def _packets_for(
    planned: _Planned,
    source: VideoReader,
    container: InputContainer,
    output: OutputContainer,
    tell: Tell,
    speed: Stretch | None = None,
) -> Iterator[AnyPacket]:
    """Adds a track to `output`; returns its packets."""
    stream = container.streams[planned.index]
    if planned.sound is None:
        if stream.codec_context is None and not _COPIES_UNKNOWN:  # pyright: ignore[reportUnnecessaryComparison]
            raise ValueError("Its codec is not known.")
        target = output.add_stream_from_template(cast(AudioStream, stream), opaque=True)
        describe(target, stream)
        packets = _copied(source, container, stream, target)
        return _lasting(packets) if stream.type == "audio" else packets
    target = add_encoder(output, planned.sound)
    describe(target, stream)
    name = f"sound track {stream.index + 1} ({name_of(stream)})"

    def tell_of_it(what: str) -> None:
        tell(what.format(name=name))

    frames = in_step(
        _packets(source, container, stream),
        cast(AudioStream, stream).rate,
        source.start,
        source.stop,
        source.clock.end,
        tell_of_it,
    )
    return encoded(frames if speed is None else stretched(frames, speed), target)


def _copied(
    source: VideoReader, container: InputContainer, stream: Stream, target: Stream
) -> Iterator[AnyPacket]:
    """The packets of `stream` as they are, in step with a video that now begins at 0."""
    is_subtitle = stream.type == "subtitle"
    last, ended = _NEVER, None
    stop = source.stop
    for packet in _in_order(_packets(source, container, stream)):
        if is_subtitle and bytes(packet) == _PAUSE:
            continue
        shift = round(source.start / Fraction(packet.time_base))
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else (ended or 0) + shift
        packet.dts -= shift
        packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        if _lies_outside(packet, stop):
            continue
        if is_subtitle and packet.dts < 0:  # not all players take these
            packet.duration = max(0, (packet.duration or 0) + packet.dts)
            packet.pts = packet.dts = 0
            if not packet.duration:
                continue
        lasts = 0 if is_subtitle or ended is None else ended - last
        if packet.dts < last + max(1, lasts // 2):  # sound is heard one after the other
            packet.dts = last + max(ceil(_TICK / Fraction(packet.time_base)), lasts)
            packet.pts = max(packet.pts, packet.dts)
        last, ended = packet.dts, packet.dts + (packet.duration or 0)
        packet.stream = target
        yield cast("AnyPacket", packet)


def _lasting(packets: Iterator[AnyPacket]) -> Iterator[AnyPacket]:
    """Packets that say how long they are heard: MP4 loses the last one of a track otherwise."""
    last: AnyPacket | None = None
    lasts = 0
    for packet in packets:
        if last is not None:
            lasts = last.duration = last.duration or (packet.dts or 0) - (last.dts or 0)
            yield last
        last = packet
    if last is not None:
        last.duration = last.duration or lasts
        yield last


def _packets(
    source: VideoReader, container: InputContainer, stream: Stream
) -> Iterator[Packet[Stream]]:
    """In step with the picture, as far as they can be read; `VideoReader.check` tells of damage."""
    try:
        yield from shifted(container.demux(stream), source.clock.shifts.get(stream.index, ()))
    except FFmpegError:
        return


def _lies_outside(packet: Packet[Stream], stop: Fraction | None) -> bool:
    """Whether a packet of a part of a file is heard or seen before that part, or after it."""
    if stop is None:
        return False
    begin = (packet.pts or 0) * Fraction(packet.time_base)
    return begin >= stop or begin + (packet.duration or 0) * Fraction(packet.time_base) <= 0


def _in_order(packets: Iterable[P]) -> Iterator[P]:
    """Packets that hold something, by their time; a few out of order are put where they belong."""
    waiting: list[tuple[int, int, P]] = []
    time = -(2**63)
    for number, packet in enumerate(packets):
        if not packet.size:  # the empty packet that ends a stream
            continue
        moment = packet.dts if packet.dts is not None else packet.pts
        time = time if moment is None else moment
        heapq.heappush(waiting, (time, number, packet))
        if len(waiting) > _DISORDER:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
