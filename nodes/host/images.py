"""What nodes ask of the frames on an IMAGE wire, besides what the engine asks."""

from __future__ import annotations

import torch
from torch import Tensor

from ...rife_core.engine.pixel_formats import check_dense

JOIN = (
    "If the frames of one clip arrive as a list, join them first: Rebatch Images, with a batch "
    "size of all of them."
)
"""What to do where a node is called for each frame of a clip by itself."""


def colours(frames: Tensor, name: str = "frames") -> Tensor:
    """Frames as what judges them reads: three colours in float32, without transparency.

    Shape:
        frames: B H W 1, 3 or 4, in [0, 1] or uint8; returns: B H W 3

    Raises:
        ValueError: they are no frames; `name` is what the input is called.
    """
    check_dense(frames)
    is_read = frames.dtype == torch.uint8 or frames.is_floating_point()
    if frames.ndim != 4 or frames.shape[-1] not in (1, 3, 4) or not is_read:
        raise ValueError(
            f"{name} has shape {tuple(frames.shape)}; expected frames (frames, height, width, "
            f"channels) of 1, 3 or 4 channels, floating point or uint8, and not {frames.dtype}."
        )
    frames = frames.float() if frames.is_floating_point() else frames / 255
    return frames[..., :3].expand(-1, -1, -1, 3)


def check_enough(frames: Tensor, needed: int, what: str) -> None:
    """Raises a ValueError where a clip has fewer frames than `what` needs."""
    count = len(frames)
    if count < needed:
        join = f" {JOIN}" if count == 1 else ""
        raise ValueError(f"{what} needs {needed} frames or more; found {count}.{join}")
