"""Sound along a curve of speed: played as a tape is, so that its pitch follows the speed.

Each sample of the result is the sound at the very moment of the source that the picture shows
then, by a windowed sinc: in step to a fraction of a sample, however the speed changes. Filters
that keep the pitch move single events by 10 ms and more (`atempo`), and lose some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from math import ceil

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from ..timeline.speed_curve import SpeedCurve

_CHUNK = 1024  # samples
_LOBES = 8  # of the sinc, on each side

Samples = NDArray[np.float64]


def stretched(frames: Iterator[AudioFrame], curve: SpeedCurve) -> Iterator[AudioFrame]:
    """Sound that is heard along `curve`, from its beginning to the end of the source.

    Args:
        frames: of one layout and rate, gapless, beginning with second 0 of the source.
        curve: which second of the source is heard when.

    Yields:
        Frames of the same layout and rate.
    """
    first = next(frames, None)
    if first is None:
        return
    layout, rate = first.layout.name, first.sample_rate
    sound = _Reel(chain([first], frames), first.layout.nb_channels)
    del first
    heard = 0
    while True:
        places, speeds = _along(curve, (heard + np.arange(_CHUNK)) / rate)
        places *= rate
        half = ceil(_LOBES * max(1.0, float(speeds.max())))
        values = sound.between(int(places[0]) - half, int(places[-1]) + half + 2)
        if sound.end is not None:
            count = int(np.searchsorted(places, sound.end))
            places, speeds = places[:count], speeds[:count]
        if not len(places):
            return
        mixed = _at(values, places - (int(places[0]) - half), np.maximum(speeds, 1), half)
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(mixed, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        yield frame
        heard += len(places)


class _Reel:
    """The samples of a source, of which those that are behind are let go."""

    def __init__(self, frames: Iterable[AudioFrame], channels: int) -> None:
        self._chunks = (_values(frame) for frame in frames)
        self._held = np.zeros((channels, 0))
        self._begin = 0
        self.end: int | None = None

    def between(self, begin: int, end: int) -> Samples:
        """Samples `begin` to `end`, C N; silence before the first one and after the last one."""
        pieces = [self._held]
        length = self._begin + self._held.shape[1]
        while length < end and self.end is None:
            piece = next(self._chunks, None)
            if piece is None:
                self.end = length
                break
            pieces.append(piece)
            length += piece.shape[1]
        held = np.concatenate(pieces, axis=1)
        behind = min(max(0, begin - self._begin), held.shape[1])
        self._held, self._begin = held[:, behind:], self._begin + behind
        before = max(0, self._begin - begin)
        wanted = self._held[:, : max(0, end - self._begin)]
        after = end - begin - before - wanted.shape[1]
        return np.pad(wanted, ((0, 0), (before, after)))


def _values(frame: AudioFrame) -> Samples:
    """C N in [-1, 1], whatever the format."""
    values, kind = frame.to_ndarray(), frame.format.name.removesuffix("p")
    if frame.format.is_packed:
        values = values.reshape(-1, frame.layout.nb_channels).T
    if kind == "u8":
        return values.astype(np.float64) / 128 - 1
    full = {"s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
    return values.astype(np.float64) / full.get(kind, 1.0)


def _along(curve: SpeedCurve, times: Samples) -> tuple[Samples, Samples]:
    """Which seconds of the source are heard at `times`, and how fast it runs then."""
    starts = np.array([float(piece.time) for piece in curve.pieces])
    index = np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)
    place, length, first, last = (
        np.array([float(value) for value in column])[index]
        for column in zip(
            *((p.place, p.length or 1, p.first, p.last) for p in curve.pieces), strict=True
        )
    )
    passed = times - starts[index]
    x = np.where(first == last, 0, passed / length)
    glided = length * (last - first) * (x**3 - x**4 / 2)
    return place + first * passed + glided, first + (last - first) * (3 * x**2 - 2 * x**3)


def _at(values: Samples, places: Samples, speeds: Samples, half: int) -> Samples:
    """Values at fractional places, band-limited to what the result can hold at these speeds."""
    whole = np.floor(places).astype(np.int64)
    taps = whole[:, None] + np.arange(1 - half, half + 1)
    away = (taps - places[:, None]) / speeds[:, None]
    weights = np.sinc(away) * np.cos(np.clip(away / _LOBES, -1, 1) * (np.pi / 2)) ** 2
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("ctk,tk->ct", values[:, taps], weights)
