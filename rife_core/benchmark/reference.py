"""The networks as the published code runs them: plain, in float32, every tensor at full size.

The whole input is joined at full resolution and then shrunk, both frames are warped at
full resolution after every block, and what belongs to a frame is computed again for each
pair. It is the baseline of the benchmark and a second opinion on `RIFE.inference`.
"""

from __future__ import annotations

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.halving import nearest_halving
from ..inference.rife import RIFE
from ..networks.block import IFBlock
from ..networks.padding import alignment, crop, pad_to_multiple
from ..networks.specs import CARRIED_FROM, FLOW_CHANNELS
from ..ops.warp import warp

_MIRROR = str.maketrans("01", "10")


@torch.no_grad()
def between(network: RIFE, img0: Tensor, img1: Tensor, multiplier: int) -> list[Tensor]:
    """The frames at 1/multiplier, 2/multiplier, ... of the way from img0 to img1.

    Shape:
        img0, img1: B 3 H W in [0, 1] -> B 3 H W each
    """
    times = [Fraction(index, multiplier) for index in range(1, multiplier)]
    if network.spec.arbitrary_timestep:
        return [middle(network, img0, img1, float(time)) for time in times]
    known = {Fraction(0): img0, Fraction(1): img1}
    for time in times:
        for low, half, high in nearest_halving(time)[1]:
            if half not in known:
                known[half] = middle(network, known[low], known[high])
    return [known[nearest_halving(time)[0]] for time in times]


@torch.no_grad()
def middle(network: RIFE, img0: Tensor, img1: Tensor, timestep: float = 0.5) -> Tensor:
    """One run of the network: what `RIFE.inference` gives in one step.

    Shape:
        img0, img1: B 3 H W in [0, 1], any H and W -> B 3 H W
    """
    spec = network.spec
    size, multiple = img0.shape[-2:], alignment(spec, spec.scales[0])
    img0, img1 = (pad_to_multiple(img.clamp(0, 1), multiple) for img in (img0, img1))
    flow, mask = _estimate(network, img0, img1, timestep)
    flow0, flow1 = flow.split(2, 1)
    warped0, warped1 = warp(img0, flow0), warp(img1, flow1)
    weight = torch.sigmoid(mask)
    made = warped0 * weight + warped1 * (1 - weight)
    if spec.refine:
        c0, c1 = network.contextnet(img0, flow0), network.contextnet(img1, flow1)
        residual = network.unet(img0, img1, warped0, warped1, mask, flow, c0, c1)
        made = (made + residual * 2 - 1).clamp(0, 1)
    return crop(made, *size)


def _estimate(network: RIFE, img0: Tensor, img1: Tensor, timestep: float) -> tuple[Tensor, Tensor]:
    """Flow in pixels and mask logits after the last block, at full size."""
    spec, scales = network.spec, list(network.spec.scales)
    plane = img0.new_full((len(img0), 1, *img0.shape[-2:]), timestep)
    named = {"img0": img0, "img1": img1, "timestep": plane}
    if spec.head:
        named |= {"feat0": network.encode(img0), "feat1": network.encode(img1)}
    flow = img0.new_zeros(len(img0), FLOW_CHANNELS, *img0.shape[-2:])
    named |= {"mask": flow[:, :1], "warped_img0": img0, "warped_img1": img1}

    def advance(index: int, flow: Tensor) -> Tensor:
        """Runs a block; gives the new flow, and writes what the next one reads."""
        first = index == 0 and not spec.starts_at_zero
        names = spec.first_inputs if first else spec.inputs
        block, before = network.blocks[index], None if first else flow
        planes = _planes(block, _joined(named, names), before, scales[index])
        if spec.ensemble == "always":
            turned = {name.translate(_MIRROR): value for name, value in named.items()}
            turned |= {"timestep": 1 - plane, "mask": -named["mask"]}
            before = None if before is None else before.roll(2, 1)
            other = _planes(block, _joined(turned, names), before, scales[index])
            other = torch.cat((other[:, :FLOW_CHANNELS].roll(2, 1), -other[:, FLOW_CHANNELS:]), 1)
            planes = (planes + other) / 2
        flow = planes[:, :FLOW_CHANNELS] if first else flow + planes[:, :FLOW_CHANNELS]
        mask = planes[:, FLOW_CHANNELS:CARRIED_FROM]
        adds = spec.mask_adds and not first
        carried = planes[:, CARRIED_FROM : CARRIED_FROM + spec.carried]
        named.update(mask=named["mask"] + mask if adds else mask, carried=carried)
        for side, part in enumerate(flow.split(2, 1)):
            for kind in ("img", "feat") if spec.head else ("img",):
                named[f"warped_{kind}{side}"] = warp(named[f"{kind}{side}"], part)
        return flow

    for index in range(len(scales)):
        before, flow = flow, advance(index, flow)
        if index == 1 and spec.rerun_above:
            sides = (flow - before).abs().split(2, 1)
            if min(float(side.max()) for side in sides) > spec.rerun_above:
                scales[:] = [2 * scale for scale in scales]
                flow = advance(1, advance(0, before))
    return flow, named["mask"]


def _joined(named: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
    return torch.cat([named[name] for name in names if name in named], 1)


def _planes(block: IFBlock, x: Tensor, flow: Tensor | None, scale: float) -> Tensor:
    """All planes of a block at full size, the flow in pixels."""
    size = x.shape[-2:]
    if scale != 1:
        x = _resized(x, 1 / scale)
    if flow is not None:
        x = torch.cat((x, _resized(flow, 1 / scale) / scale), 1)
    return crop(_resized(block.body(block.conv0[0](x), scale), block.growth * scale), *size)


def _resized(x: Tensor, factor: float) -> Tensor:
    """`ops.resize`, but it resizes by 1 too, as the published code does."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
