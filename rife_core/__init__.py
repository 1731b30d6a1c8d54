"""RIFE in plain PyTorch: networks, timeline, engine, video files. Knows nothing of node graphs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .checkpoints import detect_spec, list_weights, load_rife, save_rife
from .discriminators import Discriminator, Discriminator3D, Discriminator3DWithfirstframe
from .engine import interpolate, stream
from .ifnet import RIFE, IFBlock, IFNet, IFNet_m, build_network
from .losses import EPE, SOBEL, LapLoss, MeanShift, Ternary
from .model import Model
from .perceptual import LPIPS, VGGPerceptualLoss
from .precision import default_device, resolve_precision, set_precision
from .refine import Contextnet, Conv2, Unet, conv, deconv
from .specs import SPECS, NetworkSpec, get_spec
from .tensor_files import CheckpointError
from .timeline import Timeline, as_fraction
from .video_loss import VideoAutoencoderLoss
from .warp import warp

if TYPE_CHECKING:
    from .files import interpolate_file
    from .video import VideoReader, VideoWriter

__all__ = [
    "EPE",
    "LPIPS",
    "RIFE",
    "SOBEL",
    "SPECS",
    "CheckpointError",
    "Contextnet",
    "Conv2",
    "Discriminator",
    "Discriminator3D",
    "Discriminator3DWithfirstframe",
    "IFBlock",
    "IFNet",
    "IFNet_m",
    "LapLoss",
    "MeanShift",
    "Model",
    "NetworkSpec",
    "Ternary",
    "Timeline",
    "Unet",
    "VGGPerceptualLoss",
    "VideoAutoencoderLoss",
    "VideoReader",
    "VideoWriter",
    "as_fraction",
    "build_network",
    "conv",
    "deconv",
    "default_device",
    "detect_spec",
    "get_spec",
    "interpolate",
    "interpolate_file",
    "list_weights",
    "load_rife",
    "resolve_precision",
    "save_rife",
    "set_precision",
    "stream",
    "warp",
]


_WITH_VIDEO = {"VideoReader": "video", "VideoWriter": "video", "interpolate_file": "files"}


def __getattr__(name: str) -> Any:
    """Video files on demand: training on a bare machine needs no PyAV."""
    if name in _WITH_VIDEO:
        return getattr(import_module(f".{_WITH_VIDEO[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
