"""Layers that all networks are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..basics.arguments import checked, within
from ..ops.fused_conv import add_scaled_conv
from ..ops.prelu import PReLU
from .specs import HeadSpec

LEAKY_SLOPE = 0.2
MOST_PLANES, _MOST_TAPS = 4096, 64


def leaky_conv(in_planes: int, out_planes: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution followed by a LeakyReLU."""
    return nn.Sequential(
        nn.Conv2d(in_planes, out_planes, 3, stride, 1), nn.LeakyReLU(LEAKY_SLOPE, inplace=True)
    )


class ResConv(nn.Module):
    """A convolution added to its input after scaling each channel by a learned `beta`.

    Shape:
        x: B C H W -> B C H W
    """

    def __init__(self, planes: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(planes, planes, 3, 1, 1, groups=groups)
        self.beta = nn.Parameter(torch.ones(1, planes, 1, 1))
        self.relu = nn.LeakyReLU(LEAKY_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(add_scaled_conv(x, self.conv, self.beta))


def _check_sizes(
    in_planes: int,
    out_planes: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> None:
    within("in_planes", in_planes, 1, MOST_PLANES)
    within("out_planes", out_planes, 1, MOST_PLANES)
    within("kernel_size", kernel_size, 1, _MOST_TAPS)
    within("stride", stride, 1, _MOST_TAPS)
    within("padding", padding, 0, _MOST_TAPS)
    within("dilation", dilation, 1, _MOST_TAPS)


def separate_head(c: int, planes: int) -> nn.Sequential:
    """The output layers of one quantity: twice upsampled."""
    return nn.Sequential(
        nn.ConvTranspose2d(c, c // 2, 4, 2, 1),
        PReLU(c // 2),
        nn.ConvTranspose2d(c // 2, planes, 4, 2, 1),
    )


class Head(nn.Module):
    """The feature encoder under the names `cnn0` ... `cnn3`.

    Shape:
        x: B 3 H W in [0, 1], H and W even -> B planes H W
    """

    def __init__(self, hidden: int, planes: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, hidden, 3, 2, 1)
        self.cnn1 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.cnn2 = nn.Conv2d(hidden, hidden, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(hidden, planes, 4, 2, 1)
        self.relu = nn.LeakyReLU(LEAKY_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            x = self.relu(layer(x))
        return self.cnn3(x)


def build_head(head: HeadSpec) -> nn.Module:
    """The feature encoder that a row describes."""
    if head.layout == "named":
        return Head(head.hidden, head.planes)
    first = nn.Conv2d(3, head.hidden, 3, 2, 1)
    last = nn.ConvTranspose2d(head.hidden, head.planes, 4, 2, 1)
    if head.layout == "short":
        return nn.Sequential(first, last)
    layers: list[nn.Module] = [first, nn.LeakyReLU(LEAKY_SLOPE, inplace=True)]
    for _ in range(2):
        layers += [
            nn.Conv2d(head.hidden, head.hidden, 3, 1, 1),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        ]
    return nn.Sequential(*layers, last)


@checked
def conv(
    in_planes: int,
    out_planes: int,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """A convolution followed by a PReLU with one slope per channel."""
    _check_sizes(in_planes, out_planes, kernel_size, stride, padding, dilation)
    return nn.Sequential(
        nn.Conv2d(in_planes, out_planes, kernel_size, stride, padding, dilation),
        PReLU(out_planes),
    )


@checked
def deconv(
    in_planes: int, out_planes: int, kernel_size: int = 4, stride: int = 2, padding: int = 1
) -> nn.Sequential:
    """A transposed convolution (doubling the size by default) followed by a PReLU."""
    _check_sizes(in_planes, out_planes, kernel_size, stride, padding)
    return nn.Sequential(
        nn.ConvTranspose2d(in_planes, out_planes, kernel_size, stride, padding),
        PReLU(out_planes),
    )


class Conv2(nn.Module):
    """Two 3x3 convolutions with PReLU, the first of which may downsample.

    Shape:
        x: B in_planes H W
        returns: B out_planes H/stride W/stride
    """

    @checked
    def __init__(self, in_planes: int, out_planes: int, stride: int = 2) -> None:
        super().__init__()
        self.conv1 = conv(in_planes, out_planes, 3, stride, 1)
        self.conv2 = conv(out_planes, out_planes, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))
