"""PReLU; its fast form is for bfloat16 on a CPU, where PyTorch takes most widths one by one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .dispatch import FastForm, uses_cpu_bf16_ops, wave

_BAND = 2**18
"""Values that are changed at once: they stay near the processor."""


class PReLU(nn.PReLU):
    """`nn.PReLU` as `prelu` computes it.

    Shape:
        input: B C H W -> B C H W; without gradients it may be overwritten
    """

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)


def prelu(x: Tensor, slopes: Tensor) -> Tensor:
    """`F.prelu`; without gradients it may overwrite `x`.

    Shape:
        x: B C H W, slopes: C -> B C H W
    """
    return _prelu(x, slopes)


def _plain(x: Tensor, slopes: Tensor) -> Tensor:
    return F.prelu(x, slopes)


def _by_bands(x: Tensor, slopes: Tensor) -> Tensor:
    pixels = x.permute(0, 2, 3, 1)
    # As many slopes as a row has values: what is as long as that goes through the vector units.
    slopes = slopes.expand(pixels.shape[2], -1).reshape(-1)
    rows = pixels.view(-1, len(slopes))
    for band in rows.split(max(1, _BAND // len(slopes))):
        band.copy_(F.prelu(band, slopes))
    return x


def _applies(x: Tensor, slopes: Tensor) -> bool:
    return uses_cpu_bf16_ops(x.device, x.dtype) and x.permute(0, 2, 3, 1).is_contiguous()


def _sample(x: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    pixels = wave(1, 3, 5, 4, dtype=x.dtype)
    return pixels.permute(0, 3, 1, 2), wave(4, dtype=x.dtype)


_prelu = FastForm("PReLU by bands", _plain, _by_bands, _applies, _sample, near=1e-2)
