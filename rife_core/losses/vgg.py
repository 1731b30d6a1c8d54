"""RIFE's perceptual loss on VGG-19 features, and the normalisation that it uses.

Both need trained weights, which are looked for in this order: what the caller
gives (a file, or the tensors themselves), the folders that the caller names, the
folder in which torch.hub keeps its files. Nothing is fetched from the network,
and nothing ever runs on random weights in their place.

The feature stacks are plain `nn.Sequential`s with the layer numbers of the
published files, so that those load by name.

Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for
Large-Scale Image Recognition", ICLR 2015; Zhang et al., "The Unreasonable
Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..ops.dispatch import at_least_float32
from ..ops.recording import constants
from .checks import check_numbers, check_pair, check_switches
from .pretrained import Weights, trained_vgg

SHORTEST_SIDE = 16  # halved four times, a side of 16 is one pixel

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_RIFE_TAPS = {2: 1 / 2.6, 7: 1 / 4.8, 12: 1 / 3.7, 21: 1 / 5.6, 30: 10 / 1.5}
"""After how many layers VGG-19's features are compared, and how much each counts."""

_RIFE_SCALE = 0.1


# --- RIFE's perceptual loss


def mean_shift(
    x: Tensor,
    data_mean: Sequence[float],
    data_std: Sequence[float],
    data_range: float = 1,
    norm: bool = True,
) -> Tensor:
    """(x - mean * range) / std, or its inverse x * std + mean * range, per channel.

    Shape:
        x: B C H W -> B C H W

    Example:
        >>> mean_shift(torch.ones(1, 1, 1, 1), [0.5], [0.25]).item()
        2.0
    """
    data_mean, data_std = _statistics(data_mean, data_std)
    check_numbers("MeanShift", above=True, data_range=data_range)
    check_switches("MeanShift", norm=norm)
    mean = data_range * constants(data_mean, x).reshape(-1, 1, 1)
    std = constants(data_std, x).reshape(-1, 1, 1)
    return (x - mean) / std if norm else x * std + mean


def _statistics(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    try:
        means, stds = [float(each) for each in mean], [float(each) for each in std]
    except (TypeError, ValueError):
        means, stds = [], []
    fit = len(means) == len(stds) and all(map(math.isfinite, means))
    if not means or not fit or not all(0 < each < math.inf for each in stds):
        raise ValueError(
            f"MeanShift: needs one mean and one positive standard deviation per channel; "
            f"found means {mean!r} and deviations {std!r}."
        )
    return means, stds


class MeanShift(nn.Conv2d):
    """Normalises images per channel, or undoes it, as a frozen 1 x 1 convolution.

    Args:
        data_mean: mean of each channel, for values in [0, 1].
        data_std: standard deviation of each channel, in the units of the images.
        data_range: the largest value of the images: 1 or 255.
        norm: True subtracts the mean and divides by the deviation; False goes back.

    Shape:
        x: B C H W -> B C H W

    Raises:
        ValueError: the two lists do not fit each other, or a value is out of its range.
    """

    def __init__(
        self,
        data_mean: Sequence[float],
        data_std: Sequence[float],
        data_range: float = 1,
        norm: bool = True,
    ) -> None:
        data_mean, data_std = _statistics(data_mean, data_std)
        check_numbers("MeanShift", above=True, data_range=data_range)
        check_switches("MeanShift", norm=norm)
        channels = len(data_mean)
        super().__init__(channels, channels, kernel_size=1)
        mean = data_range * self.weight.new_tensor(data_mean, dtype=torch.float32)
        std = self.weight.new_tensor(data_std, dtype=torch.float32)
        scale, offset = (1 / std, -mean / std) if norm else (std, mean)
        self.weight = nn.Parameter(torch.diag(scale)[:, :, None, None], requires_grad=False)
        self.bias = nn.Parameter(offset, requires_grad=False)


def vgg_perceptual(features: nn.Sequential, X: Tensor, Y: Tensor) -> Tensor:  # noqa: N803
    """Weighted mean absolute differences of VGG-19 features after five of its layers.

    No gradient goes to `Y`.

    Args:
        features: VGG-19's layers 0 to 29.
        X: the image judged.
        Y: what it should be; both normalised as ImageNet was.

    Shape:
        X, Y: B 3 H W -> scalar
    """
    x, y = X, Y.detach()
    terms: list[Tensor] = []
    for done, layer in enumerate(features, start=1):
        x, y = layer(x), layer(y)
        if done in _RIFE_TAPS:
            distance = (at_least_float32(x) - at_least_float32(y)).abs().mean()
            terms.append(_RIFE_TAPS[done] * _RIFE_SCALE * distance)
    return torch.stack(terms).sum()


class VGGPerceptualLoss(nn.Module):
    """RIFE's perceptual loss: how differently VGG-19 sees two images.

    The network is frozen; gradients go to `X` alone. Under autocast its
    convolutions run in the lower precision, the comparison does not.

    Args:
        rank: taken for the sake of old callers. The loss runs wherever it is moved to.
        weights: file of VGG-19 weights, or the tensors; None looks for
            vgg19-dcbb9e9d.pth in `folders` and where torch.hub keeps its files.
        folders: where else to look for that file.

    Shape:
        X, Y: B 3 H W in [0, 1], both sides at least 16
        returns: scalar, 0 for equal images

    Raises:
        MissingWeightsError: no weights; the message says where they go.
        ValueError: the file is of another network, or the images do not fit.
    """

    def __init__(
        self,
        rank: int = 0,
        *,
        weights: Weights = None,
        folders: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        super().__init__()
        self.vgg_pretrained_features = trained_vgg(19, weights, folders)
        self.normalize = MeanShift(_IMAGENET_MEAN, _IMAGENET_STD)

    def forward(self, X: Tensor, Y: Tensor, indices: list[int] | None = None) -> Tensor:  # noqa: N803
        """The distance; `indices` is accepted for compatibility and is always 2, 7, 12, 21, 30."""
        check_pair("VGGPerceptualLoss", X, Y, channels=3, shortest=SHORTEST_SIDE)
        dtype = self.normalize.weight.dtype
        x, y = self.normalize(X.to(dtype)), self.normalize(Y.to(dtype))
        return vgg_perceptual(self.vgg_pretrained_features, x, y)
