"""Where networks run, and how much memory is free for frames."""

from __future__ import annotations

import torch

from ...rife_core.engine.memory_plan import free_memory as _free_memory
from ...rife_core.inference.precision import default_device
from .comfyui import comfyui


def compute_device() -> torch.device:
    """The device that networks run on."""
    if management := comfyui("comfy.model_management"):
        return management.get_torch_device()
    return default_device()


def free_memory() -> int | None:
    """Bytes of memory that are free for frames; None where that is not known."""
    if management := comfyui("comfy.model_management"):
        return int(management.get_free_memory(torch.device("cpu")))
    return _free_memory()
