"""RIFE in plain PyTorch: networks, timeline, engine, video files. Knows nothing of node graphs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .rife._moved import find_old_paths

if TYPE_CHECKING:
    from .checkpoints import CheckpointError, detect_spec, list_weights, load_rife, save_rife
    from .engine import interpolate, stream
    from .files.convert import interpolate_file
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
    from .rife.RIFE import Model
    from .timeline import Timeline, as_fraction
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

_HOMES = {
    ".checkpoints": "CheckpointError detect_spec list_weights load_rife save_rife",
    ".engine": "interpolate stream",
    ".files.convert": "interpolate_file",
    ".inference.precision": "default_device resolve_precision set_precision",
    ".inference.rife": "RIFE IFNet IFNet_m build_network",
    ".losses": "EPE SOBEL LapLoss MeanShift Ternary VGGPerceptualLoss",
    ".losses.discriminators": "Discriminator Discriminator3D Discriminator3DWithfirstframe",
    ".losses.lpips": "LPIPS",
    ".losses.video_autoencoder": "VideoAutoencoderLoss",
    ".networks.block": "IFBlock",
    ".networks.layers": "Conv2 conv deconv",
    ".networks.refine": "Contextnet Unet",
    ".networks.specs": "SPECS NetworkSpec get_spec",
    ".ops.warp": "warp",
    ".rife.RIFE": "Model",
    ".timeline": "Timeline as_fraction",
    ".video": "VideoReader VideoWriter",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_FOLDERS = ("checkpoints", "engine", "inference", "losses", "networks", "ops", "timeline")


def __getattr__(name: str) -> Any:
    """Imports a name when it is first asked for: what needs no PyTorch starts without it."""
    if name in _FOLDERS:
        return import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name], __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
