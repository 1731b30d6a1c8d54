"""Perceptual distances: VGG-19 features as RIFE compares them, and LPIPS on VGG-16.

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

import importlib.util
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from .image_checks import check_pair
from .sampling import at_least_float32
from .tensor_files import read_tensors

Weights = str | os.PathLike[str] | Mapping[str, Tensor] | None
"""A file of tensors, the tensors themselves, or None to look in the usual folders."""

VGG_FILES = {16: "vgg16-397923af.pth", 19: "vgg19-dcbb9e9d.pth"}
LPIPS_FILE = "vgg_lpips.pth"

_ORIGIN = {
    VGG_FILES[16]: "torchvision.models.vgg16(weights='DEFAULT') fetches it into the last one",
    VGG_FILES[19]: "torchvision.models.vgg19(weights='DEFAULT') fetches it into the last one",
    LPIPS_FILE: "it is weights/v0.1/vgg.pth of the `lpips` package, and found there when installed",
}

_CONVS_PER_STAGE = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
_SMALLEST = 16  # halved four times, a side of 16 is one pixel

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_RIFE_TAPS = {2: 1 / 2.6, 7: 1 / 4.8, 12: 1 / 3.7, 21: 1 / 5.6, 30: 10 / 1.5}
"""After how many layers VGG-19's features are compared, and how much each counts."""

_RIFE_SCALE = 0.1

_USED_LAYERS = 30
_LPIPS_CUTS = (0, 4, 9, 16, 23, _USED_LAYERS)
_LPIPS_FLOOR = 1e-10


class MissingWeightsError(FileNotFoundError):
    """Trained weights that are nowhere to be found; the message says where they go."""


# --- Weights


def vgg_features(depth: int) -> nn.Sequential:
    """The convolutions of VGG-16 or VGG-19, numbered as published, with random weights.

    Example:
        >>> [name for name, _ in vgg_features(16).named_parameters()][:3]
        ['0.weight', '0.bias', '2.weight']
    """
    return nn.Sequential(*_vgg_layers(depth))


def _vgg_layers(depth: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for width, convs in zip(_WIDTHS, _CONVS_PER_STAGE[depth], strict=True):
        for _ in range(convs):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return layers[:-1]


def read_weights(
    what: str, filename: str, given: Weights, folders: Iterable[str | os.PathLike[str]]
) -> Mapping[str, Tensor]:
    """The tensors that `given` names, or those of the first `filename` in `folders`.

    Args:
        what: what to call the weights in an error.
        filename: the file's usual name.
        given: the user's choice, or None.
        folders: where to look without one, best first.

    Raises:
        MissingWeightsError: no such file.
        ValueError: the file is damaged, or holds other things than tensors.
    """
    if isinstance(given, Mapping):
        return given
    if given is not None:
        path = Path(given)
        if not path.is_file():
            raise MissingWeightsError(
                f"There is no file {str(path)!r} with the {what} weights. The file's usual name "
                f"is {filename}."
            )
        return read_tensors(what, path)[0]
    places = list(dict.fromkeys(Path(folder) for folder in folders))
    for place in places:
        if (place / filename).is_file():
            return read_tensors(what, place / filename)[0]
    raise MissingWeightsError(
        f"The {what} weights are not on this machine: no file {filename} in "
        f"{' or '.join(str(place) for place in places)}. Put it there "
        f"({_ORIGIN[filename]}), or name the file where you build the loss."
    )


def hub_folder() -> Path:
    """Where torch.hub keeps the files that it fetched."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _fill(what: str, module: nn.Module, state: Mapping[str, Tensor], prefix: str = "") -> None:
    """Loads the module's parameters from `state`; whatever else is in there is not asked for."""
    found: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        tensor = state.get(prefix + name, state.get(name))
        if not isinstance(tensor, Tensor) or tensor.shape != parameter.shape:
            was = tuple(tensor.shape) if isinstance(tensor, Tensor) else "absent"
            raise ValueError(
                f"The file holds no {what} weights: {prefix + name!r} is {was}, expected "
                f"{tuple(parameter.shape)} (first of {len(state)} keys: "
                f"{next(iter(state), 'none')!r})."
            )
        found[name] = tensor.detach().float()
    module.load_state_dict(found, strict=True, assign=True)
    module.requires_grad_(False)


def _trained_vgg(
    depth: int, weights: Weights, folders: Sequence[str | os.PathLike[str]]
) -> nn.Sequential:
    what = f"VGG-{depth}"
    state = read_weights(what, VGG_FILES[depth], weights, [*folders, hub_folder()])
    with torch.device("meta"):
        features = nn.Sequential(*_vgg_layers(depth)[:_USED_LAYERS])
    _fill(what, features, state, prefix="features.")
    return features


def _lpips_package() -> list[Path]:
    """Where the `lpips` package keeps its linear layers, if it is installed."""
    spec = importlib.util.find_spec("lpips")
    places = (spec.submodule_search_locations if spec else None) or []
    return [Path(place) / "weights" / "v0.1" / "vgg.pth" for place in places]


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
    _check_statistics(data_mean, data_std)
    mean = data_range * x.new_tensor(data_mean).reshape(-1, 1, 1)
    std = x.new_tensor(data_std).reshape(-1, 1, 1)
    return (x - mean) / std if norm else x * std + mean


def _check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    if len(mean) != len(std) or not mean or not all(s > 0 for s in std):
        raise ValueError(
            f"MeanShift: needs one mean and one positive standard deviation per channel; "
            f"found means {list(mean)} and deviations {list(std)}."
        )


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
        ValueError: the two lists do not fit each other.
    """

    def __init__(
        self,
        data_mean: Sequence[float],
        data_std: Sequence[float],
        data_range: float = 1,
        norm: bool = True,
    ) -> None:
        _check_statistics(data_mean, data_std)
        channels = len(data_mean)
        super().__init__(channels, channels, kernel_size=1)
        mean = data_range * torch.tensor(data_mean, dtype=torch.float32)
        std = torch.tensor(data_std, dtype=torch.float32)
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
        self.vgg_pretrained_features = _trained_vgg(19, weights, folders)
        self.normalize = MeanShift(_IMAGENET_MEAN, _IMAGENET_STD)

    def forward(self, X: Tensor, Y: Tensor, indices: list[int] | None = None) -> Tensor:  # noqa: N803
        """See the class. `indices` is taken for old callers: it is always 2, 7, 12, 21, 30."""
        check_pair("VGGPerceptualLoss", X, Y, channels=3, shortest=_SMALLEST)
        dtype = self.normalize.weight.dtype
        x, y = self.normalize(X.to(dtype)), self.normalize(Y.to(dtype))
        return vgg_perceptual(self.vgg_pretrained_features, x, y)


# --- LPIPS


class _ScalingLayer(nn.Module):
    """From [-1, 1] to the statistics that VGG-16 was trained on."""

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
        features = _trained_vgg(16, weights, folders)
        cuts = pairwise(_LPIPS_CUTS)
        # Slices of a Sequential keep the layers' numbers.
        slices = {f"slice{i}": features[begin:end] for i, (begin, end) in enumerate(cuts, 1)}
        with torch.device("meta"):
            linear = {f"lin{i}": _linear_layer(width) for i, width in enumerate(_WIDTHS)}
        _fill("LPIPS", nn.ModuleDict(linear), _linear_state(linear_weights, folders))
        self.scaling_layer = _ScalingLayer()
        self.net = nn.ModuleDict(slices)
        for name, layer in linear.items():
            self.add_module(name, layer)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """See the class."""
        check_pair("LPIPS", input, target, channels=3, shortest=_SMALLEST)
        dtype = self.get_parameter("lin0.model.1.weight").dtype
        x, y = self.scaling_layer(input.to(dtype)), self.scaling_layer(target.to(dtype))
        terms: list[Tensor] = []
        for i, stage in enumerate(self.net.values()):
            x, y = stage(x), stage(y)
            weight = self.get_parameter(f"lin{i}.model.1.weight")
            difference = (_unit(x) - _unit(y)).square()
            seen = (difference * weight).sum(1, keepdim=True)  # a 1 x 1 convolution to one channel
            terms.append(seen.mean((2, 3), keepdim=True))
        return torch.stack(terms).sum(0)


def _linear_state(
    given: Weights, folders: Sequence[str | os.PathLike[str]]
) -> Mapping[str, Tensor]:
    if given is None:
        given = next((path for path in _lpips_package() if path.is_file()), None)
    return read_weights("LPIPS", LPIPS_FILE, given, [*folders, hub_folder()])


def _unit(x: Tensor) -> Tensor:
    """Each pixel's feature vector at length 1; the norm's gradient at 0 is 0, not NaN."""
    x = at_least_float32(x)
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + _LPIPS_FLOOR)
