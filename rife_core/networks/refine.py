"""Refinement: what warping alone cannot paint.

Contextnet encodes each source frame at 1/2 to 1/16 of its size and warps the
features to the middle frame; Unet reads them with the warped frames and gives
a residual image that corrects the blend. In 2.x and 3.1 both begin with one
halving more, and Unet gives the mask as well.

Reference: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame
Interpolation", ECCV 2022, section 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..basics.arguments import checked
from ..ops.banded_conv import concatenate, convolve_concatenated
from ..ops.dispatch import at_least_float32
from ..ops.resize import resize
from ..ops.transposed_conv import conv_transpose2x_then_conv
from ..ops.warp import warp
from .estimate import IMAGE_CHANNELS, Estimate, FramePair
from .layers import Conv2, deconv
from .specs import FLOW_CHANNELS, MASK_CHANNELS, Refinement

CONTEXT_CHANNELS = 16
FUSION_CHANNELS = 32


class Contextnet(nn.Module):
    """Four levels of features of one frame, warped to the middle frame.

    Shape:
        x: B 3 H W in [0, 1]; flow: B 2 H W in pixels; H and W multiples of 16
        returns: [B 16 H/2 W/2, B 32 H/4 W/4, B 64 H/8 W/8, B 128 H/16 W/16]
    """

    first_scale = 2
    """Of the first level."""

    @checked
    def __init__(self, c: int = CONTEXT_CHANNELS, planes: int = 3) -> None:
        super().__init__()
        self.conv1 = Conv2(planes, c)
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

    def warp_features(self, features: Sequence[Tensor], flow: Tensor) -> Iterator[Tensor]:
        """Warps each level by the flow downsampled to its size, when it is asked for."""
        step = 1 / self.first_scale
        for level in features:
            flow, step = step * resize(flow, step), 0.5
            yield warp(level, flow)


class FusionContextnet(Contextnet):
    """Contextnet of the networks whose Unet gives the mask: its levels are at 1/4 to 1/32.

    Shape:
        x, flow: as for `Contextnet`, but H and W multiples of 32
        returns: [B 32 H/4 W/4, B 64 H/8 W/8, B 128 H/16 W/16, B 256 H/32 W/32]
    """

    first_scale = 4

    def __init__(self) -> None:
        super().__init__(FUSION_CHANNELS, FUSION_CHANNELS)
        self.conv0 = Conv2(IMAGE_CHANNELS, FUSION_CHANNELS)

    def features(self, x: Tensor) -> list[Tensor]:
        return super().features(self.conv0(x.to(next(self.parameters()).dtype)))


class Unet(nn.Module):
    """Encoder and decoder that paint the residual of the blended frame.

    Shape:
        img0, img1, warped_img0, warped_img1: B 3 H W in [0, 1]
        mask: B 1 H W, logits; flow: B 4 H W in pixels
        c0, c1: the levels that Contextnet returns, each read once; H and W multiples of 16
        returns: B 3 H W in [0, 1], where 0.5 means "leave it"; float32
    """

    @checked
    def __init__(self, c: int = CONTEXT_CHANNELS, planes: int = 17) -> None:
        super().__init__()
        self.down0 = Conv2(planes, 2 * c)
        self.down1 = Conv2(4 * c, 4 * c)
        self.down2 = Conv2(8 * c, 8 * c)
        self.down3 = Conv2(16 * c, 16 * c)
        self.up0 = deconv(32 * c, 8 * c)
        self.up1 = deconv(16 * c, 4 * c)
        self.up2 = deconv(8 * c, 2 * c)
        self.up3 = deconv(4 * c, c)
        self.conv = nn.Conv2d(c, IMAGE_CHANNELS, 3, 1, 1)

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
        planes = (img0, img1, warped_img0, warped_img1, mask, flow)
        return torch.sigmoid(self.logits(planes, c0, c1))

    def logits(
        self, planes: Sequence[Tensor], c0: Iterable[Tensor], c1: Iterable[Tensor]
    ) -> Tensor:
        """What `forward` returns, before the sigmoid.

        Args:
            planes: what `forward` takes, up to the flow.
            c0: see `forward`.
            c1: see `forward`.
        """
        dtype = self.conv.weight.dtype
        levels0, levels1 = iter(c0), iter(c1)

        def beside(x: Tensor) -> Tensor:
            return torch.cat((x, concatenate((next(levels0), next(levels1)), dtype)), 1)

        x = self._first(planes)
        skips: list[Tensor] = []
        for down in (self.down1, self.down2, self.down3):
            skips.append(x)
            x = down(beside(x))
        x = self.up0(beside(x))
        for up in (self.up1, self.up2):
            x = up(torch.cat((x, skips.pop()), 1))
        return at_least_float32(self._last(torch.cat((x, skips.pop()), 1)))

    def _first(self, planes: Sequence[Tensor]) -> Tensor:
        return self.down0.conv2(convolve_concatenated(planes, self.down0.conv1))

    def _last(self, x: Tensor) -> Tensor:
        return conv_transpose2x_then_conv(x, self.up3, self.conv)


class FusionUnet(Unet):
    """Unet that gives the mask too, and reads the warped images and the flow alone.

    Shape:
        inputs: as for `Unet`, but H and W multiples of 32
        returns: B 4 H W in [0, 1]: the residual, and how much of warped_img0 is taken; float32
    """

    def __init__(self) -> None:
        c = FUSION_CHANNELS
        super().__init__(c, c)
        self.conv0 = Conv2(2 * IMAGE_CHANNELS + FLOW_CHANNELS, c)
        self.conv = nn.ConvTranspose2d(c, IMAGE_CHANNELS + MASK_CHANNELS, 4, 2, 1)

    def _first(self, planes: Sequence[Tensor]) -> Tensor:
        _, _, warped_img0, warped_img1, _, flow = planes
        read = (warped_img0, warped_img1, flow)
        return self.down0(self.conv0.conv2(convolve_concatenated(read, self.conv0.conv1)))

    def _last(self, x: Tensor) -> Tensor:
        return self.conv(self.up3(x))


def refine(
    contextnet: Contextnet, unet: Unet, pair: FramePair, last: Estimate
) -> tuple[Tensor, Estimate]:
    """The blended frame, corrected, and the estimate that it is blended by.

    Args:
        pair: with the context of both frames.
        last: of the pyramid; where the Unet gives a mask, that takes the place of this one's.

    Returns:
        B 3 H W in [0, 1], float32; the estimate.
    """
    c0 = contextnet.warp_features(pair.frame0.context, last.flow[:, :2])
    c1 = contextnet.warp_features(pair.frame1.context, last.flow[:, 2:])
    planes = (*pair.images, last.warped_img0, last.warped_img1, last.mask, last.flow)
    residual, *mask = unet.logits(planes, c0, c1).split(IMAGE_CHANNELS, 1)
    if mask:
        last = replace(last, mask=mask[0], mixed=None)
    return (last.blend() + 2 * torch.sigmoid(residual) - 1).clamp(0, 1), last


def build_refinement(kind: Refinement) -> tuple[Contextnet, Unet]:
    """The two networks that a row describes."""
    return (Contextnet(), Unet()) if kind == "residual" else (FusionContextnet(), FusionUnet())
