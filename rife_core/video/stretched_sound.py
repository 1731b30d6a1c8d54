"""Sound along a curve of speed: in its own pitch, or as a tape is played, in pitch too.

As on a tape, each sample of the result is the sound at the very moment of the source that the
picture shows then, by a windowed sinc: in step to a fraction of a sample, however the speed
changes. In its own pitch, it is put together from short pieces of the source; see `pitch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from math import ceil
from typing import NamedTuple

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from ..timeline.speed_curve import SpeedCurve
from .pitch import pieces_in_pitch
from .reel import Along, Reel, Samples, values_of

_CHUNK = 1024  # samples
_LOBES = 8  # of the sinc, on each side


class Stretch(NamedTuple):
    """How sound follows the picture.

    Attributes:
        curve: which second of the source is heard when.
        keeps_pitch: whether it sounds as high as the source; else its pitch goes with the speed.
    """

    curve: SpeedCurve
    keeps_pitch: bool = True


def stretched(frames: Iterator[AudioFrame], stretch: Stretch) -> Iterator[AudioFrame]:
    """Sound that is heard along a curve, from its beginning to the end of the source.

    Args:
        frames: of one layout and rate, gapless, beginning with second 0 of the source.
        stretch: how.

    Yields:
        Frames of the same layout and rate.
    """
    first = next(frames, None)
    if first is None:
        return
    layout, rate = first.layout.name, first.sample_rate
    chunks = (values_of(frame) for frame in chain([first], frames))
    sound = Reel(chunks, first.layout.nb_channels)
    del first
    pieces = pieces_in_pitch if stretch.keeps_pitch else _pieces_on_tape

    def along(heard: NDArray[np.int64]) -> tuple[Samples, Samples]:
        places, speeds = _along(stretch.curve, heard / rate)
        return places * rate, speeds

    for piece in pieces(sound, along, rate):
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(piece, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        yield frame


def _pieces_on_tape(sound: Reel, along: Along, rate: int) -> Iterator[Samples]:
    """The sound as a tape is heard that runs along a curve: C N each."""
    heard = 0
    while True:
        places, speeds = along(heard + np.arange(_CHUNK))
        half = ceil(_LOBES * max(1.0, float(speeds.max())))
        values = sound.between(int(places[0]) - half, int(places[-1]) + half + 2)
        count = sound.count_before_end(places)
        if not count:
            return
        places, speeds = places[:count], speeds[:count]
        yield _at(values, places - (int(places[0]) - half), np.maximum(speeds, 1), half)
        heard += count


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
