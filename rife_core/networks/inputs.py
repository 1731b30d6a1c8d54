"""What networks read: images, and the scales of their pyramid. Errors say what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from ..basics.arguments import number_of, shown

SMALLEST_SCALE, LARGEST_SCALE = 1 / 64, 256.0
"""Of a pyramid: at the largest, a block sees 1024 pixels as one."""


def check_kind(name: str, image: object) -> None:
    """Raises ValueError unless `image` is a dense tensor of floating point.

    Example:
        >>> check_kind("img0", torch.zeros(1, 3, 8, 8).to_sparse())
        Traceback (most recent call last):
        ...
        ValueError: img0 is sparse_coo; it must be a dense tensor B C H W.
    """
    if not isinstance(image, Tensor):
        raise ValueError(f"{name} is {shown(image)}; it must be a tensor B C H W.")
    if image.layout is not torch.strided or image.is_nested:
        layout = "nested" if image.is_nested else str(image.layout).removeprefix("torch.")
        raise ValueError(f"{name} is {layout}; it must be a dense tensor B C H W.")
    if not image.is_floating_point() or image.element_size() == 1:
        raise ValueError(
            f"{name} holds {str(image.dtype).removeprefix('torch.')}; it must hold floating point "
            "of 16 bits or more in [0, 1] (whole numbers of 8 bits divided by 255)."
        )


def check_images(channels: Sequence[int] = (3, 3), **images: Tensor) -> None:
    """Raises ValueError unless all are images of one batch and size, with content, on one device.

    Args:
        channels: that each must have.
        images: by name.
    """
    for name, image in images.items():
        check_kind(name, image)
    names, given = " and ".join(images), list(images.values())
    devices = [str(image.device) for image in given]
    if len(set(devices)) > 1 or given[0].is_meta:
        raise ValueError(
            f"{names} must lie on one device, and have content; they are on "
            f"{' and '.join(devices)}."
        )
    sizes = {(len(image), *image.shape[2:]) if image.ndim == 4 else None for image in given}
    found = [image.shape[1] for image in given if image.ndim == 4]
    if len(sizes) > 1 or found != list(channels) or not all(image.numel() for image in given):
        forms = " and ".join(f"B {each} H W" for each in dict.fromkeys(channels))
        shapes = " and ".join(str(tuple(image.shape)) for image in given)
        raise ValueError(f"{names} must both be {forms}, none of them 0, but are {shapes}.")


def scales_of(scale: object) -> tuple[float, ...]:
    """The scales of a pyramid as numbers, coarsest first.

    Raises:
        ValueError: they are no list of numbers that blocks can work at.

    Example:
        >>> scales_of([4, 2, 1])
        (4.0, 2.0, 1.0)
    """
    is_list = isinstance(scale, Iterable) and not isinstance(scale, (str, bytes))
    if not is_list or getattr(scale, "shape", None) == ():
        raise ValueError(f"scale is {shown(scale)}; it must be a list of numbers, one a block.")
    scales = tuple(map(number_of, cast("Iterable[object]", scale)))
    if not all(SMALLEST_SCALE <= each <= LARGEST_SCALE for each in scales):
        raise ValueError(
            f"scale lists {shown(scales)}; each must be a number from 1/64 to {LARGEST_SCALE:g}."
        )
    return scales
