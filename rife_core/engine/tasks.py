"""What is to be made, from a source frame to the result: frames, pairs, tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..inference.rife import RIFE
from ..networks.estimate import Frame
from .pixel_formats import Planes, from_planes, mix, to_planes
from .report import Report
from .transfers import Arrival, Copies


class Source:
    """A source frame; made ready for the network when first needed, then kept for both pairs.

    Values that are no numbers are 0 for the network.
    """

    def __init__(self, frame: Tensor, number: int, report: Report) -> None:
        self.frame = frame
        self.number, self._report = number, report
        self._arrival: Arrival | None = None
        self._picture: Picture | None = None

    def send(self, copies: Copies) -> Arrival:
        """Begins to copy the frame to the device, if that has not been done."""
        if self._arrival is None:
            self._arrival = copies.send(self._checked())
        return self._arrival

    def picture(self, copies: Copies) -> Picture:
        """The frame on the device."""
        if self._picture is None:
            self._picture = Picture(to_planes(self.send(copies)()))
            self._arrival = None
        self._picture = self._picture.on(copies.device)
        return self._picture

    def _checked(self) -> Tensor:
        if not self.frame.is_floating_point():
            return self.frame
        low, high = (float(value) for value in self.frame.aminmax())
        if not (isfinite(low) and isfinite(high)):  # also where they are no numbers
            self._report.not_finite.append(self.number)
            return self.frame.nan_to_num(0, 0, 0)
        if low < 0 or high > 1:
            self._report.beyond_range.append(self.number)
        return self.frame


class Picture:
    """Planes of a frame, and what a network knows of them, computed when first asked for."""

    def __init__(self, planes: Planes) -> None:
        self.planes = planes
        self._frames: dict[float, Frame] = {}
        self._network: RIFE | None = None

    def frame(self, network: RIFE, scale: float) -> Frame:
        """See `RIFE.prepare`."""
        if self._network is not network:
            self._frames, self._network = {}, network
        if scale not in self._frames:
            self._frames[scale] = network.prepare(self.planes.image, scale)
        return self._frames[scale]

    def on(self, device: torch.device) -> Picture:
        """The same on `device`; itself where it is there."""
        if self.planes.image.device == device:
            return self
        return self.tile(slice(None), slice(None), device)

    def tile(self, rows: slice, columns: slice, device: torch.device) -> Picture:
        """A part of it on `device`."""
        image, alpha = (
            None if plane is None else plane[..., rows, columns].to(device) for plane in self.planes
        )
        return Picture(Planes(cast(Tensor, image), alpha))


@dataclass
class Pair:
    """Two neighbouring source frames, and what was made between them on the way elsewhere.

    Attributes:
        scale: at which its motion is estimated, once that is decided.
    """

    left: Source
    right: Source
    scale: float | None = None
    between: dict[Fraction, Picture] = field(default_factory=dict[Fraction, "Picture"])

    def at(self, timestep: Fraction, copies: Copies) -> Picture:
        """The picture at a timestep where one is known."""
        if timestep in (0, 1):
            return (self.right if timestep else self.left).picture(copies)
        self.between[timestep] = self.between[timestep].on(copies.device)
        return self.between[timestep]


class Task:
    """One frame to make: taken from the network, then ended once it has come home."""

    def __init__(self, pair: Pair, timestep: Fraction) -> None:
        self.pair = pair
        self.timestep = timestep
        self.wanted = Request(pair, Fraction(0), timestep, Fraction(1))
        self.disagreement: Tensor = torch.empty(0)
        self._arrivals: tuple[Arrival, Arrival] | None = None
        self._result: Tensor | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it was ended."""
        return self._result is not None

    @property
    def result(self) -> Tensor:
        """H W C, of the kind of its source."""
        assert self._result is not None, "the task was not run"
        return self._result

    def take(self, made: InterpolatedFrame, copies: Copies) -> None:
        """Begins to bring home a frame of the kind of its source."""
        like = self.pair.left.frame
        frame = from_planes(made.image, made.alpha, like)
        self._arrivals = copies.fetch(frame, like.device), copies.fetch(made.signs, like.device)
        self.disagreement = made.disagreement

    def signs(self) -> Tensor:
        """See `InterpolatedFrame`; waits for them."""
        assert self._arrivals is not None, "the task was not begun"
        return self._arrivals[1]()

    def end(self, keep: Tensor | None) -> None:
        """Waits for the frame."""
        assert self._arrivals is not None, "the task was not begun"
        result = self._arrivals[0]()
        if keep is not None:
            near = (self.pair.left if self.timestep < Fraction(1, 2) else self.pair.right).frame
            result = mix(result, near, keep[..., None])
        self._result, self._arrivals = result, None


class InterpolatedFrame(NamedTuple):
    """One made picture, cropped: image 3 H W, alpha 1 H W or None, disagreement H W.

    `signs` are three numbers that tell whether it will do: the sum of the image, in which one
    value that is no number shows, how far the two sides are apart in the mean, and the scale.
    """

    image: Tensor
    alpha: Tensor | None
    disagreement: Tensor
    signs: Tensor


class Request(NamedTuple):
    """The middle of two pictures of a pair, to be made at `scale`; None: the pair's or the first.

    All three are places in the pair.
    """

    pair: Pair
    low: Fraction
    middle: Fraction
    high: Fraction
    scale: float | None = None

    @property
    def share(self) -> float:
        """Where the middle lies between the two."""
        return float((self.middle - self.low) / (self.high - self.low))


class NetworkCall(NamedTuple):
    """Two pictures, where between them a frame is made, and at which scale."""

    low: Picture
    high: Picture
    time: float
    scale: float
