"""A convolution added to a tensor in one pass over memory."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dispatch import FastForm, uses_cpu_bf16_ops, wave


def convolve_onto(
    before: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: tuple[int, int],
    groups: int = 1,
) -> Tensor:
    """`before + F.conv2d(x, weight, bias, 1, padding)`; its fast form is oneDNN's.

    Shape:
        before: B C' H W, x: B C H W -> B C' H W
    """
    return _convolve_onto(before, x, weight, bias, padding, groups)


def _plain(
    before: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: tuple[int, int],
    groups: int,
) -> Tensor:
    return before + F.conv2d(x, weight, bias, 1, padding, 1, groups)


def _fast(
    before: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: tuple[int, int],
    groups: int,
) -> Tensor:
    run: Any = torch.ops.mkldnn._convolution_pointwise.binary
    sides = (padding, (1, 1), (1, 1), groups)
    return run(x, before, weight, bias, *sides, "add", None, None, [], None)


def _has_onednn_for(before: Tensor, x: Tensor, *_: Any) -> bool:
    return uses_cpu_bf16_ops(x.device, x.dtype) and _onednn_takes_bfloat16()


@cache
def _onednn_takes_bfloat16() -> bool:
    """Whether oneDNN is there and the processor has what its bfloat16 needs, AVX-512."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


_convolve_onto = FastForm(
    "convolution onto a tensor",
    _plain,
    _fast,
    _has_onednn_for,
    lambda before, x, weight, bias, padding, groups: (
        wave(1, 4, 6, 5, dtype=before.dtype),
        wave(1, 2, 6, 5, dtype=before.dtype),
        wave(4, 2, 3, 3, dtype=before.dtype),
        wave(4, dtype=before.dtype),
        (1, 1),
        1,
    ),
    near=1e-2,
)


def add_scaled_conv(x: Tensor, conv: nn.Conv2d, scale: Tensor) -> Tensor:
    """`x + conv(x) * scale`; in the fast form the scale goes into the kernels.

    Shape:
        x: B C H W; scale: 1 C 1 1 -> B C H W
    """
    return _add_scaled_conv(x, conv, scale)


def _scaled(x: Tensor, conv: nn.Conv2d, scale: Tensor) -> Tensor:
    return torch.addcmul(x, conv(x), scale)


def _folded(x: Tensor, conv: nn.Conv2d, scale: Tensor) -> Tensor:
    scale = scale.view(-1)
    weight, bias = conv.weight * scale[:, None, None, None], cast(Tensor, conv.bias) * scale
    return convolve_onto(x, x, weight, bias, (1, 1), conv.groups)


def _applies(x: Tensor, *_: Any) -> bool:
    return uses_cpu_bf16_ops(x.device, x.dtype)


_add_scaled_conv = FastForm(
    "scaled residual convolution",
    _scaled,
    _folded,
    _applies,
    lambda x, conv, scale: (
        wave(1, 4, 6, 5, dtype=x.dtype),
        nn.Conv2d(4, 4, 3, 1, 1).to(x.dtype),
        wave(1, 4, 1, 1, dtype=x.dtype),
    ),
    near=1e-2,
)
