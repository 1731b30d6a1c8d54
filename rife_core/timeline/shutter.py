"""How long each output frame is exposed: a rule in exact fractions, no tensors."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from ..basics.arguments import check_fields, checked, shown

DEFAULT_EXPOSURES = 8
_MOST_EXPOSURES = 256


@dataclass(frozen=True)
class Shutter:
    """A shutter that opens at the time of a frame and stays open for a share of its duration.

    A frame is the mean of moments that are evenly spread over that time, the first one at the time
    of the frame.

    Attributes:
        angle: for how long it is open: 360 degrees are the whole duration of a frame.
        exposures: how many moments are averaged.

    Raises:
        ValueError: the angle is not above 0 and up to 360, or the exposures not 2 to 256.

    Example:
        >>> shutter = Shutter(Fraction(180), 4)
        >>> [str(shutter.moment(index)) for index in range(6)]
        ['0', '1/8', '1/4', '3/8', '1', '9/8']
    """

    angle: Fraction
    exposures: int = DEFAULT_EXPOSURES

    def __post_init__(self) -> None:
        check_fields(self)
        _check_angle(self.angle)
        if not 2 <= self.exposures <= _MOST_EXPOSURES:
            raise ValueError(
                f"{self.exposures} exposures were asked for; a blurred frame is the mean of 2 to "
                f"{_MOST_EXPOSURES}."
            )

    @classmethod
    @checked
    def of(cls, degrees: float, exposures: int = DEFAULT_EXPOSURES) -> Shutter:
        """A shutter of an angle that may be no finite number.

        Raises:
            ValueError: it is none, or see the class.

        Example:
            >>> Shutter.of(float("inf"))
            Traceback (most recent call last):
            ...
            ValueError: The shutter angle is inf; it must be above 0 and up to 360 degrees.
        """
        _check_angle(degrees)
        return cls(Fraction(degrees), exposures)

    def __str__(self) -> str:
        """For reports."""
        return (
            f"the shutter is open for {float(self.angle):g} degrees; each frame, source frames "
            f"too, is the mean of {self.exposures} exposures in linear light"
        )

    @property
    def open(self) -> Fraction:
        """The share of a frame's duration for which it is open."""
        return Fraction(self.angle) / 360

    def moment(self, index: int) -> Fraction:
        """When exposure `index` is made, in output frames."""
        frame, exposure = divmod(index, self.exposures)
        return frame + self.open * exposure / self.exposures

    def index(self, moment: Fraction) -> int:
        """The first exposure at a moment or after it.

        Example:
            >>> [Shutter(Fraction(180), 4).index(Fraction(m)) for m in ("0", "1/5", "1/2")]
            [0, 2, 4]
        """
        frame = floor(moment)
        exposure = ceil((moment - frame) * self.exposures / self.open)
        return frame * self.exposures + min(exposure, self.exposures)


def _check_angle(degrees: Fraction | float) -> None:
    if not 0 < degrees <= 360:
        raise ValueError(
            f"The shutter angle is {shown(degrees)}; it must be above 0 and up to 360 degrees."
        )
