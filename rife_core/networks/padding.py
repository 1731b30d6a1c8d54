"""The sizes that a network takes, and padding any frame to such a size and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basics.arguments import shown
from .inputs import check_kind
from .specs import BLOCK_STRIDE, NetworkSpec

_REFINEMENT_STRIDE = {"residual": 16, "fusion": 32, None: 1}


def alignment(spec: NetworkSpec, coarsest: float) -> int:
    """The multiple that height and width must be of for a network.

    Args:
        spec: of the network.
        coarsest: the first scale of its pyramid, the user's scale divided out.

    Example:
        >>> from .specs import get_spec
        >>> [alignment(get_spec("4.6"), coarsest) for coarsest in (8, 8 / 0.5, 8 / 2)]
        [32, 64, 32]
    """
    return max(spec.align, ceil(BLOCK_STRIDE * coarsest))


def forward_multiple(spec: NetworkSpec, scales: Sequence[float]) -> int:
    """The multiple that height and width must be of for a plain forward pass.

    It is what the arithmetic needs and no more: a block halves what it reads twice after its
    scale, the refinement halves the image four or five times. `alignment` may be more, so that a
    frame's grid does not depend on the user's scale.

    Example:
        >>> from .specs import get_spec
        >>> forward_multiple(get_spec("rife"), (4, 2, 1)), forward_multiple(get_spec("4.6"), (8, 4))
        (16, 32)
    """
    return max(ceil(BLOCK_STRIDE * max(scales)), _REFINEMENT_STRIDE[spec.refine])


def pad_to_multiple(img: Tensor, multiple: int) -> Tensor:
    """Repeats the last row and column until both sides are multiples of `multiple`.

    Shape:
        img: B C H W, H and W from 1 up
        returns: B C H' W'; the very same tensor where nothing is missing

    Example:
        >>> import torch
        >>> pad_to_multiple(torch.zeros(1, 3, 33, 64), 32).shape
        torch.Size([1, 3, 64, 64])
    """
    height, width = img.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return F.pad(img, (0, right, 0, bottom), mode="replicate") if bottom or right else img


def crop(img: Tensor, height: int, width: int) -> Tensor:
    """The top left `height` x `width` pixels: undoes `pad_to_multiple`."""
    return img[..., :height, :width]


def check_input(
    spec: NetworkSpec, x: Tensor, scales: Sequence[float], device: torch.device | None = None
) -> None:
    """Raises ValueError unless a network takes these frames, joined as for training."""
    if len(scales) != len(spec.channels):
        raise ValueError(
            f"The network {spec.version!r} has {len(spec.channels)} blocks, "
            f"but scale lists {len(scales)}: {shown(tuple(scales))}."
        )
    align = forward_multiple(spec, scales)
    check_kind("x", x)
    if device is not None and x.device != device:
        raise ValueError(f"x is on {x.device}, but the network on {device}; move them together.")
    takes = x.ndim == 4 and x.shape[1] in (6, 9) and x.numel()
    if not takes or x.shape[2] % align or x.shape[3] % align:
        raise ValueError(
            f"The network {spec.version!r} takes B 6 H W (two frames) or B 9 H W (with "
            f"ground truth), H and W multiples of {align}, but got {tuple(x.shape)}. "
            "`inference` takes any size."
        )
