"""When the frames of a file are shown: read from its packets, and repaired."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from ..timeline import as_fraction
from .containers import may_jump, packets_of

_NO_TIME = -(2**63)
_STEP_BACK = Fraction(1, 10)  # seconds; less is disorder that sorting mends
_JUMP = 10  # seconds; a longer pause, in file types whose clock may be set anew, is none
_AT_SEAM = 2  # packets
_JITTER = 1 / 8  # of a frame: so far from an even beat is still constant
_NEAR = 0.25  # of the usual interval: such intervals tell what the usual one is exactly
_MISSING = Fraction(1, 10)  # seconds at the end that lie within the rounding of file formats
_STATES_DURATION = ("mov", "matroska")  # formats that write down how long they are
_LONG_END = 1.5  # intervals: the last frame is shown for so long on purpose
_LARGEST = 10**6  # numerator and denominator of a rate that every file type takes

Shifts = Sequence["Shift"]
P = TypeVar("P", bound="Packet[Any]")


class KeyFrame(NamedTuple):
    """A frame that decoders can begin with.

    Attributes:
        frame: its number in the order of display.
        packet: its number in the file, counted over the packets of the picture.
        is_open: frames that are shown before it are coded after it.
    """

    frame: int
    packet: int
    is_open: bool


class Shift(NamedTuple):
    """From packet `number` of a track on, all times are `seconds` later than the file says."""

    number: int
    seconds: Fraction


@dataclass(frozen=True)
class Clock:
    """When the frames of a file are shown, from the first one on.

    Attributes:
        count: how many frames there are.
        constant: whether they follow each other evenly, at `fps`.
        fps: their rate; where it is uneven, that of the interval that prevails.
        ticks: the time of each after the first, in units of `tick`, rising.
        tick: seconds.
        end: until when the last frame is shown, in seconds.
        packets: how many packets hold them.
        dealt: whether times were dealt out in the order of display, since the file has none.
        seams: frames, counted from 0, at which the clock of the file was set anew.
        shifts: what that means for the packets of each track, by the track's index.
        damage: what is wrong with the file, with the number of the frame; or None.
        keys: where decoding may begin; empty where packets do not tell.
    """

    count: int
    constant: bool
    fps: Fraction
    ticks: NDArray[np.int64]
    tick: Fraction
    end: Fraction
    packets: int
    dealt: bool = False
    seams: tuple[int, ...] = ()
    shifts: Mapping[int, Shifts] = field(default_factory=dict[int, "Shifts"])
    damage: str | None = None
    keys: tuple[KeyFrame, ...] = ()

    def time(self, index: int) -> Fraction:
        """The time of frame `index`, in seconds after the first one."""
        return int(self.ticks[index]) * self.tick

    @property
    def interval(self) -> Fraction:
        """The time from one frame to the next that prevails, in seconds."""
        return 1 / self.fps

    def starts_before(self, index: int) -> Iterator[KeyFrame]:
        """Key frames from which frame `index` can be decoded, the nearest one first.

        Frames that follow an open key frame may need those before it: decoding begins one
        key frame earlier there.
        """
        nearest = bisect_right(self.keys, index, key=lambda key: key.frame) - 1
        if nearest >= 0 and self.keys[nearest].is_open:
            nearest -= 1
        return (self.keys[number] for number in range(nearest, -1, -1))


def shifted(packets: Iterable[P], shifts: Shifts) -> Iterator[P]:
    """The packets of one track, in step with the picture even where the file's clock was reset."""
    waiting, ticks, number = list(shifts), 0, 0
    for packet in packets:
        if packet.size:
            while waiting and waiting[0].number <= number:
                ticks = round(waiting.pop(0).seconds / Fraction(packet.time_base))
            number += 1
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        yield packet


class _Jump(NamedTuple):
    """A reset of a track's clock: at which packet, from which time to which, in seconds."""

    number: int
    left: Fraction
    entered: Fraction


class _Track:
    """The state of a track other than the picture."""

    def __init__(self, stream: Stream, may_jump: bool) -> None:
        self.jumps: list[_Jump] = []
        self.faults: list[tuple[int, str]] = []
        self.is_audio = stream.type == "audio"
        self._may_jump = may_jump and stream.type in ("audio", "video")
        self.number, self._last = 0, None

    def real_faults(self) -> Iterator[tuple[int, str]]:
        """Packets that are marked as incomplete, but for the last ones before a seam.

        Where recordings were joined, the counters of MPEG-TS do not go on, which looks the same.
        """
        for number, fault in self.faults:
            if not any(0 <= jump.number - number <= _AT_SEAM for jump in self.jumps):
                yield number, fault

    def see(self, packet: Packet[Stream]) -> bool:
        """Counts a packet; returns whether the clock was reset before it."""
        self.number += 1
        if packet.dts is None:
            return False
        tick = Fraction(packet.time_base)
        now, last = packet.dts * tick, self._last
        self._last = now + (packet.duration or 0) * tick
        if last is None:
            return False
        jumps = now < last - (packet.duration or 0) * tick - _STEP_BACK
        jumps = jumps or (self._may_jump and now > last + _JUMP)
        if jumps:
            self.jumps.append(_Jump(self.number - 1, last, now))
        return jumps


@dataclass
class Scan:
    """The findings of a scan of a file's packets.

    Attributes:
        pts, dts: of each packet of the picture in units of `tick`, after all mending.
        is_key: whether decoding may begin with it.
        starts: the packets of the picture that begin a stretch of one clock; the first is 0.
        last_duration: how long the frame that is shown last stays, in ticks; 0: as the others.
    """

    tick: Fraction
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    is_key: NDArray[np.bool_]
    starts: list[int]
    last_duration: int
    shifts: dict[int, Shifts]
    damage: str | None

    @property
    def is_clear(self) -> bool:
        """Whether each packet says when its frame is shown, and no two say the same."""
        return bool((self.pts != _NO_TIME).all()) and len(np.unique(self.pts)) == len(self.pts)


def scan(container: InputContainer, stream: Stream, rate: Fraction) -> Scan:
    """Reads all packets once, without decoding; keeps 16 bytes a frame.

    A file counts as damaged where a packet is marked so, where reading it fails, or
    where no track goes on as long as the file states.
    """
    tick = Fraction(stream.time_base or 1 / rate)
    jumping = may_jump(container)
    tracks = {each.index: _Track(each, jumping) for each in container.streams}
    pts, dts, is_key, starts = array("q"), array("q"), array("b"), [0]
    latest, last_duration = _NO_TIME, 0
    durations: Counter[int] = Counter()
    stated, reached = Fraction(container.duration or 0) / av.time_base, Fraction(0)
    damage: str | None = None
    states_duration = container.format.name.startswith(_STATES_DURATION)
    try:
        for packet in packets_of(container):
            track = tracks[packet.stream_index]
            if packet.is_corrupt:
                fault = f"at frame {len(pts)}, a packet is incomplete"
                track.faults.append((track.number, fault))
            reached = max(reached, _end(packet))
            set_anew = track.see(packet)
            if packet.stream_index != stream.index or packet.is_discard:
                continue
            if set_anew:
                starts.append(len(pts))
                latest = _NO_TIME
            shown = _NO_TIME if packet.pts is None else packet.pts
            if shown >= latest:
                latest, last_duration = shown, packet.duration or 0
            durations[packet.duration or 0] += 1
            pts.append(shown)
            dts.append(_NO_TIME if packet.dts is None else packet.dts)
            is_key.append(packet.is_keyframe)
    except FFmpegError as error:
        damage = damage or f"after frame {len(pts)}: {error.strerror}"
    if last_duration == max(durations, key=durations.__getitem__, default=0):
        last_duration = 0  # what each packet says, by the rate that the file claims
    faults = [fault for track in tracks.values() for fault in track.real_faults()]
    damage = min(faults, default=(0, None))[1] or damage
    missing = stated - reached
    if states_duration and missing > max(_MISSING, 2 / rate):
        damage = (
            f"after frame {len(pts)}: it ends at {float(reached):.2f} s, but states "
            f"{float(stated):.2f} s"
        )
    found = Scan(
        tick,
        np.array(pts, np.int64),
        np.array(dts, np.int64),
        np.array(is_key, np.bool_),
        starts,
        last_duration,
        {},
        damage,
    )
    if any(track.jumps for track in tracks.values()):
        _join(found, tracks, stream.index, rate)
    return found


def clock_of(
    seen: Scan,
    shown: NDArray[np.int64] | None,
    first: int | None,
    rates: Sequence[Fraction],
    count: int | None = None,
) -> Clock:
    """The clock according to the packets.

    Args:
        seen: the packets.
        shown: when the decoded frames are shown, where that was looked at.
        first: when the first frame is shown that can be decoded; what comes before it cannot be.
        rates: rates that the file states, the most trusted one first.
        count: how many frames were decoded, where that was looked at.
    """
    packets = len(seen.pts)
    times = seen.pts if shown is None else shown
    dealt = len(times) == 0 or bool((times == _NO_TIME).any())
    if not dealt:
        times = np.sort(times)
        dealt = bool((np.diff(times) == 0).any())
    tick, duration = seen.tick, seen.last_duration
    if dealt:
        times, tick, duration = _dealt(seen, packets if count is None else count, rates[0])
        first = None
    if first is not None:
        times = times[times >= first]
    if not len(times):
        return Clock(0, True, rates[0], times, tick, Fraction(0), packets, damage=seen.damage)
    ticks = times - times[0]
    interval = _usual(ticks) or float(1 / rates[0] / tick)
    fps, constant = _rate(ticks, tick, interval, rates)
    last = int(ticks[-1]) * tick
    own = duration * tick
    if own <= _LONG_END / fps:
        own = 1 / fps
    elif len(ticks) > 1:
        constant = False
    instants = np.where(seen.pts == _NO_TIME, seen.dts, seen.pts)
    seams = (
        int(np.searchsorted(times, instants[start:stop].min()))
        for start, stop in zip(seen.starts[1:], [*seen.starts[2:], packets], strict=False)
    )
    return Clock(
        len(ticks),
        constant,
        fps,
        ticks,
        tick,
        last + own,
        packets,
        dealt,
        tuple(seam for seam in seams if seam > 0),
        seen.shifts,
        seen.damage,
        _keys(seen, times) if shown is None and not dealt else (),
    )


def _keys(seen: Scan, times: NDArray[np.int64]) -> tuple[KeyFrame, ...]:
    """The key frames, where each packet tells its time; `times` are those of display."""
    if seen.shifts:
        return ()
    packets = np.flatnonzero(seen.is_key & (seen.pts >= times[0]))
    shown_later = np.minimum.accumulate(seen.pts[::-1])[::-1]  # the least time from a packet on
    frames, is_open = np.searchsorted(times, seen.pts[packets]), shown_later < seen.pts
    keys = zip(frames.tolist(), packets.tolist(), is_open[packets].tolist(), strict=True)
    return tuple(sorted(KeyFrame(*key) for key in keys))


def _join(seen: Scan, tracks: Mapping[int, _Track], picture: int, rate: Fraction) -> None:
    """Shifts each stretch of a new clock to follow the one before it, all tracks together."""
    jumps = tracks[picture].jumps
    sounds = [track for track in tracks.values() if track.is_audio]
    total = Fraction(0)
    moves: list[tuple[_Jump, Fraction]] = []
    shifts: list[Shift] = []
    starts, kept = seen.starts, [0]
    ends = [*starts[1:], len(seen.pts)]
    times = np.where(seen.pts == _NO_TIME, seen.dts, seen.pts)
    gap = round(_usual(np.sort(times[: ends[0]])) or float(1 / rate / seen.tick))
    reached = int(times[: ends[0]].max())
    for jump, start, end in zip(jumps, starts[1:], ends[1:], strict=True):
        heard = all(any(_belongs(one, jump) for one in track.jumps) for track in sounds)
        if jump.entered < jump.left or heard:  # else the picture alone paused
            total = (reached + gap - int(times[start:end].min())) * seen.tick
            kept.append(start)
            moves.append((jump, total))
            shifts.append(Shift(jump.number, total))
        ticks = round(total / seen.tick)
        for values in (seen.pts, seen.dts):
            part = values[start:end]
            part[part != _NO_TIME] += ticks
        reached = max(reached, int(times[start:end].max()) + ticks)
    seen.starts = kept
    seen.shifts = {picture: shifts}
    for index, track in tracks.items():
        if index != picture and track.jumps:
            seen.shifts[index] = _follow(track, moves)


def _follow(track: _Track, moves: Sequence[tuple[_Jump, Fraction]]) -> Shifts:
    """What a track is shifted by: as the picture, where it jumps as the picture does."""
    shifts: list[Shift] = []
    total = Fraction(0)
    for jump in track.jumps:
        alike = [move for other, move in moves if _belongs(jump, other)]
        if alike:
            total = alike[-1]
        elif jump.entered < jump.left:
            total += jump.left - jump.entered
        else:
            continue
        shifts.append(Shift(jump.number, total))
    return shifts


def _belongs(jump: _Jump, picture: _Jump) -> bool:
    return (
        abs(jump.left - picture.left) < _JUMP
        and abs(jump.entered - picture.entered) < _JUMP
        and (jump.entered < jump.left) == (picture.entered < picture.left)
    )


def _dealt(seen: Scan, count: int, rate: Fraction) -> tuple[NDArray[np.int64], Fraction, int]:
    """Times for `count` frames, in the order in which they are shown."""
    known = np.sort(seen.dts[seen.dts != _NO_TIME])
    if len(known) == count and (np.diff(known) > 0).all():
        return known, seen.tick, seen.last_duration
    if len(known) > 1 and known[-1] > known[0]:
        span = int(known[-1] - known[0]) * seen.tick * len(known) / (len(known) - 1)
        rate = count / span
    return np.arange(count, dtype=np.int64), 1 / rate, 0


def _usual(ticks: NDArray[np.int64]) -> float:
    """The interval that prevails, in ticks: the one that most are near; exact by the mean of these.

    Of two that are as frequent the shorter one is taken.
    """
    intervals = np.sort(np.diff(ticks))
    if not len(intervals):
        return 0.0
    candidates = np.unique(intervals)
    reach = np.maximum(1.0, _NEAR * candidates)
    first = np.searchsorted(intervals, candidates - reach, "left")
    stop = np.searchsorted(intervals, candidates + reach, "right")
    best = int((stop - first).argmax())
    return float(intervals[first[best] : stop[best]].mean())


def _rate(
    ticks: NDArray[np.int64], tick: Fraction, usual: float, rates: Sequence[Fraction]
) -> tuple[Fraction, bool]:
    """The rate, and whether all frames keep to it."""
    count = len(ticks)
    if count < 2:
        return _fit(rates[0]), True
    interval = float(ticks[-1]) / (count - 1)
    uneven = float(np.abs(ticks - interval * np.arange(count)).max())
    even = uneven <= max(2, _JITTER * interval)
    usual_rate = float(1 / tick) / (interval if even else usual)
    for rate in (*rates, as_fraction(round(usual_rate, 3)), Fraction(usual_rate)):
        drift = abs(float(ticks[-1]) - float((count - 1) / rate / tick))
        if even and drift <= max(2, interval / 2):
            return _fit(rate), True
        if not even and abs(float(rate) - usual_rate) < usual_rate / 100:
            return _fit(rate), False
    return _fit(Fraction(usual_rate)), False


def _fit(rate: Fraction) -> Fraction:
    """The nearest rate whose numbers are small enough for every file type."""
    if max(rate.numerator, rate.denominator) <= _LARGEST:
        return rate
    return rate.limit_denominator(max(1, int(_LARGEST / max(1, rate))))


def _end(packet: Packet[Stream]) -> Fraction:
    """Until when, in seconds, what is in the packet is shown."""
    if packet.pts is None:
        return Fraction(0)
    return (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
