"""The options of the engine, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from torch import Tensor

from ..basics.arguments import check_fields, shown
from ..inference.rife import RIFE, USER_SCALES
from .scenes import SceneRules

Scale = float | Literal["auto"]
AUTO: Literal["auto"] = "auto"
"""The scale that is chosen for each pair."""

SCALES = (AUTO, *USER_SCALES)

Unsure = Literal["blend", "hold", "nearest"]
UNSURE: tuple[Unsure, ...] = get_args(Unsure)

MOST_AT_ONCE = 1024
"""Frames; as many more are held in memory meanwhile."""

_NO_RULES = SceneRules()


class OptionFields(TypedDict, total=False):
    """`Options` as keyword arguments; every entry may be left out."""

    scale: Scale
    ensemble: bool
    batch_size: int
    max_memory: int
    scenes: SceneRules
    keep: Tensor | None
    unsure: Unsure


@dataclass(frozen=True, eq=False)
class Options:
    """How frames are interpolated.

    Attributes:
        scale: see `RIFE.inference`; or "auto": 1, but where the two sides of an interpolated frame
            contradict each other, what of 1, 0.5 and 0.25 makes them agree best, chosen
            once for each pair.
        ensemble: see `RIFE.inference`.
        batch_size: how many frames are interpolated at once, on a CPU side by side on a core or
            more each; 0 chooses by device and size.
        max_memory: bytes that interpolating may take on the device; 0 sets no limit.
        scenes: what to do at cuts and with repeated frames.
        keep: H W in [0, 1], or N H W with one for each source frame; where it is 1, interpolated
            frames show the nearer source frame (captions, displays).
        unsure: what to show where the motion was not understood (see `unsure.unsure_share`):
            "blend", what the network mixes of the two sides; "hold", the earlier source frame;
            "nearest", the nearer one.

    Raises:
        ValueError: a value that no run can have.

    Example:
        >>> Options(scale=3)
        Traceback (most recent call last):
        ValueError: scale is 3; it must be one of auto, 0.25, 0.5, 1.0, 2.0, 4.0.
    """

    scale: Scale = 1.0
    ensemble: bool = False
    batch_size: int = 0
    max_memory: int = 0
    scenes: SceneRules = _NO_RULES
    keep: Tensor | None = None
    unsure: Unsure = "blend"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.scale not in SCALES:
            known = ", ".join(map(str, SCALES))
            raise ValueError(f"scale is {self.scale}; it must be one of {known}.")
        if not 0 <= self.batch_size <= MOST_AT_ONCE:
            raise ValueError(
                f"batch_size is {shown(self.batch_size)}; it must be 0 (automatic) or more, and at "
                f"most {MOST_AT_ONCE}."
            )
        if self.max_memory < 0:
            raise ValueError(
                f"max_memory is {shown(self.max_memory)}; it must be 0 (no limit) or more."
            )
        if self.keep is not None and self.keep.ndim not in (2, 3):
            raise ValueError(f"keep is {tuple(self.keep.shape)}; it must be H W or N H W.")

    def check(self, network: RIFE, height: int, width: int) -> None:
        """Raises ValueError where `network`, or frames of this size, do not allow them."""
        network.check_ensemble(self.ensemble)
        if self.keep is not None and self.keep.shape[-2:] != (height, width):
            raise ValueError(
                f"keep is {tuple(self.keep.shape)}, but the frames are {height} high and "
                f"{width} wide; give a mask of their size."
            )
