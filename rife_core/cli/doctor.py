"""`rife-video doctor`: what is there on this machine and what is missing, for bug reports."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator, Mapping
from importlib import import_module, metadata
from importlib.util import find_spec

import av
import torch
from av.codec.hwaccel import hwdevices_available

from ..checkpoints.rife import list_weights
from ..inference.precision import default_device
from ..video import ENCODER_TABLE, EncoderRequest
from ..video.encoders import Encoder, fault_of, quiet_encoders
from .models import add_models_folder

_SIZE = 256, 144  # of the frame that each encoder is tried on
_NEEDED = ("torch", "numpy", "safetensors", "einops", "kornia", "av", "tqdm")
_EXTRAS: Mapping[str, str] = {
    "OpenEXR": "EXR pictures",
    "aiohttp": "rife-video queue",
    "openvino": "--backend openvino",
    "triton": "fast kernels on CUDA",
    "tensorrt": "--backend tensorrt",
    "lpips": "LPIPS by the package lpips",
}
_LIBRARIES = ("libavcodec", "libavformat", "libavfilter", "libswscale")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_models_folder(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what there is, a line each; returns 1 where a needed package is missing."""
    sections = {
        "Program": _program(),
        "Packages": _packages(),
        "Devices": _devices(),
        "Encoders": _encoders(),
        "Hardware decoders of this PyAV": iter([", ".join(hwdevices_available()) or "none"]),
        "Weights": iter(list_weights(args.models) or ["none found; name a folder with --models"]),
    }
    with quiet_encoders():
        for title, lines in sections.items():
            print(title)  # noqa: T201
            for line in lines:
                print(f"  {line}")  # noqa: T201
    return int(any(_version(name) is None for name in _NEEDED))


def _program() -> Iterator[str]:
    yield f"rife-video {_version('rife-video') or 'not installed as a package'}"
    yield f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"
    libraries = (
        f"{name} {'.'.join(map(str, av.library_versions[name]))}"
        for name in _LIBRARIES
        if name in av.library_versions
    )
    yield f"FFmpeg in PyAV: {', '.join(libraries)}"


def _packages() -> Iterator[str]:
    for name in _NEEDED:
        yield f"{name} {_version(name) or 'is missing, and needed'}"
    for name, use in _EXTRAS.items():
        version = _version(name) if find_spec(name) else None
        yield f"{name} {version}" if version else f"{name} is not there ({use})"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        module = import_module(name) if find_spec(name) else None
        return getattr(module, "__version__", None)


def _devices() -> Iterator[str]:
    for index in range(torch.cuda.device_count()):
        name = torch.cuda.get_device_properties(index)
        yield f"cuda:{index} {name.name}, {name.total_memory / 2**30:.1f} GiB"
    if torch.backends.mps.is_available():
        yield "mps"
    yield f"cpu, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    yield f"taken by default: {default_device()}"


def _encoders() -> Iterator[str]:
    for name, row in ENCODER_TABLE.items():
        yield f"{name} ({row.codec}): {state_of(row)}"


def state_of(row: Encoder) -> str:
    """Whether an encoder works, tried on one frame."""
    if not row.available:
        return "not in this PyAV"
    request = EncoderRequest()
    settings = row.settings(row.suffixes[0], request.quality, request.preset)
    fault = fault_of(row.codec, row.available[0], *_SIZE, tuple(settings.items()))
    return f"does not answer ({fault})" if fault else "works"
