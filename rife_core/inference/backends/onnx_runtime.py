"""ONNX Runtime: the steps as ONNX models, run by whichever of its providers is there.

The provider is the first that the installed onnxruntime lists, or the one that the environment
variable RIFE_VIDEO_ONNX_PROVIDER names, such as DmlExecutionProvider or CoreMLExecutionProvider.
Frames pass through the processor's memory.
"""

from __future__ import annotations

import copy
import io
import os
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from ..export import OPSET
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
        """See `Checked`."""
        device = inputs[0].device
        network = copy.deepcopy(step.network).float().cpu().requires_grad_(False)
        network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        names = [f"input{i}" for i in range(len(inputs))]
        example = tuple(x.detach().float().cpu().clone() for x in inputs)
        model = io.BytesIO()
        # With gradients on, the code takes roads that can be traced; none is computed.
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes become constants, as they should
            torch.onnx.export(
                InferenceStep(network, step.scale),
                example,
                model,  # pyright: ignore[reportArgumentType]
                input_names=names,
                opset_version=OPSET,
                dynamo=False,
            )
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
        """See `Checked`."""
        return super().key(scale, inputs), torch.get_num_threads()
