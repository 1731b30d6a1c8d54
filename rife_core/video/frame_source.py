"""What all readers have in common: files, folders of pictures, pipes, and parts of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from torch import Tensor

from .clock import Clock
from .pixels import PixelKind


class FrameSource(Protocol):
    """Frames in order, each with its time; see `VideoReader` for what the attributes mean."""

    @property
    def path(self) -> Path:
        """Its name, for messages."""
        ...

    @property
    def width(self) -> int:
        """In pixels."""
        ...

    @property
    def height(self) -> int:
        """In pixels."""
        ...

    @property
    def fps(self) -> Fraction:
        """The frame rate."""
        ...

    @property
    def kind(self) -> PixelKind:
        """How the picture is stored."""
        ...

    @property
    def channels(self) -> int:
        """3, or 4 with transparency."""
        ...

    @property
    def has_alpha(self) -> bool:
        """Whether there is transparency, read or not."""
        ...

    @property
    def audio_codecs(self) -> list[str]:
        """The codec of each sound track."""
        ...

    @property
    def allow_damaged(self) -> bool:
        """Whether frames may be missing."""
        ...

    @property
    def explains_count(self) -> bool:
        """Whether `notes` says why another number of frames came than was promised."""
        ...

    @property
    def clock(self) -> Clock:
        """When the frames are shown. A count of 0: how many come is not known before."""
        ...

    def timed(self, first: int = 0) -> Iterator[tuple[Fraction, Tensor]]:
        """Frames from number `first` on, H W C, each with its time in seconds after frame 0."""
        ...

    def check(self) -> str | None:
        """Raises a VideoError where it is damaged."""
        ...

    def check_unchanged(self) -> None:
        """Raises a VideoError where it is not what was opened."""
        ...

    def notes(self) -> list[str]:
        """Sentences on what a person should know."""
        ...

    def identity(self) -> Mapping[str, object] | None:
        """What tells it from any other source, as JSON; None where it cannot be read twice."""
        ...
