"""What all backends share: a program for each size, first checked against eager PyTorch."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock

import torch
from torch import Tensor, nn

from ...networks.estimate import EncodedFrame, Estimate, FramePair
from ...ops.dispatch import is_out_of_memory
from ...ops.psnr import psnr
from ..rife import RIFE, Synthesis

LEAST_PSNR = 50.0
"""Decibels between what a program makes and what eager PyTorch makes."""

HALF_PRECISION_SLACK = 3.0
"""Decibels by which a program may be farther from float32 than eager code of its precision is."""

Program = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""A step compiled for tensors of one shape; what it returns is the caller's to keep."""


class InferenceStep(nn.Module):
    """One of the two steps of inference with tensors alone going in and out.

    Args:
        network: whose step it is.
        scale: the user's; None for the step that makes a source frame ready.

    Shape:
        image -> planes, or context levels where the row has them; where `scale` is None
        planes and context levels of both frames, times -> image, flow, mask, both warped sides
    """

    def __init__(self, network: RIFE, scale: float | None) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if self.scale is None:
            frame = self.network.encode_frame(inputs[0])
            return frame.context or (frame.planes,)  # where there is context, planes are the image
        half = len(inputs) // 2
        frame0, frame1 = (
            EncodedFrame(planes, tuple(context))
            for planes, *context in (inputs[:half], inputs[half : 2 * half])
        )
        made = self.network.run_eagerly(FramePair(frame0, frame1, inputs[-1]), self.scale)
        last = made.estimate
        return made.image, last.flow, last.mask, last.warped_img0, last.warped_img1


class Checked(ABC):
    """Runs the steps of a network by programs that are built on first use.

    What a program makes first is compared with what eager PyTorch makes of the same input.
    If it is wrong, or building or running it fails, there is one warning, and the eager
    code is used from then on. When the network's weights change or move, all programs are
    built anew. Running out of memory is the caller's to deal with.

    Args:
        network: in evaluation mode, on its device and in its precision.
    """

    name = ""
    programs = 6
    """How many are kept, the last used ones."""

    def __init__(self, network: RIFE) -> None:
        self._network = network
        # Looked up once: a walk over all modules takes longer than anything else here.
        registers = [vars(module)["_parameters"] for module in network.modules()]
        self._places = [(register, name) for register in registers for name in register]
        self._weights = self._look_at_weights()
        self._programs: OrderedDict[object, Program] = OrderedDict()
        self._lock = RLock()
        self._given_up = False

    @abstractmethod
    def build(self, step: InferenceStep, inputs: Sequence[Tensor]) -> Program:
        """A program that does for tensors like `inputs` what `step` does."""

    def encode(self, image: Tensor) -> EncodedFrame | None:
        spec = self._network.spec
        made = self._run(None, (image,)) if spec.head or spec.refine else None
        if made is None:
            return None
        return EncodedFrame(image, tuple(made)) if spec.refine else EncodedFrame(made[0])

    def synthesize(self, pair: FramePair, scale: float) -> Synthesis | None:
        if self._network.spec.rerun_above:  # decides by what it sees, which no program can
            return None
        sides = [x for frame in pair[:2] for x in (frame.planes, *frame.context)]
        made = self._run(scale, (*sides, pair.times))
        return None if made is None else Synthesis(made[0], Estimate(*made[1:]))

    def release(self) -> None:
        """Frees all programs and their memory."""
        with self._lock:
            self._programs.clear()

    def key(self, scale: float | None, inputs: Sequence[Tensor]) -> object:
        """What a program is built for; another key needs another program."""
        return (scale, *((x.shape, x.dtype) for x in inputs))

    def _run(self, scale: float | None, inputs: Sequence[Tensor]) -> Sequence[Tensor] | None:
        if self._given_up or torch.is_grad_enabled():
            return None
        key = self.key(scale, inputs)
        try:
            with self._lock:
                weights = self._look_at_weights()
                if weights != self._weights:
                    self.release()
                    self._weights = weights
                program = self._programs.get(key)
                if program is None:
                    return self._first(key, scale, inputs)
                self._programs.move_to_end(key)
            return program(inputs)
        except Exception as error:  # whatever a compiler may raise
            if is_out_of_memory(error):
                self.release()
                raise
            self._give_up(f"it failed ({type(error).__name__}: {error})")
            return None

    def _first(
        self, key: object, scale: float | None, inputs: Sequence[Tensor]
    ) -> Sequence[Tensor] | None:
        """Builds a program and runs it for the first time."""
        if len(self._programs) >= self.programs:
            self._programs.popitem(last=False)
        step = InferenceStep(self._network, scale)
        program = self.build(step, inputs)
        given = [x.clone() for x in inputs]
        made = program(given)
        if not all(torch.allclose(a, b, 0, 0, True) for a, b in zip(given, inputs, strict=True)):
            self._give_up("it writes to its input")
            return None
        if not self._agrees(step, inputs, made):
            self._give_up(f"its first frame is not within {LEAST_PSNR:.0f} dB of PyTorch's")
            return None
        self._programs[key] = program
        return made

    def _agrees(
        self, step: InferenceStep, inputs: Sequence[Tensor], made: Sequence[Tensor]
    ) -> bool:
        compared = None if step.scale is None else 1  # of an interpolated frame, the picture counts
        made = made[:compared]
        eager = step(*inputs)[:compared]
        if not all(bool(each.isfinite().all()) for each in eager):
            return True  # nothing to compare with; half precision overflows in either
        if _psnr(made, eager) >= LEAST_PSNR:
            return True
        if next(self._network.parameters()).dtype is torch.float32:
            return False
        # In half precision two right answers may be that far apart on a difficult frame.
        wide = InferenceStep(copy.deepcopy(self._network).float(), step.scale)
        exact = wide(*(x.float() for x in inputs))[:compared]
        return _psnr(made, exact) >= _psnr(eager, exact) - HALF_PRECISION_SLACK

    def _give_up(self, reason: str) -> None:
        with self._lock:
            told, self._given_up = self._given_up, True
            self.release()
        if not told:
            warnings.warn(
                f"The backend {self.name!r} is not used: {reason}. PyTorch's eager mode makes the "
                "frames instead.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _look_at_weights(self) -> list[object]:
        """The address of the weights and how often they have been written to."""
        seen: list[object] = []
        for parameters, name in self._places:
            weight = parameters[name]
            if weight is not None:
                version = 0 if weight.is_inference() else weight._version
                seen.append((weight.data_ptr(), weight.dtype, version))
        return seen


def _psnr(made: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """The lowest PSNR of all parts, each with its own peak of at least 1."""
    each: list[Tensor] = []
    for a, b in zip(made, exact, strict=True):
        if a.shape != b.shape:
            raise ValueError(f"it made {tuple(a.shape)}, not {tuple(b.shape)}")
        a, b = a.float(), b.float()
        each.append(psnr(a[None], b[None], b.abs().max().clamp(min=1)))
    return float(torch.cat(each).min())  # NaN where one of them is
