"""Endpoint error of flow."""

from __future__ import annotations

from torch import Tensor, nn

from ..ops.dispatch import at_least_float32
from .checks import check_pair, check_tensor

_EPE_FLOOR = 1e-6  # keeps the square root differentiable where the flow is right


# --- Flow


def epe(flow: Tensor, gt: Tensor, loss_mask: Tensor) -> Tensor:
    """Endpoint error: how far, in pixels, each flow vector ends from the true one.

    No gradient goes to `gt`.

    Shape:
        flow, gt: B 2 H W, in pixels
        loss_mask: B 1 H W (or broadcast to it), 1 where the error counts, 0 where not
        returns: B 1 H W, 0.001 where the flow is right and counts

    Raises:
        ValueError: the shapes do not fit each other.

    Example:
        >>> right = torch.zeros(1, 2, 1, 1)
        >>> wrong = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
        >>> round(epe(wrong, right, torch.ones(1, 1, 1, 1)).item(), 4)
        5.0
    """
    check_pair("EPE", flow, gt)
    check_tensor("EPE", loss_mask, "(B, 1, H, W) for a mask")
    batch, _, height, width = flow.shape
    counts_as = (batch, 1, height, width)
    if loss_mask.ndim != 4 or any(
        n not in (1, m) for n, m in zip(loss_mask.shape, counts_as, strict=True)
    ):
        raise ValueError(
            f"EPE: the mask has shape {tuple(loss_mask.shape)}, but the flow "
            f"{tuple(flow.shape)} needs a mask of shape {counts_as}."
        )
    difference = at_least_float32(flow) - at_least_float32(gt.detach())
    difference = difference.where(loss_mask != 0, 0.0)  # NaN where it does not count stays out
    return (difference.square().sum(1, keepdim=True) + _EPE_FLOOR).sqrt() * loss_mask


class EPE(nn.Module):
    """Endpoint error of optical flow; see `epe`."""

    def forward(self, flow: Tensor, gt: Tensor, loss_mask: Tensor) -> Tensor:
        """See `epe`."""
        return epe(flow, gt, loss_mask)
