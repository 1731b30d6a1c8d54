"""A network as an ONNX file: two frames and a timestep in, the frame between them out.

The file holds the network as the paper describes it, in float32, for frames of any size that
is a multiple of the row's alignment; whoever runs it pads and crops. ONNX Runtime runs it on
what has no PyTorch: DirectML, CoreML, TensorRT, OpenVINO.

Networks that run again where motion is large (4.0 and 4.1) are written without that: a file
cannot decide by what it sees.
"""

from __future__ import annotations

import copy
import io
import os
import warnings
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basics.whole_file import whole_file
from ..networks.specs import NetworkSpec
from ..ops.psnr import psnr
from .rife import RIFE

OPSET = 16
"""The first in which a grid can be sampled."""

LEAST_PSNR = 60.0
"""Decibels that ONNX Runtime's frame must be within, or no file is left."""
_SPOTS = 4  # to a side of the alignment, in the pictures that the file is tried on

INSTALL = 'pip install "rife-video[onnx]"'


class OneStep(nn.Module):
    """Interpolation without padding, for a network in evaluation mode.

    Shape:
        img0, img1: 1 3 H W in [0, 1], H and W multiples of the row's alignment
        timestep: 1, in (0, 1); left out where the network knows the midpoint only
        returns: 1 3 H W in [0, 1]
    """

    def __init__(self, network: RIFE) -> None:
        super().__init__()
        self.network = network

    def forward(self, img0: Tensor, img1: Tensor, timestep: Tensor | None = None) -> Tensor:
        time = 0.5 if timestep is None else timestep
        output = self.network.forward_train(img0.clamp(0, 1), img1.clamp(0, 1), timestep=time)
        return output.merged[-1]


def input_names(spec: NetworkSpec) -> tuple[str, ...]:
    """Names of the file's inputs.

    Example:
        >>> from ..networks.specs import get_spec
        >>> input_names(get_spec("hdv3"))
        ('img0', 'img1')
    """
    return ("img0", "img1", "timestep")[: 3 if spec.arbitrary_timestep else 2]


def export_onnx(network: RIFE, path: str | os.PathLike[str]) -> float | None:
    """Writes `network` as an ONNX file, and compares it with PyTorch where that is possible.

    Args:
        network: in any precision; the file is float32.
        path: of the file; one that is there is replaced, once the new one is whole and right.

    Returns:
        The least PSNR of its frames against PyTorch's at two sizes, in dB; None where
        onnxruntime is not installed.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
        RuntimeError: ONNX Runtime makes other frames than PyTorch.
    """
    if find_spec("onnx") is None:
        raise ModuleNotFoundError(f"Writing ONNX needs the package onnx. Install it: {INSTALL}.")
    path = Path(path)
    with whole_file(path) as part:
        step = OneStep(plain_copy(network))
        _write(step, network.spec, part)
        least = _compare(step, network.spec, part) if find_spec("onnxruntime") else None
        if least is not None and not least >= LEAST_PSNR:
            raise RuntimeError(
                f"ONNX Runtime's frames are {least:.1f} dB from PyTorch's, less than "
                f"{LEAST_PSNR:.0f}; {path.name} was not written. Another version of onnx or "
                "onnxruntime may do better."
            )
    return least


def plain_copy(network: RIFE) -> RIFE:
    """A copy in float32 on the CPU, in the contiguous layout."""
    plain = copy.deepcopy(network).float().cpu().eval().requires_grad_(False)
    return plain.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]


def write_onnx(
    module: nn.Module, inputs: tuple[Tensor, ...], target: str | io.BytesIO, **names: Any
) -> None:
    """Writes what `module` does with `inputs`; `names` are those of `torch.onnx.export`."""
    # This road knows sizes that differ from run to run; older versions of PyTorch have no other.
    parameters = signature(torch.onnx.export).parameters
    road: dict[str, Any] = {"dynamo": False} if "dynamo" in parameters else {}
    # With gradients on, the code takes roads that can be traced; none is computed.
    with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is no named axis becomes constant, as it should
        write: Any = torch.onnx.export
        write(module, inputs, target, opset_version=OPSET, **names, **road)


def example(spec: NetworkSpec, rows: int, columns: int) -> tuple[Tensor, ...]:
    """Soft pictures of so many times the alignment.

    In white noise a network only guesses, and the last bit of a number decides what.
    """
    generator = torch.Generator().manual_seed(rows * 100 + columns)
    spots = torch.rand((2, 3, _SPOTS * rows, _SPOTS * columns), generator=generator, device="cpu")
    size = (rows * spec.align, columns * spec.align)
    img0, img1 = F.interpolate(spots, size, mode="bicubic").clamp(0, 1)[:, None]
    times = (torch.tensor([0.5], device="cpu"),) if spec.arbitrary_timestep else ()
    return (img0, img1, *times)


def _write(step: OneStep, spec: NetworkSpec, path: Path) -> None:
    write_onnx(
        step,
        example(spec, 2, 3),
        str(path),
        input_names=list(input_names(spec)),
        output_names=["frame"],
        dynamic_axes={name: {2: "height", 3: "width"} for name in ("img0", "img1", "frame")},
    )
    onnx: Any = import_module("onnx")
    model = onnx.load(str(path))
    known = {"version": spec.version, "align": str(spec.align), "range": "0 to 1, RGB"}
    for key, value in known.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))


def _compare(step: OneStep, spec: NetworkSpec, path: Path) -> float:
    """The least PSNR of ONNX Runtime's frames on a CPU, at a size of its own and another."""
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    least = float("inf")
    for size in ((2, 3), (3, 2)):
        inputs = example(spec, *size)
        named = zip(input_names(spec), inputs, strict=True)
        made = session.run(None, {name: tensor.numpy() for name, tensor in named})[0]
        with torch.enable_grad():
            right = step(*inputs)
        least = min(least, float(psnr(torch.from_numpy(made), right)))
    return least
