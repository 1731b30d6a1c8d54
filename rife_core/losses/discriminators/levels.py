"""The levels of the discriminators' pyramids."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_numbers, check_sizes, check_switches
from .attention import HALF_POWER, RMSNorm

_LEAK = 0.1


class Blur(nn.Module):
    """Smooths height and width by [1, 2, 1] / 4, so that halving does not alias.

    The border is repeated.

    Shape:
        x: B C H W or B C T H W -> the same
    """

    f: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("f", torch.tensor([1.0, 2.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        kernel = torch.outer(self.f, self.f)
        kernel = (kernel / kernel.sum()).to(x)
        planes = F.pad(x.reshape(-1, 1, *x.shape[-2:]), (1, 1, 1, 1), mode="replicate")
        return F.conv2d(planes, kernel[None, None]).reshape(x.shape)


class _GEGLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        value, gate = x.chunk(2, dim=1)
        return F.gelu(gate) * value


class FeedForward(nn.Module):
    """A gated layer of `mult` * 2/3 times the width, pixel by pixel: B C H W -> B C H W."""

    def __init__(self, dim: int, mult: float) -> None:
        check_sizes(self, dim=dim)
        check_numbers(self, above=True, mult=mult)
        super().__init__()
        inner = max(1, int(dim * mult * 2 / 3))
        self.norm = RMSNorm(dim, axis=1)
        self.net = nn.Sequential(nn.Conv2d(dim, 2 * inner, 1), _GEGLU(), nn.Conv2d(inner, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.norm(x))


class Residual(nn.Module):
    """Adds what `fn` makes of its input to the input."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x) + x


# --- One level of the pyramid


class Fold(nn.Sequential):
    """Moves each 2 x 2 (x 2) neighbourhood into the channels, then mixes them.

    Written as one strided convolution, which needs no copy of its input; the
    published weight of the 1 x 1 mixing is that convolution's, flattened.
    """

    def __init__(self, channels: int, dims: int) -> None:
        check_sizes(self, channels=channels)
        if dims not in (2, 3):
            raise ValueError(f"Fold: dims is {dims!r}; it must be 2 for images or 3 for clips.")
        conv = (nn.Conv2d, nn.Conv3d)[dims - 2]
        super().__init__(nn.Identity(), conv(channels * 2**dims, channels, 1))

    def forward(self, input: Tensor) -> Tensor:
        mix = cast(nn.Conv2d | nn.Conv3d, self[1])
        dims = input.ndim - 2
        weight = mix.weight.reshape(mix.out_channels, -1, *[2] * dims)
        return (F.conv2d, F.conv3d)[dims - 2](input, weight, mix.bias, stride=2)


def leaky() -> nn.LeakyReLU:
    """The activation of all levels."""
    return nn.LeakyReLU(_LEAK, inplace=True)


class Level(nn.Module):
    """Two convolutions, then half the size, plus a shortcut of half the size."""

    def __init__(
        self, dims: int, channels: int, filters: int, downsample: bool, antialiased: bool
    ) -> None:
        check_sizes(self, input_channels=channels, filters=filters)
        check_switches(self, downsample=downsample, antialiased_downsample=antialiased)
        super().__init__()
        conv = (nn.Conv2d, nn.Conv3d)[dims - 2]
        self.conv_res = conv(channels, filters, 1, stride=2 if downsample else 1)
        self.net = nn.Sequential(
            conv(channels, filters, 3, padding=1),
            leaky(),
            conv(filters, filters, 3, padding=1),
            leaky(),
        )
        self.maybe_blur = Blur() if antialiased else None
        self.downsample = Fold(filters, dims) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.conv_res(x)
        x = self.net(x)
        if self.downsample is not None:
            x = self.downsample(x if self.maybe_blur is None else self.maybe_blur(x))
        return (x + shortcut) * HALF_POWER


class DiscriminatorBlock(Level):
    """A level on frames: B C H W -> B filters H/2 W/2."""

    def __init__(
        self,
        input_channels: int,
        filters: int,
        downsample: bool = True,
        antialiased_downsample: bool = True,
    ) -> None:
        super().__init__(2, input_channels, filters, downsample, antialiased_downsample)


class DiscriminatorBlock3D(Level):
    """A level on clips: B C T H W -> B filters T/2 H/2 W/2."""

    def __init__(
        self, input_channels: int, filters: int, antialiased_downsample: bool = True
    ) -> None:
        super().__init__(3, input_channels, filters, True, antialiased_downsample)


class CausalConv3d(nn.Module):
    """A 3 x 3 x 3 convolution that sees no later frame; the first frame is repeated before it."""

    def __init__(self, channels: int, filters: int) -> None:
        check_sizes(self, channels=channels, filters=filters)
        super().__init__()
        self.conv = nn.Conv3d(channels, filters, 3, padding=(0, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """B C T H W -> B filters T H W."""
        first = x[:, :, :1]
        return self.conv(torch.cat((first, first, x), 2))


class DownSample3D(nn.Module):
    """Halves time by averaging pairs, height and width by a convolution.

    The first frame is kept as it is and the others are paired; a last one without
    a partner is kept, too: B C 1+2n H W -> B filters 1+n H/2 W/2.
    """

    def __init__(self, channels: int, filters: int) -> None:
        check_sizes(self, channels=channels, filters=filters)
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        first, others = x[:, :, :1], x[:, :, 1:]
        if frames := others.shape[2]:
            others = torch.cat((others, others[:, :, frames - frames % 2 :]), 2)
            x = torch.cat((first, F.avg_pool3d(others, (2, 1, 1))), 2)
        kernel = self.conv.weight.unsqueeze(2)
        return F.conv3d(F.pad(x, (0, 1, 0, 1)), kernel, self.conv.bias, stride=(1, 2, 2))


class DiscriminatorBlock3DWithfirstframe(nn.Module):
    """A causal level on clips: B C 1+T H W -> B filters 1+T/2 H/2 W/2."""

    def __init__(
        self, input_channels: int, filters: int, antialiased_downsample: bool = True
    ) -> None:
        check_sizes(self, input_channels=input_channels, filters=filters)
        check_switches(self, antialiased_downsample=antialiased_downsample)
        super().__init__()
        self.downsample_res = DownSample3D(input_channels, filters)
        self.net = nn.Sequential(
            CausalConv3d(input_channels, filters),
            leaky(),
            CausalConv3d(filters, filters),
            leaky(),
        )
        self.maybe_blur = Blur() if antialiased_downsample else None
        self.downsample = DownSample3D(filters, filters)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample_res(x)
        x = self.net(x)
        x = self.downsample(x if self.maybe_blur is None else self.maybe_blur(x))
        return (x + shortcut) * HALF_POWER
