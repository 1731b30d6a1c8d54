"""Networks that start easily and grow: initialisation, tied blocks, transplanting weights.

A block of RIFE is the same thing at every scale, so one block can be trained at all
scales at once ("tied"), and then be copied into a pyramid of separate, wider ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..networks.block import IFBlock
from ..networks.ifnet import FlowNetwork
from ..networks.specs import FLOW_CHANNELS, NetworkSpec

FIRST_GAIN = 3.0
TRUNK_GAIN = 0.5
LAST_GAIN = 0.1


def build_fresh(spec: NetworkSpec, seed: int) -> FlowNetwork:
    """A network of `spec` with the weights that training starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FlowNetwork(spec)
        for block in [*network.blocks, network.block_tea]:
            if block is not None:
                initialise_block(block)
    return network


def build_tied(spec: NetworkSpec, seed: int, width: int, scales: Sequence[float]) -> FlowNetwork:
    """A network like `spec` whose blocks, one for each of `scales`, are one and the same.

    It starts from zero flow and mask, so that the first block reads what the others read.

    Raises:
        ValueError: the row cannot be tied.
    """
    if spec.head or spec.carried or spec.refine:
        raise ValueError(
            f"The network {spec.version!r} cannot be trained tied: its first block reads "
            "other things than the later ones. Set tied = false."
        )
    channels = (width,) * len(scales)
    network = build_fresh(
        replace(spec, channels=channels, scales=tuple(scales), starts_at_zero=True), seed
    )
    for index in range(1, len(scales)):
        network.add_module(f"block{index}", network.blocks[0])
    return network


@torch.no_grad()
def initialise_block(block: IFBlock) -> None:
    """Weights from which a flow block leaves zero flow within a few hundred steps.

    Motion shows in differences, so the first filters do not respond to constant colour;
    the last layer starts small, so that the first estimates are near zero.
    """
    layers = [m for m in block.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, a=0.2)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Conv2d) and layer.in_channels == layer.out_channels:
            layer.weight *= TRUNK_GAIN  # eight in a row, each beside a skip
    first, last = layers[0], layers[-1]
    images = first.weight[:, :-FLOW_CHANNELS] if first.in_channels > 10 else first.weight
    images -= images.mean((2, 3), keepdim=True)
    first.weight *= FIRST_GAIN
    last.weight *= LAST_GAIN


@torch.no_grad()
def transplant(source: FlowNetwork, target: FlowNetwork) -> None:
    """Copies what `source` learned into `target`, which may be untied and wider.

    Where the target is wider, the new channels keep their fresh incoming weights and
    feed nothing old yet: the target computes what the source did, and can grow. Where
    the target has more blocks, the last ones take the source's last ones, and those
    between them and the first one the source's second.
    """
    more = len(target.blocks) - len(source.blocks)
    for index, block in enumerate(target.blocks):
        given = min(max(index - more, min(index, 1)), len(source.blocks) - 1)
        state = dict(source.blocks[given].named_parameters())
        known = _input_planes(source.spec, given)
        wanted = _input_planes(target.spec, index)
        for name, parameter in block.named_parameters():
            old = state[name].to(parameter.device)
            if name == "conv0.0.0.weight":
                zero = torch.zeros_like(old[:, 0])
                planes = [old[:, known.index(n)] if n in known else zero for n in wanted]
                old = torch.stack(planes, 1)
            _embed(old, parameter, transposed=name.startswith("lastconv"))
    own, given = dict(target.named_parameters()), dict(source.named_parameters())
    for name in own.keys() & given.keys():
        if not re.match(r"block\d", name):  # head, refinement, teacher
            _embed(given[name].to(own[name].device), own[name], transposed=False)


def _embed(old: Tensor, new: Tensor, transposed: bool) -> None:
    """Writes `old` into the first channels of `new`; old outputs ignore new inputs."""
    if old.ndim == 4 and old.shape[0] > 1:
        outputs, inputs = (1, 0) if transposed else (0, 1)
        fresh = new.narrow(outputs, 0, old.shape[outputs])
        fresh.narrow(inputs, old.shape[inputs], new.shape[inputs] - old.shape[inputs]).zero_()
    new[tuple(slice(0, n) for n in old.shape)] = old


_SEEN_BY_FIRST = {"img0": "warped_img0", "img1": "warped_img1"}


def _input_planes(spec: NetworkSpec, index: int) -> list[str]:
    """What each input channel of block `index` is, in the words of the later blocks."""
    first = index == 0 and not spec.starts_at_zero
    names = spec.first_inputs if first else (*spec.inputs, "flow")
    planes: list[str] = []
    for name in names:
        width = FLOW_CHANNELS if name == "flow" else spec.width_of(name)
        planes += [f"{_SEEN_BY_FIRST.get(name, name)}.{k}" for k in range(width)]
    return planes
