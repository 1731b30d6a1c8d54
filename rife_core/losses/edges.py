"""SOBEL: the distance of two images' edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.dispatch import at_least_float32
from .checks import check_pair, full_precision

# --- Edges


def sobel(pred: Tensor, gt: Tensor) -> Tensor:
    """Difference of horizontal plus that of vertical edges, channel by channel.

    Shape:
        pred, gt: B C H W, in [0, 1]
        returns: B*C 1 H W, from 0 (equal images) up

    Raises:
        ValueError: shapes differ, or no images.

    Example:
        >>> flat, edge = torch.zeros(1, 1, 3, 4), torch.tensor([0.0, 0, 1, 1]).expand(1, 1, 3, 4)
        >>> sobel(flat, edge)[0, 0, 1].tolist()
        [0.0, 4.0, 4.0, 4.0]
    """
    check_pair("SOBEL", pred, gt)
    return _sobel(pred, gt, _sobel_kernels(pred.device))


def _sobel_kernels(device: torch.device | None = None) -> Tensor:
    rows = [[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]
    across = torch.tensor(rows, device=device)
    return torch.stack((across, across.T)).unsqueeze(1)


def _sobel(pred: Tensor, gt: Tensor, kernels: Tensor) -> Tensor:
    check_pair("SOBEL", pred, gt)
    with full_precision(pred.device):
        # The filter is linear, so the edges of the difference are the difference of the edges.
        difference = at_least_float32(pred) - at_least_float32(gt)
        planes = difference.reshape(-1, 1, *difference.shape[-2:])
        edges = F.conv2d(planes, kernels.to(planes), padding=1)
        return edges.abs().sum(1, keepdim=True)


class SOBEL(nn.Module):
    """Edge difference; see `sobel`."""

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", _sobel_kernels(), persistent=False)

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """See `sobel`."""
        return _sobel(pred, gt, self.kernels)
