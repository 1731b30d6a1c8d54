"""Sound at another speed in its own pitch: short pieces of the source, one faded into the next.

Each piece is played as fast as the source. From piece to piece sound jumps back or ahead, to where
its waveform goes on best, so that on the whole it follows the speed (waveform similarity overlap
and add). Where something begins (a click, a beat, a consonant), the piece is laid so that its
loudest moment is heard when it should, and it is heard once; what lies between such moments is
heard up to 20 ms sooner or later.

Reference: Verhelst, Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for
high quality time-scale modification of speech", ICASSP 1993.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .reel import Along, Reel, Samples

# Seconds.
_PIECE = 0.030  # between two fades
_FADE = 0.008
_SEARCH = 0.008  # so far from where it should be a piece may begin
_RISE = 0.008  # an onset is loudest so soon
_BEFORE = 0.010  # the loudest moment of an onset; so long it is heard whole
_AFTER = 0.004  # it; so long it is heard once
_APART = 0.050  # onsets that are nearer to each other than this are one
_BLOCK = 0.001  # the detector's step

_PAST = 25  # blocks that an onset is compared with
_JUMP = 4.0  # times as much energy as any block before it
_FAINT = 1e-7  # energy of a sample; what is fainter is no onset
_PULL = 0.1  # of the correlation; so much less is a piece worth at the edge of the search


class _Onset(NamedTuple):
    """Where something that begins is loudest: a sample of the result, and one of the source."""

    heard: int
    place: int


def pieces_in_pitch(sound: Reel, along: Along, rate: int) -> Iterator[Samples]:
    """The sound as it is heard along a curve, in its own pitch: C N each.

    Args:
        sound: the source.
        along: which sample of it is heard when.
        rate: samples a second.
    """
    piece, fade, search, before, after = (
        max(1, round(seconds * rate)) for seconds in (_PIECE, _FADE, _SEARCH, _BEFORE, _AFTER)
    )
    fading_in = np.sin(np.linspace(0, np.pi / 2, fade)) ** 2
    block, rise, apart = (max(1, round(seconds * rate)) for seconds in (_BLOCK, _RISE, _APART))
    found = _Onsets(block, rise, apart)
    heard = shift = 0  # samples of the result; how far ahead of that their place in the source is
    last: _Onset | None = None
    while True:
        places, _ = along(heard + np.arange(2 * piece + 4 * fade))
        floor = int(places[0]) - 4 * piece
        until = int(places[-1]) + 2 * piece
        values = sound.between(floor, until + 2 * rise)
        count = sound.count_before_end(places)
        if not count:
            return
        found.look(values, floor, until)
        onset = found.after(last, heard, places, earliest=fade + before)

        stop = heard + piece  # where the next piece is faded in
        laid = onset if onset and onset.heard - before - fade <= stop + fade else None
        if laid:
            stop, due = laid.heard - before - fade, laid.place - laid.heard
        else:
            middle = piece + fade + piece // 2
            due = wanted = round(places[middle]) - heard - middle
            lowest, highest = wanted - search, wanted + search
            if last:  # which is not heard again
                lowest = max(lowest, last.place + after - stop)
                highest = max(highest, lowest)
            if onset:  # which is not heard yet
                end = min(stop + piece + 3 * fade, onset.heard - before)
                highest = min(highest, onset.place - before - end)
                lowest = min(lowest, highest)
            if not lowest <= shift == wanted <= highest:
                like = values[:, stop + shift - floor :][:, :fade]
                choice = values[:, stop + lowest - floor : stop + highest + fade - floor]
                pull = np.abs(np.arange(lowest, highest + 1) - wanted) * (_PULL / search)
                due = lowest + _best(choice, like, pull)
        going_on = values[:, heard + shift - floor : stop + shift + fade - floor]
        coming = values[:, stop + due - floor :][:, :fade]
        faded = going_on[:, -fade:] * (1 - fading_in) + coming * fading_in
        made = np.concatenate((going_on[:, :-fade], faded), axis=1)
        yield made[:, :count]
        if count < made.shape[1]:
            return
        heard, shift, last = stop + fade, due, laid or last


def _best(choice: Samples, like: Samples, pull: Samples) -> int:
    """Where in `choice` a stretch begins that is most like another, less what `pull` says."""
    fade = like.shape[1]
    mixed, like = choice.mean(0), like.mean(0)
    energy = np.concatenate(([0.0], np.cumsum(mixed**2)))
    energy = energy[fade:] - energy[:-fade]
    alike = np.correlate(mixed, like) / np.sqrt(np.maximum(energy * (like**2).sum(), _FAINT))
    return int((alike - pull).argmax())


class _Onsets:
    """Finds where something begins: much more happens there than at any time just before."""

    def __init__(self, block: int, rise: int, apart: int) -> None:
        self._block, self._rise, self._apart = block, rise, apart
        self._looked = 0
        self._past = np.zeros(_PAST)
        self._waiting: list[int] = []
        self._latest = -apart

    def look(self, values: Samples, floor: int, until: int) -> None:
        """Looks on, up to a place in the source; `values` begin at `floor` and end after it."""
        blocks = max(0, until - self._looked) // self._block
        if not blocks:
            return
        begin = self._looked - floor
        steps = np.abs(np.diff(values[:, begin - 1 :])).max(0)
        energy = (steps[: blocks * self._block] ** 2).reshape(blocks, self._block).mean(1)
        energy = np.concatenate((self._past, energy))
        before = np.lib.stride_tricks.sliding_window_view(energy, _PAST)[:-1].max(1)
        for index in np.flatnonzero(energy[_PAST:] > _JUMP * before + _FAINT):
            start = int(index) * self._block
            place = self._looked + start + int(steps[start : start + self._rise].argmax())
            if place - self._latest >= self._apart:
                self._waiting.append(place)
                self._latest = place
        self._past = energy[-_PAST:]
        self._looked += blocks * self._block

    def after(
        self, last: _Onset | None, heard: int, places: Samples, earliest: int
    ) -> _Onset | None:
        """The next onset that is neither too soon nor close to the last one.

        Where it is heard after all of `places`, the moment after them stands for its own.
        """
        while self._waiting:
            at = int(np.searchsorted(places, self._waiting[0]))
            onset = _Onset(heard + at, self._waiting[0])
            if at >= earliest and (last is None or onset.heard - last.heard >= self._apart):
                return onset
            self._waiting.pop(0)
        return None
