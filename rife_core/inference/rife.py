"""RIFE: the plain network, run fast: any size, any row, any time between two frames.

`RIFE.inference` makes one frame. `prepare` and `synthesize` are its two halves, for those
who keep what neighbouring pairs share. What makes it faster than `FlowNetwork` is the
sparse pyramid, a backend, and the fast forms of `ops`; without them it runs all the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..basics.arguments import checked
from ..networks.estimate import EncodedFrame, Estimate, FramePair, as_timesteps
from ..networks.ifnet import FlowNetwork
from ..networks.inputs import check_images
from ..networks.padding import alignment, crop, pad_to_multiple
from ..networks.specs import NetworkSpec, get_spec
from ..ops.dispatch import undisturbed
from . import sparse_pyramid
from .halving import nearest_halving

USER_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


class Synthesis(NamedTuple):
    """An interpolated frame, and the estimate that it was blended by.

    Attributes:
        image: B 3 H W of the padded size, in [0, 1], float32.
        estimate: its last flow, mask and warped sides.
    """

    image: Tensor
    estimate: Estimate

    @staticmethod
    def join(parts: Sequence[Synthesis]) -> Synthesis:
        """Several interpolated frames as one batch."""
        images, estimates = zip(*parts, strict=True)
        return Synthesis(torch.cat(images), Estimate.join(estimates))


class InferenceBackend(Protocol):
    """Runs the two steps of inference in another way than eager PyTorch; see `backends`."""

    def encode(self, image: Tensor) -> EncodedFrame | None:
        """`FlowNetwork.encode_frame` of B 3 H W, clamped and padded; None: not this one."""
        ...

    def synthesize(self, pair: FramePair, scale: float) -> Synthesis | None:
        """`RIFE.run_eagerly`; None: not this one."""
        ...


class RIFE(FlowNetwork):
    """Any row of the table of RIFE networks, for inference.

    Args:
        spec: the row.
        teacher: see `FlowNetwork`.

    Attributes:
        backend: what runs it; None is eager PyTorch.
    """

    def __init__(self, spec: NetworkSpec, *, teacher: bool = True) -> None:
        super().__init__(spec, teacher=teacher)
        _survive_forks()
        self.backend: InferenceBackend | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy has weights of its own; what was compiled for these must not run for it.
        return {**self.__dict__, "backend": None}

    @torch.no_grad()
    @undisturbed()
    @checked
    def inference(
        self,
        img0: Tensor,
        img1: Tensor,
        timestep: float | Fraction | Tensor = 0.5,
        scale: float = 1.0,
        ensemble: bool = False,
    ) -> Tensor:
        """Interpolates the frame at `timestep` between two frames of any size.

        Networks that know the midpoint only ("rife", "hdv3") reach other timesteps
        by halving the interval again and again, to the nearest 1/64.

        Args:
            img0: B 3 H W in [0, 1] (values beyond are clamped), any H and W.
            img1: the same.
            timestep: 0 is img0, 1 is img1; a number, or a tensor with one for each
                of the B samples.
            scale: below 1 estimates motion on smaller frames (large sizes, fast
                motion), above 1 on larger ones; 0.25, 0.5, 1, 2 or 4.
            ensemble: average over two ways to look at the pair; twice the time.

        Returns:
            B 3 H W in [0, 1], float32.

        Raises:
            ValueError: shapes, timestep or scale do not fit, or the network has no
                ensemble.
        """
        check_images(img0=img0, img1=img1)
        if not self.spec.arbitrary_timestep:
            times = as_timesteps(timestep, img0).flatten().tolist()
            samples = zip(img0.split(1), img1.split(1), times, strict=True)
            return torch.cat([self._halve(*sample, scale, ensemble) for sample in samples])
        frame0, frame1 = self.prepare(img0, scale), self.prepare(img1, scale)
        image = self.synthesize(frame0, frame1, timestep, scale, ensemble).image
        return crop(image, *img0.shape[-2:])

    @undisturbed()
    def prepare(self, img: Tensor, scale: float = 1.0) -> EncodedFrame:
        """Clamps, pads and encodes one source frame, or a batch of them.

        Shape:
            img: B 3 H W in [0, 1], any H and W, any floating type
        """
        if scale not in USER_SCALES:
            known = ", ".join(map(str, USER_SCALES))
            raise ValueError(f"scale is {scale}; it must be one of {known}.")
        multiple = alignment(self.spec, self.spec.scales[0] / scale)
        image = img.to(torch.promote_types(next(self.parameters()).dtype, torch.float32))
        image = pad_to_multiple(image.clamp(0, 1), multiple)
        encoded = self.backend.encode(image) if self.backend else None
        return encoded or self.encode_frame(image)

    @undisturbed()
    def synthesize(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        timestep: float | Fraction | Tensor = 0.5,
        scale: float = 1.0,
        ensemble: bool = False,
    ) -> Synthesis:
        """Interpolates between two prepared frames, in one run of the network.

        Arguments are those of `inference`, but a network that knows the midpoint
        only takes no other timestep than 0.5 here.

        Raises:
            ValueError: the timestep does not fit, or the network has no ensemble.
        """
        self.check_ensemble(ensemble)
        pair = self._pair_at(frame0, frame1, timestep)
        if self._must_split(pair):
            return Synthesis.join([self.synthesize(*one, scale, ensemble) for one in pair.split()])
        if self.backend and not ensemble:
            synthesis = self.backend.synthesize(pair, scale)
            if synthesis is not None:
                return synthesis
        synthesis = self.run_eagerly(pair, scale, ensemble)
        if ensemble and self.spec.ensemble == "flip":
            turned0, turned1 = (self.encode_frame(image.flip(2, 3)) for image in pair.images)
            turned = self.run_eagerly(FramePair(turned0, turned1, pair.times), scale, ensemble)
            image = (synthesis.image + turned.image.flip(2, 3)) / 2
            synthesis = Synthesis(image, synthesis.estimate)
        return synthesis

    @undisturbed()
    def estimate(
        self,
        frame0: EncodedFrame,
        frame1: EncodedFrame,
        timestep: float | Fraction | Tensor = 0.5,
        scale: float = 1.0,
    ) -> Estimate:
        """Flow, mask and warped sides between two prepared frames, without the frame itself.

        Arguments and errors are those of `synthesize`.
        """
        pair = self._pair_at(frame0, frame1, timestep)
        if self._must_split(pair):
            return Estimate.join([self.estimate(*one, scale) for one in pair.split()])
        return self.final_estimate(pair, self._scales(scale))

    def run_eagerly(self, pair: FramePair, scale: float, ensemble: bool = False) -> Synthesis:
        """One run of the network by PyTorch, whatever backend is set."""
        last = self.final_estimate(pair, self._scales(scale), ensemble)
        return Synthesis(*self.refine(pair, last))

    def final_estimate(
        self, pair: FramePair, scales: Sequence[float] | None = None, ensemble: bool = False
    ) -> Estimate:
        """`FlowNetwork.final_estimate` by the sparse pyramid, where that can run."""
        scales = self.spec.scales if scales is None else scales
        return sparse_pyramid.final_estimate(self, pair, scales, ensemble)

    def check_ensemble(self, ensemble: bool) -> None:
        """Raises ValueError where `ensemble` is asked of a network that has none."""
        if ensemble and self.spec.ensemble == "none":
            raise ValueError(
                f"The network {self.spec.version!r} was published without an ensemble mode. "
                "Switch ensemble off, or choose a release before 4.21."
            )

    def _scales(self, scale: float) -> list[float]:
        return [each / scale for each in self.spec.scales]

    def _pair_at(
        self, frame0: EncodedFrame, frame1: EncodedFrame, timestep: float | Fraction | Tensor
    ) -> FramePair:
        times = as_timesteps(timestep, frame0.image)
        if not self.spec.arbitrary_timestep and bool((times != 0.5).any()):
            raise ValueError(
                f"The network {self.spec.version!r} knows the midpoint only; `inference` "
                "reaches other timesteps by halving."
            )
        return FramePair(frame0, frame1, times)

    def _must_split(self, pair: FramePair) -> bool:
        """Whether a sample could make the network rerun its neighbours in the batch."""
        return bool(self.spec.rerun_above) and len(pair.times) > 1

    def _halve(
        self, img0: Tensor, img1: Tensor, timestep: float, scale: float, ensemble: bool
    ) -> Tensor:
        size = img0.shape[-2:]
        known = {Fraction(0): self.prepare(img0, scale), Fraction(1): self.prepare(img1, scale)}
        target, halvings = nearest_halving(timestep)
        for low, middle, high in halvings:
            image = self.synthesize(known[low], known[high], 0.5, scale, ensemble).image
            known[middle] = self.prepare(crop(image, *size), scale)
        return crop(known[target].image, *size)


@cache
def _survive_forks() -> None:
    """Processes that are forked from this one compute in one thread.

    OpenMP's threads are not there after a fork: whoever asks for them waits for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class IFNet(RIFE):
    """The paper's network: three blocks at scales 4, 2, 1, refinement, the midpoint.

    Shape:
        see `RIFE.forward`; the network has no timestep input, so none is read
    """

    def __init__(self) -> None:
        super().__init__(get_spec("rife"))


class IFNet_m(RIFE):  # noqa: N801 - the documented name
    """The paper's network with a timestep input: any time between the two frames.

    Shape:
        see `RIFE.forward`
    """

    def __init__(self) -> None:
        super().__init__(get_spec("rife_m"))


@checked
def build_network(version: str) -> RIFE:
    """The network of one row, with fresh weights and the published parameter names.

    Raises:
        ValueError: no such version.

    Example:
        >>> network = build_network("4.25.lite").eval()
        >>> img0, img1 = torch.rand(2, 1, 3, 30, 50)
        >>> network.inference(img0, img1, timestep=0.25).shape
        torch.Size([1, 3, 30, 50])
    """
    documented = {"rife": IFNet, "rife_m": IFNet_m}
    return documented[version]() if version in documented else RIFE(get_spec(version))
