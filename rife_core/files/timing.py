"""Which frames of a clip are asked for: plain values, from the command line or from a job."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction

from ..engine.scenes import AtCut, Pacing, Repeats, SceneRules, parse_cuts
from ..timeline import End, Timeline, as_multiplier
from ..timeline.replaced import parse_replaced
from ..timeline.shutter import DEFAULT_EXPOSURES, Shutter
from ..timeline.speed_curve import SpeedCurve

_AUTO = "auto"
_RULES = SceneRules()


@dataclass(frozen=True)
class Timing:
    """The options of `rife-video interpolate` that say which frames are wanted.

    Attributes:
        multiplier, fps, schedule, slow_motion, end: see `Timeline`; by default the multiplier is
            2, or 1 where frames are replaced.
        speed: see `SpeedCurve.parse`.
        blur, exposures: angle and exposures of the `Shutter`.
        replace: see `parse_replaced`; or "auto" for frames that repeat the one before them or are
            damaged.
        at_cut, cuts, repeats, repeat_threshold, longest_repeat, pacing: see `SceneRules`; `cuts`
            as text.

    Raises:
        ValueError: options that exclude each other, or that cannot be read.

    Example:
        >>> str(Timing(fps="60").timeline(Fraction(24)).step)
        '2/5'
    """

    multiplier: int | str | None = None
    fps: str | None = None
    schedule: str = ""
    slow_motion: bool = False
    end: End = "last_frame"
    speed: str | None = None
    blur: float | None = None
    exposures: int = DEFAULT_EXPOSURES
    replace: str = ""
    at_cut: AtCut = "hold"
    cuts: str = ""
    repeats: Repeats = "keep"
    repeat_threshold: float = _RULES.repeat_threshold
    longest_repeat: int = _RULES.longest_repeat
    pacing: Pacing = _RULES.pacing

    def __post_init__(self) -> None:
        if self.fps and (self.schedule or self.slow_motion):
            raise ValueError(
                "--fps goes with neither --schedule nor --slow-motion; give --multiplier instead."
            )
        if self.speed and self.slow_motion:
            raise ValueError(
                "--speed and --slow-motion both say how fast to run; give one of them."
            )
        if self.blur is not None and self.replace:
            raise ValueError(
                "--blur averages every frame, and --replace copies all but some; give one of them."
            )
        self.timeline(Fraction(24))  # both refuse what cannot be read
        _ = self.scenes

    @classmethod
    def of(cls, asked: object) -> Timing:
        """What an object asks for whose attributes have these names."""
        return cls(**{field.name: getattr(asked, field.name) for field in dataclasses.fields(cls)})

    @property
    def finds_frames(self) -> bool:
        """Whether the frames to replace are to be detected: repeated and damaged ones."""
        return self.replace.strip() == _AUTO

    @property
    def rate(self) -> Fraction:
        """Output frames for each source frame, where neither a rate nor a schedule says it."""
        if self.multiplier is None:
            return Fraction(1 if self.replace else 2)
        return as_multiplier(self.multiplier)

    def timeline(self, source_fps: Fraction) -> Timeline:
        """Which frames are wanted of a source of this rate."""
        timeline = (
            Timeline.retime(source_fps, self.fps, self.end)
            if self.fps
            else Timeline.multiply(self.rate, self.end, self.schedule)
        )
        if self.speed:
            timeline = dataclasses.replace(timeline, speed=SpeedCurve.parse(self.speed))
        if self.blur is not None:
            shutter = Shutter.of(self.blur, self.exposures)
            timeline = dataclasses.replace(timeline, shutter=shutter)
        return timeline

    @property
    def scenes(self) -> SceneRules:
        """The rules for cuts, repeated frames and replaced frames."""
        return SceneRules(
            self.at_cut,
            parse_cuts(self.cuts),
            "retime" if self.finds_frames else self.repeats,
            repeat_threshold=self.repeat_threshold,
            longest_repeat=self.longest_repeat,
            pacing=self.pacing,
            replaced=frozenset[int]() if self.finds_frames else parse_replaced(self.replace),
        )
