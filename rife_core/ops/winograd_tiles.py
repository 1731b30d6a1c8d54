"""3 x 3 convolutions by tiles of 4 x 4 results: 36 products where 144 are usual.

Four neighbouring results along an axis read six inputs, which are the coefficients of a
polynomial; a kernel of three taps is another one. Their product is known from its values at five
points and from its highest coefficient, so six products give what takes twelve; along both axes
36 give what takes 144. Inputs become values (`_to_points`), channels are mixed by one matrix
product a point, and one matrix product more turns values into results and adds the bias.

A chain of convolutions stays in tiles from its first layer to its last. The points 0, +-2/3, +-3/2
lose little: a convolution differs from the exact one by 1.5 times as much as the plain one does.
A value that is not finite spreads to all 16 results of the tiles that read it, as NaN.

Reference: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
F(4 x 4, 3 x 3); the points after Barabasz et al., "Error analysis and improving the accuracy of
Winograd convolution for deep neural networks", ACM TOMS 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dispatch import FastForm, uses_cpu_conv_forms, wave
from .kept import Kept

_CHANNELS, _TILES = 64, 24
"""From how many on the products saved cost more than the transforms."""
_BAND = 128
"""Tiles at a time: enough for fast matrix products, few enough to stay near the processor."""
_LANES = 8
"""Channels are padded to a multiple of it: matrix products are faster."""

_SIDE, _READ = 4, 6  # results of a tile, and what they read, along an axis
_NEAR, _FAR = 2 / 3, 3 / 2  # points, and their negatives; their product is 1
_POINTS = (0, _NEAR, -_NEAR, _FAR, -_FAR)


def conv_chain(layers: nn.Sequential, x: Tensor) -> Tensor:
    """`layers(x)`: convolutions of 3 x 3, stride 1 and padding 1, each with its activation.

    Args:
        layers: each a sequence of `nn.Conv2d` and `nn.LeakyReLU` or `nn.PReLU`, or a
            `ScaledResidual`; as many channels out as in.
        x: B C H W.
    """
    return _conv_chain(layers, x)


class ScaledResidual(Protocol):
    """A layer that is `relu(x + beta * conv(x))`."""

    conv: nn.Conv2d
    beta: Tensor
    relu: nn.LeakyReLU


class _Step(NamedTuple):
    """A convolution and its activation; `scale`: of a residual."""

    conv: nn.Conv2d
    activation: nn.Module
    scale: Tensor | None

    @staticmethod
    def of(layer: nn.Module) -> _Step:
        if isinstance(layer, nn.Sequential):
            return _Step(cast(nn.Conv2d, layer[0]), layer[1], None)
        residual = cast(ScaledResidual, layer)
        return _Step(residual.conv, residual.relu, residual.beta)

    def kernels(self) -> Tensor:
        """36 C' C': of each point."""
        weights = [self.conv.weight] if self.scale is None else [self.conv.weight, self.scale]
        return _KEPT.get(self.conv, weights, self._kernels)

    def _kernels(self) -> Tensor:
        weight = self.conv.weight
        if self.scale is not None:
            weight = weight * self.scale.view(-1, 1, 1, 1)
            weight[..., 1, 1].diagonal().add_(1)  # the residual
        return _at_points(weight)

    def bias(self) -> Tensor:
        """C."""
        bias = cast(Tensor, self.conv.bias)
        return bias if self.scale is None else bias * self.scale.view(-1)


_KEPT = Kept[Tensor]()


class _Tiles:
    """A picture in tiles of 4 x 4 pixels; what is at one place of all tiles lies together.

    A row of tiles ends in one of zeros, which is also what lies left of the next row; there is
    such a row above and one below. So tiles beside each other, or one above the other, are the
    same distance apart everywhere, and a band of rows is one run of memory.

    Args:
        like: B C H W.

    Attributes:
        values: B 4 4 P C': row and column in the tile, tile, channel; C' is C padded.
        rows: of tiles.
        pitch: tiles from one row to the next.
    """

    def __init__(self, like: Tensor) -> None:
        batch, self._channels, self._height, self._width = like.shape
        self.rows, columns = -(-self._height // _SIDE), -(-self._width // _SIDE)
        self.pitch = columns + 1
        places = (self.rows + 2) * self.pitch + 2
        size = (batch, _SIDE, _SIDE, places, _padded(self._channels))
        self.values = like.new_zeros(size)
        first = 1 + self.pitch
        inner = self.values[:, :, :, first : first + self.rows * self.pitch]
        self._grid = inner.unflatten(3, (self.rows, self.pitch))

    @staticmethod
    def of(x: Tensor) -> _Tiles:
        tiles = _Tiles(x)
        for inside, pixels in tiles._places(x):
            inside.copy_(pixels)
        return tiles

    def picture(self) -> Tensor:
        """B C H W."""
        size = (len(self.values), self._height, self._width, self._channels)
        x = self.values.new_empty(size).permute(0, 3, 1, 2)
        for inside, pixels in self._places(x):
            pixels.copy_(inside)
        return x

    def _places(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Each of the 16 places in a tile, B h w C, here and in a picture."""
        for row in range(_SIDE):
            for column in range(_SIDE):
                pixels = x[:, :, row::_SIDE, column::_SIDE].permute(0, 2, 3, 1)
                height, width, channels = pixels.shape[1:]
                yield self._grid[:, row, column, :height, :width, :channels], pixels

    def clear_outside(self) -> None:
        """Sets to zero what is no pixel."""
        self._grid[:, :, :, :, -1].zero_()
        if rest := self._height % _SIDE:
            self._grid[:, rest:, :, -1].zero_()
        if rest := self._width % _SIDE:
            self._grid[:, :, rest:, :, -2].zero_()


def _plain(layers: nn.Sequential, x: Tensor) -> Tensor:
    return layers(x)


def _by_tiles(layers: nn.Sequential, x: Tensor) -> Tensor:
    source, target = _Tiles.of(x), _Tiles(x)
    work = _Work(source)
    there, back = work.bands(source, target), work.bands(target, source)
    for step in map(_Step.of, layers):
        kernels, activate = step.kernels(), work.begin(step)
        for band in there:
            band.convolve(kernels, activate)
        target.clear_outside()
        source, target, there, back = target, source, back, there
    return source.picture()


class _Work:
    """Memory for a band of rows of tiles on their way through a convolution.

    Args:
        tiles: of the size that will come.

    Attributes:
        down: 6 4 N+2 C: values at the points along columns; the tile before and the one after
            are read as well.
        at_points: 36 N C: the same along rows.
        products: 37 N C: channels mixed; then the bias.
    """

    def __init__(self, tiles: _Tiles) -> None:
        channels = tiles.values.shape[-1]
        bands = -(-tiles.rows * tiles.pitch // _BAND)
        self._rows = -(-tiles.rows // bands)
        count, new = self._rows * tiles.pitch, tiles.values.new_empty
        self.down = new(_READ, _SIDE, count + 2, channels)
        self.at_points = new(_READ**2, count, channels)
        self.products = new(_READ**2 + 1, count, channels)
        self.spare = new(2 * _READ * (count + 2) * channels)

    def bands(self, source: _Tiles, target: _Tiles) -> list[_Band]:
        """All bands of all samples."""
        return [
            _Band(self, source, target, sample, top, min(self._rows, source.rows - top))
            for sample in range(len(source.values))
            for top in range(0, source.rows, self._rows)
        ]

    def begin(self, step: _Step) -> Callable[[Tensor], object]:
        """Makes ready for a layer; returns its activation, in place."""
        count, channels = self.products.shape[1:]
        surplus = (0, channels - step.conv.out_channels)
        self.products[-1] = F.pad(step.bias(), surplus)
        activation = step.activation
        if isinstance(activation, nn.LeakyReLU):
            return partial(F.leaky_relu_, negative_slope=activation.negative_slope)
        # As many slopes as a row has values: what is as long as that goes through vector units.
        slopes = cast(nn.PReLU, activation).weight.expand(step.conv.out_channels)
        slopes = F.pad(slopes, surplus).repeat(count)
        return lambda out: out.copy_(F.prelu(out, slopes[: out.shape[1]]))


class _Band:
    """Some rows of tiles, and where they pass on their way; see `_Work`."""

    def __init__(
        self, work: _Work, source: _Tiles, target: _Tiles, sample: int, top: int, rows: int
    ) -> None:
        pitch, channels = source.pitch, source.values.shape[-1]
        count, first = rows * pitch, (1 + top) * pitch
        above, here, below = (
            source.values[sample, :, :, start : start + count + 2]
            for start in (first - pitch, first, first + pitch)
        )
        down = work.down[:, :, : count + 2]
        across = down.transpose(0, 1)
        self._points = work.at_points[:, :count]
        self._axes = (
            _Axis(above[-1], here, below[0], down, work.spare),
            _Axis(
                across[-1, :, :-2],
                across[:, :, 1:-1],
                across[0, :, 2:],
                self._points.unflatten(0, (_READ, _READ)).transpose(0, 1),
                work.spare,
            ),
        )
        self._products = work.products[:-1, :count]
        self._flat = work.products.flatten(1)[:, : count * channels]
        start = (first + 1) * channels
        self._out = target.values[sample].view(_SIDE**2, -1)[:, start : start + count * channels]

    def convolve(self, kernels: Tensor, activate: Callable[[Tensor], object]) -> None:
        for axis in self._axes:
            axis.to_points()
        torch.bmm(self._points, kernels, out=self._products)
        torch.mm(_FROM_POINTS, self._flat, out=self._out)
        activate(self._out)


class _Axis:
    """The way of six neighbouring inputs to their values at the points.

    Those are sums of even coefficients and of odd ones, once added and once subtracted.

    Shape:
        before, after: ...; tile: 4 ...; out: 6 ...; spare: more than 2 ...
    """

    def __init__(
        self, before: Tensor, tile: Tensor, after: Tensor, out: Tensor, spare: Tensor
    ) -> None:
        self._before, self._after = before, after
        self._low, self._high, self._middle = tile[:2], tile[2:], tile[1:3].unbind()
        self._out = out.unbind()
        self._sums = spare[: 2 * before.numel()].view(self._low.shape)
        self._odd, self._even = self._sums.unbind()

    def to_points(self) -> None:
        zero, *pairs, infinity = self._out
        odd, even = self._odd, self._even
        for index, (point, other) in enumerate(((_NEAR, _FAR), (_FAR, _NEAR))):
            torch.add(self._high, self._low, alpha=-(other**2), out=self._sums)
            torch.add(even, odd, alpha=point, out=pairs[2 * index])
            torch.add(even, odd, alpha=-point, out=pairs[2 * index + 1])
        low, high = self._middle
        torch.add(low, self._before, alpha=-(_NEAR**2), out=zero)
        torch.add(even, zero, alpha=-(_FAR**2), out=zero)
        torch.add(self._after, high, alpha=-(_NEAR**2), out=infinity)
        torch.add(infinity, odd, alpha=-(_FAR**2), out=infinity)


def _powers(count: int) -> Tensor:
    """The first powers of each point, and of infinity the highest one alone: 6 `count`, float64."""
    powers = torch.zeros(_READ, count, dtype=torch.float64, device="cpu")
    for row, point in zip(powers, _POINTS, strict=False):
        for power in range(count):
            row[power] = point**power
    powers[-1, -1] = 1
    return powers


def _at_points(weight: Tensor) -> Tensor:
    """Kernels at the points of both axes, over what inputs are too large by there.

    Shape:
        weight: C C 3 3 -> 36 C' C', inputs first
    """
    values = _powers(weight.shape[-1])
    for row, point in zip(values, _POINTS, strict=False):
        row /= prod(point - other for other in _POINTS if other != point)
    values = values.float()
    points = torch.einsum("ai,bj,ocij->abco", values, values, weight).flatten(0, 1)
    surplus = _padded(len(weight)) - len(weight)
    return F.pad(points, (0, surplus, 0, surplus)).contiguous()


def _padded(channels: int) -> int:
    return -(-channels // _LANES) * _LANES


_FROM_POINTS = F.pad(torch.kron(*[_powers(_SIDE).t().contiguous()] * 2), (0, 1), value=1).float()
"""From the products at 36 points, and the bias, to 16 results."""


def is_faster_for(x: Tensor) -> bool:
    """Whether tiles can take `x`, B C H W, and are faster.

    In one thread, such as the engine gives to each frame: with several, each of many short
    operations waits for the last of them. It was found with MKL's matrix products.
    """
    if not uses_cpu_conv_forms(x.device, x.dtype) or x.dtype is not torch.float32:
        return False  # sizes are not asked for where a compiler records what depends on them
    channels, height, width = x.shape[1:]
    tiles = -(-height // _SIDE) * -(-width // _SIDE)
    large = channels >= _CHANNELS and tiles >= _TILES
    return large and torch.get_num_threads() == 1 and torch.backends.mkl.is_available()


def _applies(layers: nn.Sequential, x: Tensor) -> bool:
    steps = map(_Step.of, layers)
    return is_faster_for(x) and len(layers) > 0 and all(step.conv.groups == 1 for step in steps)


def _sample(layers: nn.Sequential, x: Tensor) -> tuple[nn.Sequential, Tensor]:
    return nn.Sequential(*list(layers)[:2]), wave(2, x.shape[1], 6, 5)


_conv_chain = FastForm(
    "convolution by tiles",
    _plain,
    _by_tiles,
    _applies,
    _sample,
    kind=lambda layers, x: type(layers[0]),
    near_float32=1e-5,
)
