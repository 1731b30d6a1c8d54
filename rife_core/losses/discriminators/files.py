"""Discriminators from files: kind and size are recognised from the weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from torch import Tensor

from ...checkpoints.tensor_files import CheckpointError, float_weights, read_tensors, unfilled
from .models import Discriminator, Discriminator3D, Discriminator3DWithfirstframe

AnyDiscriminator = Discriminator | Discriminator3D | Discriminator3DWithfirstframe

_WRAPPERS = (
    "state_dict",
    "module",
    "model",
    "discr_3d",
    "discriminator_3d",
    "discr",
    "discriminator",
)
_CLIPS = ("discriminator_3d", "discr_3d")
_END = "to_logits.0.weight"
_HEAD_WIDTH = 8
_MOST_WRAPPERS = 8


def load_discriminator(
    path: str | os.PathLike[str], image_size: tuple[int, int] | None = None
) -> AnyDiscriminator:
    """Loads the discriminator in a file; its size is read from its weights.

    The weights may lie among others, as in a file of a whole training loss; of a 2D
    and a 3D discriminator the 3D one is taken. Attention heads are taken to be 8 wide.

    Args:
        path: a .safetensors file, or tensors that torch saved.
        image_size: height and width, where the frames are not square. Not used where it
            cannot be that of the weights.

    Returns:
        It, in evaluation mode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no discriminator in it, or one whose weights are no finite
            floating point numbers.
    """
    path = Path(path)
    state: Any = read_tensors("discriminator", path)[0]
    for _ in range(_MOST_WRAPPERS):  # a dictionary may hold itself
        inner = next((state[wrapper] for wrapper in _WRAPPERS if wrapper in state), None)
        state = inner if isinstance(inner, Mapping) else state
    names = [name for name in state if isinstance(name, str)]
    ends = sorted(
        (name for name in names if name.endswith(_END)),
        key=lambda name: not any(clip in name for clip in _CLIPS),
    )
    if not ends:
        raise ValueError(
            f"{path.name} holds no discriminator: no key ends in {_END!r} among {len(state)} keys."
        )
    prefix = ends[0].removesuffix(_END)
    state = {n.removeprefix(prefix): state[n] for n in names if n.startswith(prefix)}
    try:
        kind, size = _size_of(state, image_size)
        with unfilled():
            judge = kind(**size)
        weights = float_weights(path.name, state)
        weights = {name: tensor.to(state[name].dtype) for name, tensor in weights.items()}
        judge.load_state_dict(weights, strict=True, assign=True)
    except CheckpointError:
        raise
    except (LookupError, RuntimeError, ValueError, AttributeError, TypeError, ArithmeticError) as e:
        raise ValueError(
            f"{path.name} holds a discriminator that is not one of CogVideo's ({str(e)[:500]})."
        ) from e
    return judge.eval()


def _size_of(
    state: Mapping[str, Tensor], image_size: tuple[int, int] | None
) -> tuple[type[AnyDiscriminator], dict[str, Any]]:
    """Which discriminator has these weights, and the arguments that build it."""
    first_convs = {
        Discriminator3DWithfirstframe: "blocks.{}.net.0.conv.weight",
        Discriminator3D: "blocks.{}.net.0.weight",
        Discriminator: "blocks.{}.0.net.0.weight",
    }
    kinds = (kind for kind, name in first_convs.items() if name.format(0) in state)
    kind = next(kinds, Discriminator)
    levels = 1 + max(int(n.split(".")[1]) for n in state if n.startswith("blocks."))
    if levels > len(state):
        raise ValueError(f"block {levels - 1} of a network of {len(state)} parameters")
    clip, frame = first_convs[kind], first_convs[Discriminator]
    temporal = sum(clip.format(i) in state for i in range(levels)) * (kind is not Discriminator)
    convs = [state[(clip if i < temporal else frame).format(i)] for i in range(levels)]
    widths = [conv.shape[0] for conv in convs]
    area = state["to_logits.3.weight"].shape[1] // widths[-1]
    if image_size is None or (image_size[0] >> levels - 1) * (image_size[1] >> levels - 1) != area:
        side = isqrt(area) << levels - 1
        image_size = side, side
    last = f"blocks.{levels - 1}.1."
    hidden = state[last + "1.fn.net.2.weight"].shape[1]
    size: dict[str, Any] = {
        "dim": widths[0] // 4,
        "image_size": image_size,
        "channels": convs[0].shape[1],
        "max_dim": max(widths),
        "linear_attn_heads": state[last + "0.fn.attn.to_q.0.weight"].shape[0] // _HEAD_WIDTH,
        "ff_mult": 1.5 * (hidden + 0.5) / widths[-1],  # half a step above what rounds down to it
        "antialiased_downsample": "blocks.0.maybe_blur.f" in state
        or "blocks.0.0.maybe_blur.f" in state,
    }
    return kind, size | ({"frame_num": 2**temporal} if temporal else {})
