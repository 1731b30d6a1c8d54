"""torch.compile of the two steps: minutes of compiling for each size, so only when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from .checked import Checked, InferenceStep, Program


class Compiled(Checked):
    """Runs the steps of a network as torch.compile makes them."""

    name = "compile"

    def build(self, step: InferenceStep, inputs: Sequence[Tensor]) -> Program:
        mode = "max-autotune-no-cudagraphs" if inputs[0].is_cuda else "default"
        run = cast(Callable[..., tuple[Tensor, ...]], torch.compile(step, mode=mode, dynamic=False))
        return lambda inputs: run(*inputs)
