"""A pair of frames seen from its other end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .specs import FLOW_CHANNELS

_MIRROR = str.maketrans("01", "10")


def mirror_flow(flow: Tensor) -> Tensor:
    """The two flows of B 4 H W, exchanged."""
    return torch.cat((flow[:, 2:4], flow[:, :2]), 1)


def _mirror_inputs(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same pair seen from its other end."""
    mirrored = {name.translate(_MIRROR): value for name, value in named.items()}
    if "timestep" in mirrored:
        mirrored["timestep"] = 1 - mirrored["timestep"]
    if "mask" in mirrored:
        mirrored["mask"] = -mirrored["mask"]
    return mirrored


def listed(named: Mapping[str, Tensor], names: Sequence[str]) -> list[Tensor]:
    """The named inputs in order; a name of no width in this row is absent."""
    return [named[name] for name in names if name in named]


def frame_orders(
    names: Sequence[str], named: Mapping[str, Tensor], flow: Tensor | None, swap: bool
) -> Iterator[tuple[list[Tensor], Tensor | None]]:
    """What a block reads; with `swap` also as seen from the pair's other end."""
    yield listed(named, names), flow
    if swap:
        flow = mirror_flow(flow) if flow is not None else None
        yield listed(_mirror_inputs(named), names), flow


def average(channels: list[Tensor]) -> Tensor:
    """A block's channels; where it ran in both orders, their mean."""
    if len(channels) == 1:
        return channels[0]
    there, back = channels
    back = torch.cat((mirror_flow(back), -back[:, FLOW_CHANNELS:]), 1)
    return (there + back) / 2
