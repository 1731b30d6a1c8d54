"""The motion between neighbouring frames of a clip, as a network sees it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..networks.padding import crop
from .rife import RIFE


@torch.no_grad()
def estimate_flow(
    network: RIFE,
    frames: Tensor,
    timestep: float = 0.5,
    scale: float = 1.0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Tensor:
    """Flow of every pair of neighbours, from the moment between them to both sides.

    Args:
        network: any row, in evaluation mode.
        frames: B H W 3 in [0, 1], at least two, any H and W.
        timestep: the moment: 0 is the first frame of a pair, 1 the second.
        scale: see `RIFE.inference`.
        progress: called with the number of pairs done, and of all.

    Returns:
        B-1 4 H W, float32 on the CPU, in pixels: flow_t0 (dx, dy) from the moment to the
        first frame, flow_t1 (dx, dy) to the second one.

    Raises:
        ValueError: the frames or an option do not fit.

    Example:
        >>> from .rife import build_network
        >>> network = build_network("4.25.lite").eval()
        >>> estimate_flow(network, torch.rand(3, 20, 30, 3)).shape
        torch.Size([2, 4, 20, 30])
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) < 2:
        raise ValueError(
            "Flow needs at least two frames of 3 channels (B, H, W, 3); "
            f"found {tuple(frames.shape)}."
        )
    if not 0 <= timestep <= 1 or (timestep != 0.5 and not network.spec.arbitrary_timestep):
        raise ValueError(
            f"timestep is {timestep}; the network {network.spec.version!r} takes "
            f"{'0 to 1' if network.spec.arbitrary_timestep else '0.5 only'}."
        )
    device = next(network.parameters()).device
    count, height, width = len(frames) - 1, *frames.shape[1:3]
    flow = torch.empty(count, 4, height, width, dtype=torch.float32, device="cpu")
    prepared = (network.prepare(f.to(device).permute(2, 0, 1)[None], scale) for f in frames)
    for pair, (frame0, frame1) in enumerate(pairwise(prepared)):
        flow[pair] = crop(network.estimate(frame0, frame1, timestep, scale).flow, height, width)[0]
        if progress:
            progress(pair + 1, count)
    return flow
