"""Forward warping: every input pixel goes where its flow points."""

from __future__ import annotations

import torch
from torch import Tensor


def splat(input: Tensor, flow: Tensor) -> Tensor:
    """Adds each pixel of `input` to the four pixels around `position + flow`, bilinearly.

    What falls outside is lost; where several pixels fall, they add up, and where none does, it
    stays 0. Divided by the splatted ones, or by splatted weights, it is a mean.

    Reference: S. Niklaus and F. Liu, Softmax Splatting for Video Frame Interpolation (2020), eq. 1

    Shape:
        input: B C H W, any range
        flow: B 2 H W, in pixels, dx then dy
        returns: B C H W, float32

    Example:
        >>> image = torch.arange(1.0, 5.0).reshape(1, 1, 1, 4)
        >>> one_right = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 4)
        >>> splat(image, one_right).flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    batch, channels, height, width = input.shape
    values = input.float().flatten(2)
    far = float(height + width)  # beyond the picture; NaN and infinity are no places
    flow = flow.float().nan_to_num(far, far, -far).clamp(-far, far)
    x = flow[:, 0] + torch.arange(width, device=flow.device)
    y = flow[:, 1] + torch.arange(height, device=flow.device)[:, None]
    left, top = x.floor(), y.floor()
    output = values.new_zeros(batch, channels, height * width)
    for column, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
        for row, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            share = (share_x * share_y * inside).flatten(1)[:, None]
            index = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            index = index.flatten(1)[:, None].expand_as(values)
            output.scatter_add_(2, index, values * share)
    return output.reshape(input.shape)
