"""The report of a run: counted while the engine works, summarised in sentences afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import groupby
from math import ceil
from typing import Any

from .memory_plan import MIB
from .scenes import SceneReport


@dataclass
class Report:
    """Counts of a run. Frames and pairs are counted from 1.

    Attributes:
        frames_in, frames_out, made: how many frames came, went and were made.
        pairs: for each stretch between source frames, how many frames came out of it.
        scenes: cuts and repeated frames that were found.
        plans: how frames were made: the first plan, then each one that memory forced.
        memory: bytes that the first plan was estimated to take besides the weights.
        beyond_range: source frames with values beyond [0, 1]; networks see them clamped.
        not_finite: source frames with NaN or infinite values; networks see 0.
        coarser: pairs, by their first frame, whose large motion was estimated at a coarser
            scale.
        redone: frames that were made again in float32, because they were not finite.
        closed_by: the last source frame, where a loop was closed by it and goes on with the first.
        unsure: frames that show a source frame where the motion was not understood.
        shutter: how frames were exposed, where they were; `pairs` and `made` count exposures then.
    """

    frames_in: int = 0
    frames_out: int = 0
    made: int = 0
    pairs: list[int] = field(default_factory=list[int])
    scenes: SceneReport = field(default_factory=SceneReport)
    plans: list[str] = field(default_factory=list[str])
    memory: int = 0
    beyond_range: list[int] = field(default_factory=list[int])
    not_finite: list[int] = field(default_factory=list[int])
    coarser: list[int] = field(default_factory=list[int])
    redone: int = 0
    closed_by: int = 0
    unsure: int = 0
    shutter: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)

    def text(self, source_fps: Fraction, fps: Fraction) -> str:
        """The run in a few sentences, with remarks only where something was unusual.

        Example:
            >>> report = Report(frames_in=49, frames_out=97, made=48, pairs=[2] * 48)
            >>> report.plans, report.memory = ["1 at once on cpu"], 132 * MIB
            >>> print(report.text(Fraction(8), Fraction(16)))
            49 frames at 8 fps (6.125 s) became 97 at 16 fps (6.062 s); 48 were made.
            Frames per pair: 1-48: 2.
            Made 1 at once on cpu, in about 132 MiB.
        """

        def timed(frames: int, rate: Fraction) -> str:
            return f"{frames} {{}}at {float(rate):.6g} fps ({float(frames / rate):.3f} s)"

        plural = "" if self.frames_in == 1 else "s"
        before = timed(self.frames_in, source_fps).format(f"frame{plural} ")
        after = timed(self.frames_out, fps).format("")
        were = "was" if self.made == 1 else "were"
        lines = [f"{before} became {after}; {self.made} {were} made."]
        if self.frames_in == 1:
            lines.append("Nothing lies between one frame and itself: it was returned unchanged.")
        else:
            lines.append(f"Frames per pair: {_stretches(self.pairs)}.")
        if self.made:
            lines.append(f"Made {self.plans[0]}, in about {ceil(self.memory / MIB)} MiB.")
        return "\n".join(lines + self.remarks())

    def remarks(self) -> list[str]:
        """One sentence for each unusual event."""
        remarks = {
            "Blurred": [self.shutter] if self.shutter else [],
            "New scenes begin at frames": self.scenes.cuts,
            "Repeated frames": [f"{first}-{last}" for first, last in self.scenes.runs],
            "Left out of the loop, as it repeats the first frame": (
                [f"frame {self.closed_by}"] if self.closed_by else []
            ),
            "Values beyond 0 to 1 in frames": self.beyond_range,
            "NaN or infinite values in frames": self.not_finite,
            "Large motion, estimated at a coarser scale, after frames": self.coarser,
            "Memory was short; went on with": self.plans[1:],
            "Made again in float32": [self.redone] if self.redone else [],
            "Show a source frame where motion was not understood": (
                [f"{self.unsure} of {self.made}"] if self.unsure else []
            ),
        }
        return [f"{title}: {_listed(items)}." for title, items in remarks.items() if items]


_LISTED = 12


def _listed(items: Sequence[object]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(map(str, items[:_LISTED])) + more


def _stretches(counts: Sequence[int]) -> str:
    """Counts by pair in the grammar of schedules: "1-10: 4, 11: 1"."""
    parts: list[str] = []
    for count, group in groupby(enumerate(counts, 1), key=lambda pair: pair[1]):
        numbers = [number for number, _ in group]
        first, last = numbers[0], numbers[-1]
        parts.append(f"{first}-{last}: {count}" if last > first else f"{first}: {count}")
    return _listed(parts)
