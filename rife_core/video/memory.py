"""Clips whose frames are in memory, or come from somewhere else one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..timeline import as_fraction
from .clock import Clock
from .pixels import Chroma, ColorTags, PixelKind
from .reader import Audio

_BYTE = 8  # bits
_UNHEARD = Fraction(1, 10)  # seconds; so much longer than the picture sound often is


class Frames(Protocol):
    """B H W C in [0, 1], read in order: a tensor, or what gives its frames one by one."""

    @property
    def shape(self) -> torch.Size:
        """B H W C."""
        ...

    def __iter__(self) -> Iterator[Tensor]: ...


class MemoryReader:
    """Frames with their sound. It has the interface of a `VideoReader`.

    Args:
        frames: what is shown; transparency is left out.
        fps: how many are shown a second.
        audio: sound, which is heard for no longer than they last.
        depth: bits that each of their values is worth.
        color: what their values mean.
        chroma: how finely their source has its colour; None: no finer than files mostly have it.
    """

    def __init__(
        self,
        frames: Frames,
        fps: Fraction | float | str,
        *,
        audio: Audio | None = None,
        depth: int = _BYTE,
        color: ColorTags = ColorTags(),  # noqa: B008 - a named tuple, so never changed
        chroma: Chroma | None = "444",
    ) -> None:
        self.path = Path("the video")
        self.allow_damaged = self.skip_damaged = self.explains_count = False
        self.fps = as_fraction(fps)
        count, self.height, self.width, channels = frames.shape
        self.channels, self.has_alpha = 3, channels == 4
        self.kind = PixelKind(color, depth, source_chroma=chroma if channels > 1 else None)
        self._frames, self._begin, self._count = frames, 0, count
        self._audio = audio
        self.audio_codecs = [] if audio is None else ["pcm"]
        self.beside = [f"audio ({codec})" for codec in self.audio_codecs]

    @property
    def audio(self) -> Audio | None:
        """The sound of these frames."""
        if self._audio is None:
            return None
        rate = self._audio["sample_rate"]
        begin, end = (
            ceil(frame / self.fps * rate) for frame in (self._begin, self._begin + self._count)
        )
        return {**self._audio, "waveform": self._audio["waveform"][..., begin:end]}

    @property
    def clock(self) -> Clock:
        """An even beat."""
        ticks = np.arange(self._count, dtype=np.int64)
        return Clock(
            *(self._count, True, self.fps, ticks, 1 / self.fps),
            *(self._count / self.fps, self._count),
        )

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """Frames from number `first` on, each with its time in seconds."""
        begin = self._begin + first
        frames = islice(self._frames, begin, self._begin + self._count)
        for index, frame in enumerate(frames, first):
            yield index / self.fps, frame[..., :3]

    def part(self, first: int, count: int | None) -> MemoryReader:
        """The same with `count` frames from frame `first` on."""
        part = copy(self)
        left = self._count - first
        part._begin, part._count = self._begin + first, left if count is None else min(count, left)
        return part

    def check(self) -> str | None:
        """Does nothing: frames in memory are not damaged."""
        return None

    def check_unchanged(self) -> None:
        """Does nothing: frames in memory do not change."""

    def notes(self) -> list[str]:
        """Sentences on what a person should know."""
        if self._audio is None or self._begin + self._count < self._frames.shape[0]:
            return []
        heard = Fraction(self._audio["waveform"].shape[-1], self._audio["sample_rate"])
        longer = heard - self._frames.shape[0] / self.fps
        if longer < _UNHEARD:
            return []
        return [f"Sound goes on for {float(longer):.2f} s after the last frame; that is left out."]

    def identity(self) -> None:
        """None: a later run cannot read it again."""
        return
