"""The motion between neighbouring frames of a clip, as a network sees it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .ifnet import RIFE, USER_SCALES
from .padding import alignment, crop, pad_to_multiple


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
        >>> from .ifnet import build_network
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
    if scale not in USER_SCALES:
        raise ValueError(f"scale is {scale}; it must be one of {', '.join(map(str, USER_SCALES))}.")
    scales = [s / scale for s in network.spec.scales]
    multiple = alignment(network.spec.align, scales[0])
    device = next(network.parameters()).device
    count, height, width = len(frames) - 1, *frames.shape[1:3]
    flow = torch.empty(count, 4, height, width)
    for pair in range(count):
        both = frames[pair : pair + 2].to(device).float().clamp(0, 1).permute(0, 3, 1, 2)
        img0, img1 = pad_to_multiple(both, multiple).split(1)
        last = network.estimates(img0, img1, timestep, scales)[-1]
        flow[pair] = crop(last.flow, height, width)[0]
        if progress:
            progress(pair + 1, count)
    return flow
