"""Refinement of the paper networks: what warping alone cannot paint.

Contextnet encodes each source frame at 1/2 to 1/16 of its size and warps the
features to the middle frame; Unet reads them with the warped frames and gives
a residual image that corrects the blend.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022, section 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ..ops.banded_conv import concatenate, convolve_concatenated
from ..ops.dispatch import at_least_float32
from ..ops.resize import resize
from ..ops.transposed_conv import conv_transpose2x_then_conv
from ..ops.warp import warp
from .layers import Conv2, deconv

CONTEXT_CHANNELS = 16


class Contextnet(nn.Module):
    """Four levels of features of one frame, warped to the middle frame.

    Shape:
        x: B 3 H W in [0, 1]; flow: B 2 H W in pixels; H and W multiples of 16
        returns: [B 16 H/2 W/2, B 32 H/4 W/4, B 64 H/8 W/8, B 128 H/16 W/16]
    """

    def __init__(self) -> None:
        super().__init__()
        c = CONTEXT_CHANNELS
        self.conv1 = Conv2(3, c)
        self.conv2 = Conv2(c, 2 * c)
        self.conv3 = Conv2(2 * c, 4 * c)
        self.conv4 = Conv2(4 * c, 8 * c)

    def forward(self, x: Tensor, flow: Tensor) -> list[Tensor]:
        return list(self.warp_features(self.features(x), flow))

    def features(self, x: Tensor) -> list[Tensor]:
        """The four levels before warping: they depend on the frame alone, not on its pair."""
        levels = [x.to(next(self.parameters()).dtype)]
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            levels.append(layer(levels[-1]))
        return levels[1:]

    @staticmethod
    def warp_features(features: Sequence[Tensor], flow: Tensor) -> Iterator[Tensor]:
        """Warps each level by the flow shrunk to its size, when it is asked for."""
        for level in features:
            flow = 0.5 * resize(flow, 0.5)
            yield warp(level, flow)


class Unet(nn.Module):
    """Encoder and decoder that paint the residual of the blended frame.

    Shape:
        img0, img1, warped_img0, warped_img1: B 3 H W in [0, 1]
        mask: B 1 H W, logits; flow: B 4 H W in pixels
        c0, c1: the levels that Contextnet returns, each read once; H and W multiples of 16
        returns: B 3 H W in [0, 1], where 0.5 means "leave it"; float32
    """

    def __init__(self) -> None:
        super().__init__()
        c = CONTEXT_CHANNELS
        self.down0 = Conv2(17, 2 * c)
        self.down1 = Conv2(4 * c, 4 * c)
        self.down2 = Conv2(8 * c, 8 * c)
        self.down3 = Conv2(16 * c, 16 * c)
        self.up0 = deconv(32 * c, 8 * c)
        self.up1 = deconv(16 * c, 4 * c)
        self.up2 = deconv(8 * c, 2 * c)
        self.up3 = deconv(4 * c, c)
        self.conv = nn.Conv2d(c, 3, 3, 1, 1)

    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        warped_img0: Tensor,
        warped_img1: Tensor,
        mask: Tensor,
        flow: Tensor,
        c0: Iterable[Tensor],
        c1: Iterable[Tensor],
    ) -> Tensor:
        dtype = self.conv.weight.dtype

        levels0, levels1 = iter(c0), iter(c1)

        def beside(x: Tensor) -> Tensor:
            return torch.cat((x, concatenate((next(levels0), next(levels1)), dtype)), 1)

        planes = (img0, img1, warped_img0, warped_img1, mask, flow)
        x = self.down0.conv2(convolve_concatenated(planes, self.down0.conv1))
        skips: list[Tensor] = []
        for down in (self.down1, self.down2, self.down3):
            skips.append(x)
            x = down(beside(x))
        x = self.up0(beside(x))
        for up in (self.up1, self.up2):
            x = up(torch.cat((x, skips.pop()), 1))
        x = conv_transpose2x_then_conv(torch.cat((x, skips.pop()), 1), self.up3, self.conv)
        return torch.sigmoid(at_least_float32(x))
