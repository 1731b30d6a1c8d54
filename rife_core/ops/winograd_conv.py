"""3 x 3 convolutions of even and odd rows apart: four products where six are usual.

Two neighbouring rows of a result read the same two rows between them. Computed together they
take four convolutions of 1 x 3, over sums and differences of rows, instead of six over rows:

    p = (a + b + c) / 2 * (e + o)         even row = a * (o' - o) + p + q
    q = (a - b + c) / 2 * (o - e)         odd row  = c * (e' - e) + p - q

where a, b, c are the rows of the kernel, e and o an even row of the input and the odd one
after it, o' the odd one before them and e' the even one after them. What is rounded once more
on the way takes the paper networks in bfloat16 2 to 3 dB further from float32.

Reference: Winograd, "Arithmetic Complexity of Computations", SIAM 1980, F(2, 3) along one
axis; Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dispatch import FastForm, uses_cpu_bf16_ops, wave
from .fused_conv import convolve_onto
from .kept import Kept
from .prelu import PReLU
from .weight_rounding import round_keeping_sum
from .winograd_tiles import conv_chain

_PIXELS, _CHANNELS = 1024, 90
"""From how many on the sums and differences cost less than the products that they save."""
_PADDING = (0, 1)


class EvenOddRows(NamedTuple):
    """The even rows and the odd ones of a picture: B C H/2 W each."""

    even: Tensor
    odd: Tensor

    @staticmethod
    def of(x: Tensor) -> EvenOddRows:
        """Of B C H W, H even."""
        layout = torch.channels_last
        return EvenOddRows(
            *(x[:, :, first::2].contiguous(memory_format=layout) for first in (0, 1))
        )

    def plus(self, x: Tensor) -> Tensor:
        """The picture itself, added to `x`: B C H W."""
        total = torch.empty_like(x)
        for first, rows in enumerate(self):
            torch.add(x[:, :, first::2], rows, out=total[:, :, first::2])
        return total


def residual_chain(layers: nn.Sequential, x: Tensor) -> Tensor:
    """`layers(x) + x`, where the layers are pairs of a `WinogradConv2d` and an activation.

    Shape:
        x: B C H W -> B C H W
    """
    return _residual_chain(layers, x)


def _plain(layers: nn.Sequential, x: Tensor) -> Tensor:
    return conv_chain(layers, x) + x


def _by_rows(layers: nn.Sequential, x: Tensor) -> Tensor:
    rows = EvenOddRows.of(x)
    for layer in layers:
        conv, activation = cast(nn.Sequential, layer)
        rows = EvenOddRows(*map(activation, cast(WinogradConv2d, conv).by_rows(rows)))
    return rows.plus(x)


def is_faster_for(x: Tensor) -> bool:
    """Whether rows apart can take `x`, B C H W, and are faster."""
    channels, height, width = x.shape[1:]
    large = channels >= _CHANNELS and height * width >= _PIXELS
    return large and height % 2 == 0 and uses_cpu_bf16_ops(x.device, x.dtype)


def _applies(layers: nn.Sequential, x: Tensor) -> bool:
    return is_faster_for(x)


def _sample(layers: nn.Sequential, x: Tensor) -> tuple[nn.Sequential, Tensor]:
    chain = nn.Sequential(*(nn.Sequential(WinogradConv2d(8, 8), PReLU(8)) for _ in range(2)))
    return chain.to(x.dtype), wave(1, 8, 6, 5, dtype=x.dtype)


class WinogradConv2d(nn.Conv2d):
    """`nn.Conv2d` of 3 x 3, stride 1 and padding 1, that can take even and odd rows apart.

    Shape:
        input: B C H W -> B C' H W
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, 1, 1)

    def by_rows(self, rows: EvenOddRows) -> EvenOddRows:
        """The convolution of a picture, by rows."""
        a, middle, crossed, c = _KEPT.get(self, [self.weight], lambda: _kernels_by_row(self.weight))
        even, odd = rows
        bias = cast(Tensor, self.bias)
        p, q = _along(even + odd, middle), _along(odd - even, crossed)
        total, rest = p + q, p.sub_(q)
        return EvenOddRows(
            convolve_onto(total, _less(odd, before=True), a, bias, _PADDING),
            convolve_onto(rest, _less(even, before=False), c, bias, _PADDING),
        )


_KEPT = Kept[list[Tensor]]()


def _kernels_by_row(weight: Tensor) -> list[Tensor]:
    a, b, c = weight.float().unbind(2)
    rows = (a, (a + b + c) / 2, (a - b + c) / 2, c)
    kernels = [round_keeping_sum(row[:, :, None], weight.dtype) for row in rows]
    return [kernel.contiguous(memory_format=torch.channels_last) for kernel in kernels]


def _along(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x, kernel, None, 1, _PADDING)


def _less(x: Tensor, before: bool) -> Tensor:
    """The row before each row, or after it, less the row itself; beyond the ends there is 0."""
    inner, edge = (slice(1, None), slice(1)) if before else (slice(-1), slice(-1, None))
    others = slice(-1) if before else slice(1, None)
    result = torch.empty_like(x)
    torch.sub(x[:, :, others], x[:, :, inner], out=result[:, :, inner])
    torch.neg(x[:, :, edge], out=result[:, :, edge])
    return result


_residual_chain = FastForm(
    "convolution by rows",
    _plain,
    _by_rows,
    _applies,
    _sample,
    kind=lambda layers, x: x.dtype,
    near=1e-2,
)
