"""Where in an interpolated frame the motion was not understood, so that a source frame can show."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_DOUBT = (0.16, 0.24)
"""Mean doubt of a window at which the source frame begins to show, and at which it shows alone.

Chosen on frames of four clips and painted discs and legs at 32 to 128 pixels a frame, so that
3 % of the pixels are replaced: those of torn objects, not their sharp rims.
"""

_WINDOWS_PER_SIDE = 15
_SOFTNESS = 9


@torch.no_grad()
def unsure_share(doubt: Tensor) -> Tensor:
    """The share of a source frame to show: 1 around places of much doubt, 0 elsewhere.

    Args:
        doubt: see `Estimate.doubt`.

    Shape:
        doubt: H W in [0, 1]; returns H W in [0, 1]

    Example:
        >>> [unsure_share(torch.full((32, 32), doubt)).mean().item() for doubt in (0.1, 1.0)]
        [0.0, 1.0]
    """
    window = _odd(min(doubt.shape) // _WINDOWS_PER_SIDE)
    least, most = _DOUBT
    mean = _mean(doubt[None, None].float(), window)
    around = F.max_pool2d(mean, window, 1, window // 2)
    share = ((around - least) / (most - least)).clamp(0, 1)
    return _mean(share, _odd(min(_SOFTNESS, window)))[0, 0]


def _mean(values: Tensor, window: int) -> Tensor:
    return F.avg_pool2d(values, window, 1, window // 2, count_include_pad=False)


def _odd(length: int) -> int:
    return length | 1
