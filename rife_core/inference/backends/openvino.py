"""OpenVINO on a CPU, in float32 or with its convolutions in bfloat16.

The graph says itself what runs in which precision: a network in bfloat16 gives one in
which flow, warp, mask and blend are float32. OpenVINO's own switch for bfloat16 would
take those along, and cost up to 15 dB; it stays off.

Measured on two cores of an AMD EPYC with bfloat16 at 480p, against eager code
(`rife-video bench --rows rife,4.6,4.26 --backends eager,openvino --precisions bf16`, run 4
of docs/benchmark.md): 305, 139 and 164 ms per frame against 293, 116 and 127, at about
equal PSNR and twice the memory. So it is there for processors on which that comes out
otherwise.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from importlib import import_module
from threading import local
from typing import Any

import torch
from torch import Tensor

from ..rife import RIFE
from .checked import Checked, InferenceStep, Program


class OpenVINO(Checked):
    """Runs the steps of a network on OpenVINO's CPU plugin.

    Each thread that makes frames gets as many cores as PyTorch gives it.
    """

    name = "openvino"

    def __init__(self, network: RIFE) -> None:
        super().__init__(network)
        self._openvino: Any = import_module("openvino")
        self._core: Any = self._openvino.Core()
        self._cores = torch.get_num_threads()

    def key(self, scale: float | None, inputs: Sequence[Tensor]) -> object:
        return super().key(scale, inputs), torch.get_num_threads()

    def build(self, step: InferenceStep, inputs: Sequence[Tensor]) -> Program:
        # With gradients on, the code takes roads that can be traced; none is computed.
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes become constants, as they should
            network = copy.deepcopy(step.network).requires_grad_(False)
            # OpenVINO reads weights in bfloat16 as they lie in memory, whatever their strides say.
            network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
            example = tuple(x.clone() for x in inputs)
            traced: Any = torch.jit.trace(
                InferenceStep(network, step.scale), example, check_trace=False
            )
            shapes = [tuple(x.shape) for x in inputs]
            model = self._openvino.convert_model(traced, example_input=example, input=shapes)
        threads = torch.get_num_threads()
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": str(max(1, self._cores // threads)),
            "INFERENCE_NUM_THREADS": str(max(self._cores, threads)),
        }
        return _Program(self._openvino, self._core.compile_model(model, "CPU", settings))


class _Program:
    """A compiled model; every thread has a request of its own, as two must not share one."""

    def __init__(self, openvino: Any, compiled: Any) -> None:
        types = {openvino.Type.f32: torch.float32, openvino.Type.bf16: torch.bfloat16}
        self._openvino = openvino
        self._compiled = compiled
        self._outputs = [(tuple(port.shape), types[port.element_type]) for port in compiled.outputs]
        self._threads = local()

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        if not hasattr(self._threads, "request"):
            self._threads.request = self._compiled.create_infer_request()
        request = self._threads.request
        inputs = [tensor.contiguous() for tensor in inputs]  # held until the request is done
        outputs = [torch.empty(shape, dtype=dtype, device="cpu") for shape, dtype in self._outputs]
        for index, tensor in enumerate(inputs):
            request.set_input_tensor(index, self._shared(tensor))
        for index, tensor in enumerate(outputs):
            request.set_output_tensor(index, self._shared(tensor))
        request.infer()
        return outputs

    def _shared(self, tensor: Tensor) -> Any:
        """The same memory as OpenVINO sees it."""
        if tensor.dtype is torch.bfloat16:  # which NumPy does not know
            array = tensor.view(torch.int16).numpy()
            return self._openvino.Tensor(array, tensor.shape, self._openvino.Type.bf16)
        return self._openvino.Tensor(tensor.numpy(), shared_memory=True)
