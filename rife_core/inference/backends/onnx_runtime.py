"""ONNX Runtime: the steps as ONNX models, run by whichever of its providers is there.

The provider is the first that the installed onnxruntime lists, or the one that the environment
variable RIFE_VIDEO_ONNX_PROVIDER names, such as DmlExecutionProvider or CoreMLExecutionProvider.
Frames pass through the processor's memory.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from ..export import plain_copy, write_onnx
from ..rife import RIFE
from .checked import Checked, InferenceStep, Program

PROVIDER = "RIFE_VIDEO_ONNX_PROVIDER"


class ONNXRuntime(Checked):
    """Runs the steps of a network by ONNX Runtime, in float32."""

    name = "onnxruntime"

    def __init__(self, network: RIFE) -> None:
        super().__init__(network)
        self._runtime: Any = import_module("onnxruntime")
        there: list[str] = self._runtime.get_available_providers()
        wanted = os.environ.get(PROVIDER)
        if wanted and wanted not in there:
            raise ValueError(
                f"{PROVIDER} is {wanted!r}, but this onnxruntime has {', '.join(there)}."
            )
        self.provider = wanted or there[0]

    def build(self, step: InferenceStep, inputs: Sequence[Tensor]) -> Program:
        device = inputs[0].device
        names = [f"input{i}" for i in range(len(inputs))]
        example = tuple(x.detach().float().cpu().clone() for x in inputs)
        model = io.BytesIO()
        plain = InferenceStep(plain_copy(step.network), step.scale)
        write_onnx(plain, example, model, input_names=names)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = self._runtime.InferenceSession(
            model.getvalue(), options, providers=[self.provider]
        )

        def program(given: Sequence[Tensor]) -> list[Tensor]:
            arrays = (x.detach().float().cpu().contiguous().numpy() for x in given)
            made = session.run(None, dict(zip(names, arrays, strict=True)))
            return [torch.from_numpy(each).to(device) for each in made]

        return program

    def key(self, scale: float | None, inputs: Sequence[Tensor]) -> object:
        return super().key(scale, inputs), torch.get_num_threads()
