"""The stages of a frame, from source to result: source frames, pairs, tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..inference.rife import RIFE
from ..networks.estimate import EncodedFrame
from .options import Options
from .pixel_formats import ImageAlpha, mix, to_frame, to_image_alpha
from .report import Report
from .transfers import Pending, Transfers
from .unsure import unsure_share


class SourceFrame:
    """A source frame; uploaded and encoded when first needed, then kept for both of its pairs.

    NaN is 0 for the network.
    """

    def __init__(self, frame: Tensor, number: int, report: Report) -> None:
        self.frame = frame
        self.number, self._report = number, report
        self._pending: Pending | None = None
        self._picture: DeviceFrame | None = None

    def upload(self, transfers: Transfers) -> Pending:
        """Starts copying the frame to the device, unless that has been done."""
        if self._pending is None:
            self._pending = transfers.upload(self._checked())
        return self._pending

    def on_device(self, transfers: Transfers) -> DeviceFrame:
        """The frame on the device."""
        if self._picture is None:
            self._picture = DeviceFrame(to_image_alpha(self.upload(transfers)()))
            self._pending = None
        self._picture = self._picture.on(transfers.device)
        return self._picture

    def _checked(self) -> Tensor:
        if not self.frame.is_floating_point():
            return self.frame
        low, high = (float(value) for value in self.frame.aminmax())
        if not (isfinite(low) and isfinite(high)):  # also where they are NaN
            self._report.not_finite.append(self.number)
            return self.frame.nan_to_num(0, 0, 0)
        if low < 0 or high > 1:
            self._report.beyond_range.append(self.number)
        return self.frame


class DeviceFrame:
    """A frame on the device, with its encoding for a network, computed on first use."""

    def __init__(self, pixels: ImageAlpha) -> None:
        self.pixels = pixels
        self._frames: dict[float, EncodedFrame] = {}
        self._network: RIFE | None = None

    def frame(self, network: RIFE, scale: float) -> EncodedFrame:
        """See `RIFE.prepare`."""
        if self._network is not network:
            self._frames, self._network = {}, network
        if scale not in self._frames:
            self._frames[scale] = network.prepare(self.pixels.image, scale)
        return self._frames[scale]

    def on(self, device: torch.device) -> DeviceFrame:
        """The same on `device`; itself where it is there."""
        if self.pixels.image.device == device:
            return self
        return self.tile(slice(None), slice(None), device)

    def tile(self, rows: slice, columns: slice, device: torch.device) -> DeviceFrame:
        """A part of it on `device`."""
        image, alpha = (
            None if each is None else each[..., rows, columns].to(device) for each in self.pixels
        )
        return DeviceFrame(ImageAlpha(cast(Tensor, image), alpha))


@dataclass
class Pair:
    """Two neighbouring source frames, and the midpoints already interpolated between them.

    Attributes:
        scale: at which its motion is estimated, once that is decided.
    """

    left: SourceFrame
    right: SourceFrame
    scale: float | None = None
    between: dict[Fraction, DeviceFrame] = field(default_factory=dict[Fraction, "DeviceFrame"])

    def at(self, timestep: Fraction, transfers: Transfers) -> DeviceFrame:
        """The picture at a timestep where one is known."""
        if timestep in (0, 1):
            return (self.right if timestep else self.left).on_device(transfers)
        self.between[timestep] = self.between[timestep].on(transfers.device)
        return self.between[timestep]


@dataclass(frozen=True)
class ReadyFrame:
    """An output frame that needs no network; `is_wanted` and `scene`: see `Task`."""

    result: Tensor
    is_wanted: bool = True
    scene: int = 0
    is_ready = True


class Task:
    """A requested frame: started in a batch, finished when its copy arrives.

    Attributes:
        pair, timestep: between what, and where; above 1 motion is carried on beyond.
        is_wanted: it is handed on; else it only fills a batch as it does in a whole clip.
        scene: how many cuts come before it.
    """

    def __init__(
        self, pair: Pair, timestep: Fraction, is_wanted: bool = True, scene: int = 0
    ) -> None:
        self.pair = pair
        self.timestep = timestep
        self.is_wanted = is_wanted
        self.scene = scene
        self.wanted = Request(pair, Fraction(0), timestep, Fraction(1))
        self.disagreement: Tensor = torch.empty(0, device="cpu")
        self._pending: tuple[Pending, Pending] | None = None
        self._unsure: Pending | None = None
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

    def take(self, made: InterpolatedFrame, transfers: Transfers, options: Options) -> None:
        """Starts downloading a frame, in the format of its source."""
        like = self.pair.left.frame
        frame = to_frame(made.image, made.alpha, like)
        self._pending = (
            transfers.download(frame, like.device),
            transfers.download(made.signs, like.device),
        )
        disagreement, doubt = made.maps
        self.disagreement = disagreement
        if options.unsure != "blend" and self.timestep < 1:
            self._unsure = transfers.download(unsure_share(doubt), like.device)

    def signs(self) -> Tensor:
        """See `InterpolatedFrame`; waits for them."""
        assert self._pending is not None, "the task was not begun"
        return self._pending[1]()

    def end(self, options: Options, report: Report) -> None:
        """Waits for the frame; puts source frames where `options` want them."""
        assert self._pending is not None, "the task was not begun"
        result = self._pending[0]()
        left, keep = self.pair.left, options.keep
        near = left if self.timestep < Fraction(1, 2) else self.pair.right
        if self._unsure is not None:
            share = self._unsure()
            if bool(share.any()):
                shown = left if options.unsure == "hold" else near
                result = mix(result, shown.frame, share[..., None])
                report.unsure += 1
        if keep is not None:
            if keep.ndim == 3:
                keep = keep[min(near.number, len(keep)) - 1]
            result = mix(result, near.frame, keep[..., None])
        self._result, self._pending, self._unsure = result, None, None


OutputFrame = ReadyFrame | Task


class InterpolatedFrame(NamedTuple):
    """One interpolated frame, cropped: image 3 H W, alpha 1 H W or None, maps 2 H W.

    `maps` are `Estimate.disagreement` and `Estimate.doubt`; 0 where nobody wants them.
    `signs` are three numbers that tell whether it will do: the sum of the image, in which a
    single NaN shows, how far the two sides are apart in the mean, and the scale.
    """

    image: Tensor
    alpha: Tensor | None
    maps: Tensor
    signs: Tensor


class Request(NamedTuple):
    """The middle of two frames of a pair, to be interpolated at `scale`; 0 leaves that to the pair.

    All three are places in the pair.
    """

    pair: Pair
    low: Fraction
    middle: Fraction
    high: Fraction
    scale: float = 0

    @property
    def share(self) -> float:
        """Where the middle lies between the two."""
        return float((self.middle - self.low) / (self.high - self.low))


class NetworkCall(NamedTuple):
    """Two pictures, where between or beyond them a frame is made, and at which scale."""

    low: DeviceFrame
    high: DeviceFrame
    time: float
    scale: float

    @property
    def is_beyond(self) -> bool:
        """Whether the frame comes after both."""
        return self.time > 1
