"""Converts frames of any format to what networks read, and back.

Frames come as H W C with 1 (lightness), 3 (colour) or 4 (colour and alpha)
channels, in floating point from 0 to 1 or in 8 bit. Networks see three colours
in float32. Alpha is warped and mixed as the picture is, which is premultiplied by
it on the way in, so that the colour of a transparent pixel never bleeds into its
neighbours, and divided by it on the way out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHANNELS = (1, 3, 4)
_LEAST_ALPHA = 1 / 512  # below half a step of 8 bit there is no colour to recover
_LARGEST = 255
_LEAST_ITEM = 2  # bytes; with the floating point of 8 bits PyTorch cannot compute


class ImageAlpha(NamedTuple):
    """A frame as networks read it.

    Attributes:
        image: 1 3 H W, float32; premultiplied where there is alpha.
        alpha: 1 1 H W in [0, 1], or None.
    """

    image: Tensor
    alpha: Tensor | None


def check_dense(frames: Tensor) -> None:
    """Raises ValueError unless `frames` is a tensor that has its content in memory."""
    if not isinstance(frames, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        found = f"a {type(frames).__name__}"
    elif frames.is_nested:
        found = "nested"
    elif frames.layout is not torch.strided:
        found = f"of layout {frames.layout}"
    elif frames.is_meta:
        found = "without content (device meta)"
    else:
        return
    raise ValueError(
        f"Frames must be a dense tensor with content, but are {found}. Convert them first, "
        "such as by torch.from_numpy or to_dense."
    )


def check_frame(frame: Tensor, first: Tensor | None = None) -> None:
    """Raises ValueError unless `frame` is H W C in a known format, and matches `first`."""
    check_dense(frame)
    known = frame.dtype == torch.uint8 or (
        frame.is_floating_point() and frame.dtype.itemsize >= _LEAST_ITEM
    )
    if frame.ndim != 3 or frame.shape[2] not in CHANNELS or not known or not frame.numel():
        raise ValueError(
            f"A frame must be H W C (at least one pixel) with "
            f"{', '.join(map(str, CHANNELS))} channels, floating point "
            f"in [0, 1] or uint8, but is {tuple(frame.shape)} {frame.dtype}."
        )
    if first is not None and (frame.shape != first.shape or frame.dtype != first.dtype):
        raise ValueError(
            f"All frames must be of one size and type: the first is {tuple(first.shape)} "
            f"{first.dtype}, but another is {tuple(frame.shape)} {frame.dtype}."
        )


def from_bytes(values: Tensor) -> Tensor:
    """8 bits as float32 in [0, 1]; others as they are."""
    return values / _LARGEST if values.dtype == torch.uint8 else values


def as_type_of(values: Tensor, like: Tensor) -> Tensor:
    """Values from 0 to 1 in the type of `like`, rounded where that is 8 bits."""
    if like.dtype == torch.uint8:
        values = (values * _LARGEST).round().clamp(0, _LARGEST)
    return values.to(like.dtype)


def to_image_alpha(frame: Tensor) -> ImageAlpha:
    """Converts H W C to channels-first image and alpha. Values beyond [0, 1] are kept."""
    image = from_bytes(frame.permute(2, 0, 1)[None]).float()
    if frame.shape[2] == 1:
        return ImageAlpha(image.expand(-1, 3, -1, -1), None)
    if frame.shape[2] == 3:
        return ImageAlpha(image, None)
    alpha = image[:, 3:].clamp(0, 1)
    return ImageAlpha(image[:, :3] * alpha, alpha)


def to_frame(image: Tensor, alpha: Tensor | None, like: Tensor) -> Tensor:
    """A made picture as a frame of the kind of `like`, on the device that it was made on.

    Shape:
        image: 3 H W in [0, 1]; alpha: 1 H W or None; returns: H W C
    """
    if like.shape[2] == 1:
        image = image.mean(0, keepdim=True)
    if alpha is not None:
        image = torch.cat(((image / alpha.clamp(min=_LEAST_ALPHA)).clamp(0, 1), alpha))
    frame = as_type_of(image.permute(1, 2, 0), like)
    if frame.device != like.device:
        frame = frame.contiguous()  # else the CPU lays out the pixels, which takes it longer
    return frame


def mix(a: Tensor, b: Tensor, weight: float | Tensor) -> Tensor:
    """`a` where `weight` is 0, `b` where it is 1: frames H W C of one kind, of the kind of `a`."""
    shares = torch.as_tensor(weight, dtype=torch.float32, device=a.device)
    mixed = torch.lerp(a.float(), b.float(), shares)
    return (mixed if a.is_floating_point() else mixed.round()).to(a)
