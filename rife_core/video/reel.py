"""The samples of a sound, read as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float64]
Along: TypeAlias = Callable[[NDArray[np.int64]], tuple[Samples, Samples]]
"""Which samples of a source, in fractions, are heard when; and how fast it runs then."""


class Reel:
    """The samples of a source, of which those that are behind are let go.

    Args:
        chunks: C N each, one after the other.
        channels: how many each has.

    Attributes:
        end: how many samples there are; None: not known yet.
    """

    def __init__(self, chunks: Iterator[Samples], channels: int) -> None:
        self._chunks = chunks
        self._held = np.zeros((channels, 0))
        self._begin = 0
        self.end: int | None = None

    def between(self, begin: int, end: int) -> Samples:
        """Samples `begin` to `end`, C N; silence before the first one and after the last one.

        Those before `begin` are let go: it never falls.
        """
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

    def count_before_end(self, places: Samples) -> int:
        """How many of rising places lie before the end, as far as that is known."""
        return len(places) if self.end is None else int(np.searchsorted(places, self.end))


def values_of(frame: AudioFrame) -> Samples:
    """C N in [-1, 1], whatever the format."""
    values, kind = frame.to_ndarray(), frame.format.name.removesuffix("p")
    if frame.format.is_packed:
        values = values.reshape(-1, frame.layout.nb_channels).T
    if kind == "u8":
        return values.astype(np.float64) / 128 - 1
    full = {"s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
    return values.astype(np.float64) / full.get(kind, 1.0)
