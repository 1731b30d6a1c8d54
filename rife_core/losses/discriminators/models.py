"""Discriminators: networks that tell real video from generated video, by frame or by clip.

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

from collections.abc import Sequence
from itertools import pairwise
from math import log2
from typing import Any, cast

from torch import Tensor, nn

from ..checks import check_numbers, check_sizes, check_switches, check_tensor
from .attention import LinearSpaceAttention
from .levels import (
    DiscriminatorBlock,
    DiscriminatorBlock3D,
    DiscriminatorBlock3DWithfirstframe,
    FeedForward,
    Residual,
    leaky,
)

_SMALLEST_MAP = 4  # the pyramid stops where the shorter side has this many to seven pixels


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
        attn_heads: int = 8,
        attn_dim_head: int = 32,
        linear_attn_dim_head: int = 8,
        linear_attn_heads: int = 16,
        ff_mult: float = 4,
        antialiased_downsample: bool = False,
    ) -> None:
        check_sizes(
            self,
            dim=dim,
            channels=channels,
            max_dim=max_dim,
            attn_heads=attn_heads,  # these two are of the attention that the linear one replaced
            attn_dim_head=attn_dim_head,
            linear_attn_dim_head=linear_attn_dim_head,
            linear_attn_heads=linear_attn_heads,
        )
        check_numbers(self, above=True, ff_mult=ff_mult)
        check_switches(self, antialiased_downsample=antialiased_downsample)
        super().__init__()
        height, width = _sides(self, image_size)
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
            nn.Conv2d(last, last, 3, padding=1), leaky(), nn.Flatten(), nn.Linear(last * area, 1)
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
        names = ", ".join("T" if n is None else str(n) for n in wanted)
        check_tensor(type(self).__name__, x, f"(B, {names})")
        fits = x.ndim == 1 + len(wanted) and all(
            w in (n, None) for w, n in zip(wanted, x.shape[1:], strict=True)
        )
        if not fits or not x.numel() or not x.is_floating_point():
            raise ValueError(
                f"{type(self).__name__}: found a tensor of shape {tuple(x.shape)} and type "
                f"{x.dtype}, expected (B, {names}) in floating point. Crop or resize the video, "
                "or build the discriminator for this size."
            )

    def forward(self, x: Tensor) -> Tensor:
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
        attn_heads, attn_dim_head: taken, as the published class takes them, and unused.
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
        halvings = _log2(self, self.frame_num, spatial)
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
        return _log2(self, self.frame_num, spatial)

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


def _sides(owner: object, image_size: object) -> tuple[int, int]:
    """Height and width of what is one number for squares, or both."""
    sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(cast(Sequence[object], sides)) != 2:
        raise ValueError(
            f"{type(owner).__name__}: image_size is {image_size!r}; it must be one number, or "
            "height and width."
        )
    height, width = cast(tuple[int, int], sides)
    check_sizes(owner, image_size=height)
    check_sizes(owner, image_size=width)
    return height, width


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


def _log2(owner: object, frame_num: int, most: int) -> int:
    """The logarithm, rounded down; an error unless it is from 0 to `most`."""
    check_sizes(owner, frame_num=frame_num)
    if not 1 <= frame_num < 2 ** (most + 1):
        raise ValueError(
            f"frame_num is {frame_num}; for this image_size, which is halved {most} times, it can "
            f"be from 1 to {2 ** (most + 1) - 1}. Use fewer frames or larger images."
        )
    return int(log2(frame_num))
