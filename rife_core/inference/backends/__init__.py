"""Other ways to run the two steps of inference than PyTorch's eager one.

Whatever is chosen, frames stay right: a backend compares the first frame of every size
with the eager one, and what it cannot run, or gets wrong, is made eagerly.

"auto" takes CUDA graphs on CUDA and stays eager elsewhere: it never compiles for long,
and on a CPU nothing here is faster than eager code (figures in `openvino`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import NamedTuple

import torch

from ..rife import RIFE

AUTO, EAGER = "auto", "eager"


class Backend(NamedTuple):
    """Where a backend is, and what it needs.

    Attributes:
        module: of this package.
        class_name: of its class there; called with the network.
        device: the only kind of device that it is for, where there is one.
        package: what must be installed.
        install: how.
    """

    module: str
    class_name: str
    device: str | None = None
    package: str = "torch"
    install: str = ""


BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        "openvino": Backend(
            "openvino", "OpenVINO", "cpu", "openvino", 'pip install "rife-video[openvino]"'
        ),
        "onnxruntime": Backend(
            "onnx_runtime", "ONNXRuntime", None, "onnxruntime", 'pip install "rife-video[onnx]"'
        ),
        "cudagraphs": Backend("cuda_graphs", "CUDAGraphs", "cuda"),
        "compile": Backend("compile", "Compiled"),
        "tensorrt": Backend(
            "tensorrt", "TensorRT", "cuda", "torch_tensorrt", "pip install torch-tensorrt"
        ),
    }
)
"""Every way but the eager one, by name."""

BACKEND_NAMES = (AUTO, EAGER, *BACKENDS)


def resolve_backend(name: str, device: torch.device | str) -> str:
    """The backend that `name` means on `device`.

    Raises:
        ValueError: no such name, its package is not installed, or it is for another device.

    Example:
        >>> resolve_backend("auto", "cpu")
        'eager'
    """
    device = torch.device(device)
    if name == AUTO:
        return "cudagraphs" if device.type == "cuda" else EAGER
    if name not in BACKEND_NAMES:
        raise ValueError(f"backend is {name!r}; it must be one of {', '.join(BACKEND_NAMES)}.")
    if name == EAGER:
        return name
    backend = BACKENDS[name]
    if find_spec(backend.package) is None:
        raise ValueError(
            f"The backend {name!r} needs the package {backend.package}, which is not installed. "
            f"Install it ({backend.install}), or choose auto or eager."
        )
    if backend.device not in (None, device.type):
        raise ValueError(
            f"The backend {name!r} runs on {backend.device}, but the network is on {device.type}. "
            "Choose auto or eager, or another device."
        )
    return name


def set_backend(network: RIFE, name: str = AUTO) -> str:
    """Lets `network` run by the backend `name` from now on.

    Call it once the network is on its device and in its precision.

    Returns:
        The backend that "auto" means there; else `name`.

    Raises:
        ValueError: see `resolve_backend`.

    Example:
        >>> from ..rife import build_network
        >>> set_backend(build_network("4.25.lite").eval(), "auto")
        'eager'
    """
    name = resolve_backend(name, next(network.parameters()).device)
    if name == EAGER:
        network.backend = None
    else:
        backend = BACKENDS[name]
        module = import_module(f".{backend.module}", __name__)
        network.backend = getattr(module, backend.class_name)(network)
    return name
