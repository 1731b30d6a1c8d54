"""Discriminators: networks that tell real video from made video, by frame or by clip.

All three are one pyramid. Each level looks (two convolutions), halves the image,
and adds a shortcut; levels on frames then let every pixel attend to every other
one in linear time. Clips are halved in time as well on the first levels, until
no time is left. Logits come out: high means real.

Attention replaces exp(q k) by its second-order Taylor series, whose value is a
product of features of q and features of k; so sums over all pixels can be taken
first. The features are nine times as large as what they are made of. They are
made for one chunk of pixels at a time, and once more in the backward pass, and
never kept: memory grows with the number of pixels, by little more than q, k and v.

Parameter names are those of CogVideo's released video loss.

Reference: Nauen et al., "TaylorShift: Shifting the Complexity of Self-Attention
from Squared to Linear (and Back) using Taylor-Softmax", 2024; Zhang, "Making
Convolutional Networks Shift-Invariant Again", ICML 2019; Yu et al., "Language
Model Beats Diffusion - Tokenizer is Key to Visual Generation", ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log2
from typing import Any, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .image_checks import full_precision
from .sampling import at_least_float32

CHUNK = 4096
"""How many pixels' features are in memory at once, all samples together."""

_LEAK = 0.1
_HALF_POWER = 2**-0.5  # keeps the variance of a sum of two
_SMALLEST_MAP = 4  # the pyramid stops where the shorter side has this many to seven pixels


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
        """See the class."""
        kernel = torch.outer(self.f, self.f)
        kernel = (kernel / kernel.sum()).to(x)
        planes = F.pad(x.reshape(-1, 1, *x.shape[-2:]), (1, 1, 1, 1), mode="replicate")
        return F.conv2d(planes, kernel[None, None]).reshape(x.shape)


class RMSNorm(nn.Module):
    """Scales each vector to root mean square `gamma`.

    Args:
        dim: length of the vectors.
        axis: where they lie: -1 for tokens, 1 for images.
    """

    def __init__(self, dim: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.scale = dim**0.5
        self.gamma = nn.Parameter(torch.ones((dim,) if axis == -1 else (dim, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.normalize(x, dim=self.axis) * self.scale * self.gamma


# --- Attention


def taylor_attention(q: Tensor, k: Tensor, v: Tensor, chunk: int = CHUNK) -> Tensor:
    """Attention whose weights are 1 + q k + (q k)^2 / 2 instead of exp(q k).

    The weights are at least 1/2, so they can always be divided by their sum.

    Shape:
        q, k: B heads N D, q already scaled; v: B heads N E
        returns: B heads N E, in the float type of `v`

    Example:
        >>> q, k, v = torch.randn(3, 1, 2, 50, 4)
        >>> weights = 1 + q @ k.mT + (q @ k.mT) ** 2 / 2
        >>> naive = weights @ v / weights.sum(-1, keepdim=True)
        >>> torch.allclose(taylor_attention(q, k, v, chunk=16), naive, atol=1e-5)
        True
    """
    dtype, chunk = v.dtype, max(1, chunk // len(v))
    with full_precision(v.device):
        q, k, v = at_least_float32(q), at_least_float32(k), at_least_float32(v)
        v = F.pad(v, (0, 1), value=1.0)  # the last column sums up the weights
        chunks = zip(k.split(chunk, -2), v.split(chunk, -2), strict=True)
        # Out of place: each sum is part of the graph that a gradient penalty goes through twice.
        summary = cast(Tensor, sum(_forgetful(_summarise, *pair) for pair in chunks))
        out = torch.cat([_forgetful(_read, part, summary) for part in q.split(chunk, -2)], -2)
        return out.to(dtype)


def _summarise(k: Tensor, v: Tensor) -> Tensor:
    return _taylor_features(k).mT @ v


def _read(q: Tensor, summary: Tensor) -> Tensor:
    out = _taylor_features(q) @ summary
    return out[..., :-1] / out[..., -1:]


def _taylor_features(x: Tensor) -> Tensor:
    """Features whose product is 1 + x y + (x y)^2 / 2: B heads N D -> B heads N 1+D+D*D."""
    square = (x.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2) * _HALF_POWER
    return torch.cat((torch.ones_like(x[..., :1]), x, square), -1)


def _forgetful(function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """Runs `function`, keeping for the backward pass only what went in."""
    return cast(Tensor, checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False))


class TaylorAttention(nn.Module):
    """Multi-head `taylor_attention` of tokens among themselves: B N C -> B N C."""

    def __init__(self, dim: int, dim_head: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = dim_head**-0.5
        inner = dim_head * heads
        self.to_q = nn.Sequential(nn.Linear(dim, inner, bias=False))
        self.to_kv = nn.Sequential(nn.Linear(dim, 2 * inner, bias=False))
        self.to_out = nn.Sequential(nn.Linear(inner, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        q = rearrange(self.to_q(x), "b n (h d) -> b h n d", h=self.heads)
        k, v = rearrange(self.to_kv(x), "b n (kv h d) -> kv b h n d", kv=2, h=self.heads)
        out = taylor_attention(q * self.scale, k, v)
        return self.to_out(rearrange(out, "b h n d -> b n (h d)"))


class LinearSpaceAttention(nn.Module):
    """Normalised `TaylorAttention` among the pixels of each image: B C H W -> B C H W."""

    def __init__(self, dim: int, dim_head: int, heads: int) -> None:
        super().__init__()
        self.norm = RMSNorm(dim, axis=-1)
        self.attn = TaylorAttention(dim, dim_head, heads)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        tokens = rearrange(x, "b c h w -> b (h w) c")
        return rearrange(self.attn(self.norm(tokens)), "b (h w) c -> b c h w", h=x.shape[-2])


class _GEGLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        value, gate = x.chunk(2, dim=1)
        return F.gelu(gate) * value


class FeedForward(nn.Module):
    """A gated layer of `mult` * 2/3 times the width, pixel by pixel: B C H W -> B C H W."""

    def __init__(self, dim: int, mult: float) -> None:
        super().__init__()
        inner = int(dim * mult * 2 / 3)
        self.norm = RMSNorm(dim, axis=1)
        self.net = nn.Sequential(nn.Conv2d(dim, 2 * inner, 1), _GEGLU(), nn.Conv2d(inner, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.net(self.norm(x))


class Residual(nn.Module):
    """Adds what `fn` makes of its input to the input."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.fn(x) + x


# --- One level of the pyramid


class _Fold(nn.Sequential):
    """Puts each 2 x 2 (x 2) neighbourhood side by side in the channels, then mixes these.

    Written as one strided convolution, which needs no copy of its input; the
    published weight of the 1 x 1 mixing is that convolution's, flattened.
    """

    def __init__(self, channels: int, dims: int) -> None:
        conv = (nn.Conv2d, nn.Conv3d)[dims - 2]
        super().__init__(nn.Identity(), conv(channels * 2**dims, channels, 1))

    def forward(self, input: Tensor) -> Tensor:
        mix = cast(nn.Conv2d | nn.Conv3d, self[1])
        dims = input.ndim - 2
        weight = mix.weight.reshape(mix.out_channels, -1, *[2] * dims)
        return (F.conv2d, F.conv3d)[dims - 2](input, weight, mix.bias, stride=2)


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(_LEAK, inplace=True)


class _Level(nn.Module):
    """Two convolutions, then half the size, plus a shortcut of half the size."""

    def __init__(
        self, dims: int, channels: int, filters: int, downsample: bool, antialiased: bool
    ) -> None:
        super().__init__()
        conv = (nn.Conv2d, nn.Conv3d)[dims - 2]
        self.conv_res = conv(channels, filters, 1, stride=2 if downsample else 1)
        self.net = nn.Sequential(
            conv(channels, filters, 3, padding=1),
            _leaky(),
            conv(filters, filters, 3, padding=1),
            _leaky(),
        )
        self.maybe_blur = Blur() if antialiased else None
        self.downsample = _Fold(filters, dims) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.conv_res(x)
        x = self.net(x)
        if self.downsample is not None:
            x = self.downsample(x if self.maybe_blur is None else self.maybe_blur(x))
        return (x + shortcut) * _HALF_POWER


class DiscriminatorBlock(_Level):
    """A level on frames: B C H W -> B filters H/2 W/2."""

    def __init__(
        self,
        input_channels: int,
        filters: int,
        downsample: bool = True,
        antialiased_downsample: bool = True,
    ) -> None:
        super().__init__(2, input_channels, filters, downsample, antialiased_downsample)


class DiscriminatorBlock3D(_Level):
    """A level on clips: B C T H W -> B filters T/2 H/2 W/2."""

    def __init__(
        self, input_channels: int, filters: int, antialiased_downsample: bool = True
    ) -> None:
        super().__init__(3, input_channels, filters, True, antialiased_downsample)


class CausalConv3d(nn.Module):
    """A 3 x 3 x 3 convolution that sees no later frame; before the first one it stands still."""

    def __init__(self, channels: int, filters: int) -> None:
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
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
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
        super().__init__()
        self.downsample_res = DownSample3D(input_channels, filters)
        self.net = nn.Sequential(
            CausalConv3d(input_channels, filters),
            _leaky(),
            CausalConv3d(filters, filters),
            _leaky(),
        )
        self.maybe_blur = Blur() if antialiased_downsample else None
        self.downsample = DownSample3D(filters, filters)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        shortcut = self.downsample_res(x)
        x = self.net(x)
        x = self.downsample(x if self.maybe_blur is None else self.maybe_blur(x))
        return (x + shortcut) * _HALF_POWER


# --- The discriminators


class _Pyramid(nn.Module):
    """Levels of halving, first of clips, then of frames, and one logit per sample at the end."""

    def __init__(
        self,
        *,
        dim: int,
        image_size: int | tuple[int, int],
        frame_num: int,
        channels: int = 3,
        max_dim: int = 512,
        linear_attn_dim_head: int = 8,
        linear_attn_heads: int = 16,
        ff_mult: float = 4,
        antialiased_downsample: bool = False,
    ) -> None:
        super().__init__()
        height, width = (image_size,) * 2 if isinstance(image_size, int) else image_size
        self.image_size = (height, width)
        self.frame_num = frame_num
        self.channels = channels
        halvings = _halvings(height, width)
        self.temporal_num_layers = self._temporal_halvings(halvings)
        widths = [channels, *(min(4 * dim * 2**i, max_dim) for i in range(halvings + 1))]
        self.blocks = nn.ModuleList()
        for i, (before, after) in enumerate(pairwise(widths)):
            if i < self.temporal_num_layers:
                self.blocks.append(self._temporal_block(before, after, antialiased_downsample))
                continue
            attention = LinearSpaceAttention(after, linear_attn_dim_head, linear_attn_heads)
            mixing = nn.Sequential(Residual(attention), Residual(FeedForward(after, ff_mult)))
            level = DiscriminatorBlock(before, after, i < halvings, antialiased_downsample)
            self.blocks.append(nn.Sequential(level, mixing))
        last, area = widths[-1], (height >> halvings) * (width >> halvings)
        self.to_logits = nn.Sequential(
            nn.Conv2d(last, last, 3, padding=1), _leaky(), nn.Flatten(), nn.Linear(last * area, 1)
        )

    def _temporal_halvings(self, spatial: int) -> int:
        """On how many levels time is halved, given on how many height and width are."""
        raise NotImplementedError

    def _temporal_block(self, channels: int, filters: int, antialiased: bool) -> nn.Module:
        raise NotImplementedError

    def _collapse_time(self, x: Tensor) -> Tensor:
        """What the temporal levels leave over, as frames: B C T H W -> B C H W."""
        raise NotImplementedError

    def _frames(self) -> tuple[int | None, ...]:
        """The lengths of time that a sample must have: none for frames, None for any."""
        return (self.frame_num,)

    @property
    def window(self) -> int:
        """How many frames to show it at a time; 0 where it judges single frames."""
        return self.frame_num

    def _check(self, x: Tensor) -> None:
        wanted = (self.channels, *self._frames(), *self.image_size)
        fits = x.ndim == 1 + len(wanted) and all(
            w in (n, None) for w, n in zip(wanted, x.shape[1:], strict=True)
        )
        if not fits or not x.numel() or not x.is_floating_point():
            names = ", ".join("T" if n is None else str(n) for n in wanted)
            raise ValueError(
                f"{type(self).__name__}: found a tensor of shape {tuple(x.shape)} and type "
                f"{x.dtype}, expected (B, {names}) in floating point. Crop or resize the video, "
                "or build the discriminator for this size."
            )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        self._check(x)
        x = x.to(next(self.parameters()).dtype)
        is_clip = x.ndim == 5
        for i, block in enumerate(self.blocks):
            if is_clip and i == self.temporal_num_layers:
                x = self._collapse_time(x)
            x = block(x)
        return self.to_logits(x).squeeze(1)


class Discriminator(_Pyramid):
    """Judges single frames.

    Args:
        dim: width of the network; the first level has 4 * dim channels.
        image_size: one number for square frames, or (height, width). Both are halved
            until the shorter one is below 8.
        channels: of the frames (3).
        max_dim: no level has more channels than this (512).
        linear_attn_dim_head: width of an attention head (8).
        linear_attn_heads: number of attention heads (16).
        ff_mult: width of the feed-forward layers (4).
        antialiased_downsample: blur before halving (False).

    Shape:
        x: B channels height width, usually in [-1, 1]
        returns: B, logits

    Raises:
        ValueError: `image_size` cannot be halved often enough; frames of another shape.

    Example:
        >>> judge = Discriminator(dim=4, image_size=(16, 32), max_dim=16)
        >>> judge(torch.rand(2, 3, 16, 32)).shape
        torch.Size([2])
    """

    def __init__(self, **size: Any) -> None:
        super().__init__(frame_num=0, **size)

    def _temporal_halvings(self, spatial: int) -> int:
        return 0

    def _frames(self) -> tuple[int | None, ...]:
        return ()


class Discriminator3D(_Pyramid):
    """Judges clips; time is halved until one frame is left.

    Args:
        frame_num: length of the clips, a power of two.
        dim: and all the others: as of `Discriminator`.

    Shape:
        x: B channels frame_num height width, usually in [-1, 1]
        returns: B, logits

    Raises:
        ValueError: `image_size` or `frame_num` cannot be halved often enough; clips of
            another shape.

    Example:
        >>> judge = Discriminator3D(dim=4, image_size=16, frame_num=2, max_dim=16)
        >>> judge(torch.rand(1, 3, 2, 16, 16)).shape
        torch.Size([1])
    """

    def _temporal_halvings(self, spatial: int) -> int:
        halvings = _log2(self.frame_num, "frame_num", spatial)
        if self.frame_num != 2**halvings:
            raise ValueError(
                f"frame_num is {self.frame_num}, which cannot be halved until one frame is left. "
                f"Use a power of two, like {2**halvings}, or Discriminator3DWithfirstframe."
            )
        return halvings

    def _temporal_block(self, channels: int, filters: int, antialiased: bool) -> nn.Module:
        return DiscriminatorBlock3D(channels, filters, antialiased)

    def _collapse_time(self, x: Tensor) -> Tensor:
        return x.squeeze(2)


class Discriminator3DWithfirstframe(_Pyramid):
    """Judges clips of 1 + frame_num frames, whose first one is never mixed with the others.

    It sees time causally, and averages what is left of it after the temporal levels,
    so clips of any length are taken.

    Args:
        frame_num: usual length of the clips without the first frame; its logarithm,
            rounded down, is how often time is halved.
        dim: and all the others: as of `Discriminator`.

    Shape:
        x: B channels T height width, T from 1 up, usually in [-1, 1]
        returns: B, logits

    Raises:
        ValueError: `image_size` or `frame_num` cannot be halved often enough; clips of
            another shape.

    Example:
        >>> judge = Discriminator3DWithfirstframe(dim=4, image_size=16, frame_num=4, max_dim=16)
        >>> judge(torch.rand(1, 3, 5, 16, 16)).shape
        torch.Size([1])
    """

    def _temporal_halvings(self, spatial: int) -> int:
        return _log2(self.frame_num, "frame_num", spatial)

    def _temporal_block(self, channels: int, filters: int, antialiased: bool) -> nn.Module:
        return DiscriminatorBlock3DWithfirstframe(channels, filters, antialiased)

    def _collapse_time(self, x: Tensor) -> Tensor:
        return x.mean(2)

    def _frames(self) -> tuple[int | None, ...]:
        return (None,)

    @property
    def window(self) -> int:
        """How many frames to show it at a time: the first one and `frame_num` others."""
        return 1 + self.frame_num


def _halvings(height: int, width: int) -> int:
    """How often the shorter side is halved until it has 4 to 7 pixels."""
    halvings = int(log2(max(min(height, width), 1))) - int(log2(_SMALLEST_MAP))
    if halvings < 0 or height % 2**halvings or width % 2**halvings:
        times = 2 ** max(halvings, 0)
        raise ValueError(
            f"image_size is {height} x {width}, but both sides must be at least {_SMALLEST_MAP}, "
            f"and multiples of {times} because they are halved {max(halvings, 0)} times. "
            f"Use for example {max(height // times, _SMALLEST_MAP) * times} x "
            f"{max(width // times, _SMALLEST_MAP) * times}."
        )
    return halvings


def _log2(number: int, name: str, most: int) -> int:
    """The logarithm, rounded down; an error unless it is from 0 to `most`."""
    if not 1 <= number < 2 ** (most + 1):
        raise ValueError(
            f"{name} is {number}; for this image_size, which is halved {most} times, it can be "
            f"from 1 to {2 ** (most + 1) - 1}. Use fewer frames or larger images."
        )
    return int(log2(number))
