"""LPIPS on VGG-16: a learned perceptual distance."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..checkpoints.tensor_files import unfilled
from ..ops.dispatch import at_least_float32
from .checks import check_pair
from .pretrained import (
    LPIPS_FILE,
    USED_LAYERS,
    WIDTHS,
    Weights,
    fill,
    hub_folder,
    lpips_package,
    read_weights,
    trained_vgg,
)
from .vgg import SHORTEST_SIDE

_LPIPS_CUTS = (0, 4, 9, 16, 23, USED_LAYERS)
_LPIPS_FLOOR = 1e-10


# --- LPIPS


class _ScalingLayer(nn.Module):
    """Normalises images in [-1, 1] to the statistics that VGG-16 was trained on."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


def _linear_layer(channels: int) -> nn.ModuleDict:
    # Where the published files count a dropout as layer 0; without it nothing is ever random.
    conv = nn.Conv2d(channels, 1, 1, bias=False)
    return nn.ModuleDict({"model": nn.Sequential(OrderedDict([("1", conv)]))})


class LPIPS(nn.Module):
    """Learned perceptual distance on VGG-16 features; frozen, the same in training mode.

    Args:
        weights: file of VGG-16 weights, or the tensors; None looks for
            vgg16-397923af.pth in `folders` and where torch.hub keeps its files.
        linear_weights: file of the five linear layers, or the tensors; None looks for
            vgg_lpips.pth in the same folders and for the `lpips` package's own file.
        folders: where else to look.

    Shape:
        input, target: B 3 H W in [-1, 1], both sides at least 16
        returns: B 1 1 1, 0 for equal images, around 0.7 for unrelated ones

    Raises:
        MissingWeightsError: no weights; the message says where they go.
        ValueError: the file is of another network, or the images do not fit.
    """

    def __init__(
        self,
        *,
        weights: Weights = None,
        linear_weights: Weights = None,
        folders: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        super().__init__()
        features = trained_vgg(16, weights, folders)
        cuts = pairwise(_LPIPS_CUTS)
        # Slices of a Sequential keep the layers' numbers.
        slices = {f"slice{i}": features[begin:end] for i, (begin, end) in enumerate(cuts, 1)}
        with unfilled():
            linear = {f"lin{i}": _linear_layer(width) for i, width in enumerate(WIDTHS)}
        fill("LPIPS", nn.ModuleDict(linear), _linear_state(linear_weights, folders))
        self.scaling_layer = _ScalingLayer()
        self.net = nn.ModuleDict(slices)
        for name, layer in linear.items():
            self.add_module(name, layer)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        check_pair("LPIPS", input, target, channels=3, shortest=SHORTEST_SIDE)
        dtype = self.get_parameter("lin0.model.1.weight").dtype
        x, y = self.scaling_layer(input.to(dtype)), self.scaling_layer(target.to(dtype))
        terms: list[Tensor] = []
        for i, stage in enumerate(self.net.values()):
            x, y = stage(x), stage(y)
            weight = self.get_parameter(f"lin{i}.model.1.weight")
            difference = (unit(x) - unit(y)).square()
            seen = (difference * weight).sum(1, keepdim=True)  # a 1 x 1 convolution to one channel
            terms.append(seen.mean((2, 3), keepdim=True))
        return torch.stack(terms).sum(0)


def _linear_state(
    given: Weights, folders: Sequence[str | os.PathLike[str]]
) -> Mapping[str, Tensor]:
    if given is None:
        given = next((path for path in lpips_package() if path.is_file()), None)
    return read_weights("LPIPS", LPIPS_FILE, given, [*folders, hub_folder()])


def unit(x: Tensor) -> Tensor:
    """Normalises each pixel's feature vector; the norm's gradient at 0 is 0, not NaN."""
    x = at_least_float32(x)
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + _LPIPS_FLOOR)
