"""What a caller may ask of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

from torch import Tensor

from ..inference.rife import USER_SCALES
from .scenes import SceneRules

Scale = float | Literal["auto"]
AUTO: Literal["auto"] = "auto"
"""The scale that is chosen for each pair."""

SCALES = (AUTO, *USER_SCALES)

_NO_RULES = SceneRules()


class Options(TypedDict, total=False):
    """How frames are made; every entry may be left out.

    Attributes:
        scale: see `RIFE.inference`; or "auto": 1, but where the two sides of an interpolated frame
            contradict each other, what of 1, 0.5 and 0.25 makes them agree best, chosen
            once for each pair.
        ensemble: see `RIFE.inference`.
        batch_size: how many frames are made at once, on a CPU side by side on a core or
            more each; 0 chooses by device and size.
        max_memory: bytes that making frames may take on the device; 0 sets no limit.
        scenes: what to do at cuts and with repeated frames.
        keep: H W in [0, 1], or N H W with one for each source frame; where it is 1, made
            frames show the nearer source frame (captions, displays).
    """

    scale: Scale
    ensemble: bool
    batch_size: int
    max_memory: int
    scenes: SceneRules
    keep: Tensor | None


@dataclass(frozen=True)
class Settings:
    """`Options` with all entries filled."""

    scale: Scale = 1.0
    ensemble: bool = False
    batch_size: int = 0
    max_memory: int = 0
    scenes: SceneRules = _NO_RULES
    keep: Tensor | None = None
