"""The frames of one of ComfyUI's videos, whole or decoded a few seconds at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ...rife_core.video import Audio

_PIECE_BYTES = 2**27


class Pieces:
    """The frames of one of ComfyUI's videos, decoded a few seconds at a time.

    Each piece is the video trimmed by itself, so that whatever else was done to it (a crop, a
    trim, joining several) is done to the piece.

    Args:
        video: ComfyUI's video.
        fps: its frame rate.
        count: how many frames it has.
    """

    def __init__(self, video: Any, fps: Fraction, count: int) -> None:
        self._video, self._fps, self._count = video, fps, count
        self._length = max(2, _PIECE_BYTES // frame_bytes(video))
        self.shape = torch.Size((count, *next(iter(self)).shape))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tensor]:
        for piece in self._pieces():
            yield from frames_of(piece)

    def audio(self) -> Audio | None:
        """The sound of all pieces; None if no piece has sound."""
        sounds = [piece.audio for piece in self._pieces() if piece.audio]
        if not sounds:
            return None
        waveform = torch.cat([sound["waveform"] for sound in sounds], -1)
        return Audio(waveform=waveform, sample_rate=sounds[0]["sample_rate"])

    def _pieces(self) -> Iterator[Any]:
        # Half a frame early, so that rounding cannot move a frame into the piece beside.
        bounds = [
            max(0.0, float((index - Fraction(1, 2)) / self._fps))
            for index in range(0, self._count, self._length)
        ]
        bounds.append(float(self._count / self._fps))
        for begin, stop in pairwise(bounds):
            piece = self._video.as_trimmed(begin, stop - begin, strict_duration=False)
            if piece is not None:
                yield piece.get_components()


def frames_of(components: Any) -> Tensor:
    """The frames of a video's components, B H W C; transparency is the fourth channel."""
    images, alpha = components.images, getattr(components, "alpha", None)
    if alpha is None or images.shape[-1] != 3:
        return images
    return torch.cat((images, alpha.reshape(*images.shape[:3], 1).to(images)), -1)


def frame_bytes(video: Any) -> int:
    """Bytes of one decoded frame of a video: three colours in float32."""
    width, height = video.get_dimensions()
    return 4 * 3 * width * height
