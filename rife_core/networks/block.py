"""IFBlock: one block of the pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..basics.arguments import checked, within
from ..ops.banded_conv import convolve_concatenated
from ..ops.dispatch import at_least_float32
from ..ops.prelu import PReLU
from ..ops.resize import resize
from ..ops.transposed_conv import conv_transpose2x
from ..ops.winograd_conv import WinogradConv2d, residual_chain
from ..ops.winograd_tiles import conv_chain
from .layers import MOST_PLANES, ResConv, conv, leaky_conv, separate_head
from .padding import crop
from .specs import CARRIED_FROM, FLOW_CHANNELS, MASK_CHANNELS, Output, Trunk

_MOST_LAYERS = 64


class IFBlock(nn.Module):
    """Estimates what must be added to flow and mask, at 1/scale of the resolution.

    Callers see full-resolution pixels only: flow is divided by `scale` on the way
    in and multiplied by it on the way out.

    Args:
        in_planes: channels of `x` and the flow together.
        c: channels of the trunk.
        trunk, depth, output, planes, groups: see `NetworkSpec`; the defaults are the paper's.
        flow_unit: see `NetworkSpec.flow_unit`.

    Shape:
        x: B C H W; flow: B 4 H W in pixels, or None for the first block;
        H and W multiples of 4 * scale
        returns: flow update B 4 H W in pixels, mask logits B 1 H W; float32
    """

    @checked
    def __init__(
        self,
        in_planes: int,
        c: int = 64,
        *,
        trunk: Trunk = "residual",
        depth: int = 8,
        output: Output = "half",
        planes: int = FLOW_CHANNELS + MASK_CHANNELS,
        groups: int = 1,
        flow_unit: float = 1,
    ) -> None:
        super().__init__()
        within("in_planes", in_planes, 1, MOST_PLANES)
        within("c", c, 2, MOST_PLANES)
        within("depth", depth, 0, _MOST_LAYERS)
        within("planes", planes, FLOW_CHANNELS + MASK_CHANNELS, MOST_PLANES)
        within("groups", groups, 1, c)
        self.trunk, self.depth, self.output, self.flow_unit = trunk, depth, output, flow_unit
        self.growth = 2 if output in ("half", "separate_half", "flow") else 1
        prelu = trunk in ("residual", "plain_prelu", "pairs")
        self.conv0 = nn.Sequential(
            *(conv(in_planes, c // 2, 3, 2, 1), conv(c // 2, c, 3, 2, 1))
            if prelu
            else (leaky_conv(in_planes, c // 2, 2), leaky_conv(c // 2, c, 2))
        )
        if trunk == "pairs":
            for index in range(depth):
                self.add_module(f"convblock{index}", nn.Sequential(conv(c, c), conv(c, c)))
        else:
            layer = {
                "residual": lambda: nn.Sequential(WinogradConv2d(c, c), PReLU(c)),
                "plain": lambda: leaky_conv(c, c),
                "plain_prelu": lambda: conv(c, c),
                "beta": lambda: ResConv(c, groups),
            }[trunk]
            self.convblock = nn.Sequential(*(layer() for _ in range(depth)))
        if output == "separate":
            self.conv1 = separate_head(c, FLOW_CHANNELS)
            self.conv2 = separate_head(c, MASK_CHANNELS)
        elif output == "separate_half":
            self.conv1 = nn.Sequential(nn.ConvTranspose2d(c, FLOW_CHANNELS, 4, 2, 1))
            self.conv2 = nn.ConvTranspose2d(c, MASK_CHANNELS, 4, 2, 1)
        elif output == "flow":
            self.conv1 = nn.ConvTranspose2d(c, FLOW_CHANNELS, 4, 2, 1)
        elif output == "shuffle":
            self.lastconv = nn.Sequential(
                nn.ConvTranspose2d(c, 4 * planes, 4, 2, 1), nn.PixelShuffle(2)
            )
        else:
            self.lastconv = nn.ConvTranspose2d(c, planes, 4, 2, 1)

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights, and so of what it computes in."""
        return next(self.parameters()).dtype

    def forward(self, x: Tensor, flow: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
        planes = self.update([x], flow, scale)
        return planes[:, :FLOW_CHANNELS], planes[:, FLOW_CHANNELS:CARRIED_FROM]

    def update(
        self, parts: Sequence[Tensor], flow: Tensor | None, scale: float, cell: int = 1
    ) -> Tensor:
        """All output channels at full resolution: flow update, mask, then carried features.

        Args:
            parts: what `forward` takes as `x`, still apart: each is downsampled before they
                are concatenated. B C H W, or B C 1 1 where a part is the same everywhere.
            flow: see `IFBlock`.
            scale: see `IFBlock`.
            cell: parts and flow are given so many times smaller than the frame.
        """
        height, width = (side * cell for side in parts[0].shape[-2:])
        small = [part if part.shape[-1] == 1 else resize(part, cell / scale) for part in parts]
        flow = None if flow is None else resize(flow, cell / scale)
        planes = self.body(self.stem(small, flow, scale), scale)
        if self.output == "flow":  # summed at half the frame's size
            planes, scale = resize(planes, scale), 1
        # A scale that does not divide the size rounds up; the surplus is at the far edges.
        return crop(resize(planes, self.growth * scale), height, width)

    def stem(self, parts: Sequence[Tensor], flow: Tensor | None, scale: float) -> Tensor:
        """The output of the first convolution, the only one that reads the block's input.

        Args:
            parts: see `update`, but downsampled already.
            flow: the same, in pixels of the full image.
            scale: see `update`.

        Shape:
            parts, flow: B C h w -> B c/2 h/2 w/2
        """
        if flow is not None and scale != self.flow_unit:
            flow = flow / (scale / self.flow_unit)
        return convolve_concatenated(parts, cast(nn.Sequential, self.conv0[0]), flow)

    def body(self, x: Tensor, scale: float, wanted: int | None = None) -> Tensor:
        """The block's output before upsampling, from its stem.

        Args:
            x: see `stem`.
            scale: see `update`.
            wanted: how many of the channels are needed, where it is not all.

        Shape:
            x: B c/2 h/2 w/2 -> B P h/growth w/growth, the flow in it in pixels of the full image
        """
        x = self._output(self._trunk(self.conv0[1](x)), wanted)
        # What follows reads plane by plane.
        x = at_least_float32(x, torch.contiguous_format)
        pixels = self.growth * scale / self.flow_unit
        if pixels == 1:
            return x
        return torch.cat((x[:, :FLOW_CHANNELS] * pixels, x[:, FLOW_CHANNELS:]), 1)

    def _trunk(self, x: Tensor) -> Tensor:
        if self.trunk == "pairs":
            for index in range(self.depth):
                x = getattr(self, f"convblock{index}")(x) + x
            return x
        if self.trunk != "residual":
            return conv_chain(self.convblock, x)
        return residual_chain(self.convblock, x)

    def _output(self, x: Tensor, wanted: int | None) -> Tensor:
        if self.output in ("separate", "separate_half"):
            return torch.cat((self.conv1(x), self.conv2(x)), 1)
        if self.output == "flow":  # without a mask both sides count the same
            return F.pad(self.conv1(x), (0, 0, 0, 0, 0, MASK_CHANNELS))
        if self.output == "shuffle":
            deconv = cast(nn.Sequential, self.lastconv)[0]
            return conv_transpose2x(x, cast(nn.ConvTranspose2d, deconv), 2, wanted)
        return conv_transpose2x(x, cast(nn.ConvTranspose2d, self.lastconv), 1, wanted)
