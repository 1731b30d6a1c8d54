"""RIFE in plain PyTorch: networks, timeline, engine, video files. Knows nothing of node graphs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .checkpoints import CheckpointError, detect_spec, list_weights, load_rife, save_rife
from .engine import interpolate, stream
from .inference.precision import default_device, resolve_precision, set_precision
from .inference.rife import RIFE, IFNet, IFNet_m, build_network
from .losses import EPE, SOBEL, LapLoss, MeanShift, Ternary, VGGPerceptualLoss
from .losses.discriminators import Discriminator, Discriminator3D, Discriminator3DWithfirstframe
from .losses.lpips import LPIPS
from .losses.video_autoencoder import VideoAutoencoderLoss
from .networks.block import IFBlock
from .networks.layers import Conv2, conv, deconv
from .networks.refine import Contextnet, Unet
from .networks.specs import SPECS, NetworkSpec, get_spec
from .ops.warp import warp
from .rife._moved import find_old_paths
from .rife.RIFE import Model
from .timeline import Timeline, as_fraction

if TYPE_CHECKING:
    from .files.convert import interpolate_file
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


find_old_paths(__name__)

_WITH_VIDEO = {"VideoReader": "video", "VideoWriter": "video", "interpolate_file": "files"}


def __getattr__(name: str) -> Any:
    """Video files on demand: training on a bare machine needs no PyAV."""
    if name in _WITH_VIDEO:
        return getattr(import_module(f".{_WITH_VIDEO[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
