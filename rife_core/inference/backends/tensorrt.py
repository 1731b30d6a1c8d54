"""TensorRT by way of torch_tensorrt: an engine for each size, so only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from torch import Tensor

from .checked import Checked, InferenceStep, Program


class TensorRT(Checked):
    """Runs the steps of a network as engines; what TensorRT lacks stays with PyTorch."""

    name = "tensorrt"

    def build(self, step: InferenceStep, inputs: Sequence[Tensor]) -> Program:
        engine: Any = import_module("torch_tensorrt").compile(
            step.eval(),
            ir="dynamo",
            inputs=list(inputs),
            use_explicit_typing=True,  # flow, warp, mask and blend stay float32
        )
        return lambda inputs: engine(*inputs)
