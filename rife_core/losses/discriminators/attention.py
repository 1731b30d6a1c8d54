"""Attention between all pixels in linear time."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...ops.dispatch import at_least_float32
from ..checks import check_sizes, full_precision

CHUNK = 4096
"""How many pixels' features are in memory at once, all samples together."""
HALF_POWER = 2**-0.5  # keeps the variance of a sum of two


class RMSNorm(nn.Module):
    """Scales each vector to root mean square `gamma`.

    Args:
        dim: length of the vectors.
        axis: where they lie: -1 for tokens, 1 for images.
    """

    def __init__(self, dim: int, axis: int) -> None:
        check_sizes(self, dim=dim)
        if axis not in (-1, 1):
            raise ValueError(f"RMSNorm: axis is {axis!r}; it is -1 for tokens, 1 for images.")
        super().__init__()
        self.axis = axis
        self.scale = dim**0.5
        self.gamma = nn.Parameter(torch.ones((dim,) if axis == -1 else (dim, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
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
        # What fits into memory at once may stay there: no need to compute it twice.
        run = _forgetful if torch.is_grad_enabled() and k.shape[-2] > chunk else _remembering
        chunks = zip(k.split(chunk, -2), v.split(chunk, -2), strict=True)
        # Out of place: each sum is part of the graph that a gradient penalty goes through twice.
        summary = cast(Tensor, sum(run(_summarise, *pair) for pair in chunks))
        out = torch.cat([run(_read, part, summary) for part in q.split(chunk, -2)], -2)
        return out.to(dtype)


def _summarise(k: Tensor, v: Tensor) -> Tensor:
    return _taylor_features(k).mT @ v


def _read(q: Tensor, summary: Tensor) -> Tensor:
    out = _taylor_features(q) @ summary
    return out[..., :-1] / out[..., -1:]


def _taylor_features(x: Tensor) -> Tensor:
    """Features whose product is 1 + x y + (x y)^2 / 2: B heads N D -> B heads N 1+D+D*D."""
    square = (x.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2) * HALF_POWER
    return torch.cat((torch.ones_like(x[..., :1]), x, square), -1)


def _remembering(function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    return function(*args)


def _forgetful(function: Callable[..., Tensor], *args: Tensor) -> Tensor:
    """Runs `function` and keeps only its inputs for the backward pass (checkpointing)."""
    return cast(Tensor, checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False))


class TaylorAttention(nn.Module):
    """Multi-head `taylor_attention` of tokens among themselves: B N C -> B N C."""

    def __init__(self, dim: int, dim_head: int, heads: int) -> None:
        check_sizes(self, dim=dim, dim_head=dim_head, heads=heads)
        super().__init__()
        self.heads = heads
        self.scale = dim_head**-0.5
        inner = dim_head * heads
        self.to_q = nn.Sequential(nn.Linear(dim, inner, bias=False))
        self.to_kv = nn.Sequential(nn.Linear(dim, 2 * inner, bias=False))
        self.to_out = nn.Sequential(nn.Linear(inner, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
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
        tokens = rearrange(x, "b c h w -> b (h w) c")
        return rearrange(self.attn(self.norm(tokens)), "b (h w) c -> b c h w", h=x.shape[-2])
