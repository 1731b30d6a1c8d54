"""The networks as the published code runs them: plain, in float32, every tensor at full size.

Both frames are warped at full resolution after every block, and what belongs to a frame is
computed again for each pair. It is the baseline of the benchmark and a second opinion on
`RIFE.inference`.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from ..inference.halving import nearest_halving
from ..networks.estimate import FramePair, as_timesteps
from ..networks.ifnet import FlowNetwork
from ..networks.padding import alignment, crop, pad_to_multiple
from ..ops.dispatch import plain_ops


@torch.no_grad()
def between(network: FlowNetwork, img0: Tensor, img1: Tensor, multiplier: int) -> list[Tensor]:
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
def middle(network: FlowNetwork, img0: Tensor, img1: Tensor, timestep: float = 0.5) -> Tensor:
    """One run of the network: what `RIFE.inference` gives in one step.

    Shape:
        img0, img1: B 3 H W in [0, 1], any H and W -> B 3 H W
    """
    size, multiple = img0.shape[-2:], alignment(network.spec, network.spec.scales[0])
    padded = (pad_to_multiple(img.clamp(0, 1), multiple) for img in (img0, img1))
    with plain_ops():
        frame0, frame1 = (network.encode_frame(img) for img in padded)
        pair = FramePair(frame0, frame1, as_timesteps(timestep, frame0.image))
        last = FlowNetwork.final_estimate(network, pair)
        return crop(network.refine(pair, last)[0], *size)
