"""The report on a finished file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..engine.report import Report


@dataclass(frozen=True)
class FileReport:
    """The report on a finished file.

    Attributes:
        frames: how many frames were written.
        made: how many frames this run made.
        fps: their rate.
        seconds: how long it took.
        resumed: how many frames an earlier run had written.
        notes: sentences on what a person should know.
        engine: what the engine met in this run.
    """

    frames: int
    made: int
    fps: Fraction
    seconds: float
    resumed: int = 0
    notes: tuple[str, ...] = ()
    engine: Report = field(default_factory=Report)
