"""Perceptual networks with random weights, and folders without any."""

import importlib.util

import pytest
import torch
from rife_video.rife_core.losses import pretrained as module
from rife_video.rife_core.losses.lpips import LPIPS
from rife_video.rife_core.losses.pretrained import USED_LAYERS, vgg_features
from support import fill, manifest


@pytest.fixture(scope="package")
def vgg19():
    with torch.device("meta"):
        network = vgg_features(19)[:USED_LAYERS]
    return fill(network.to_empty(device="cpu")).state_dict()


@pytest.fixture(scope="package")
def lpips_files():
    """VGG-16 and linear weights under their published names, drawn as the golden vectors' are."""
    shapes = manifest()["lpips_vgg16"]["keys"]
    numbers = {n: n.split(".", 2)[2] for n in shapes if n.startswith("net.")}
    vgg = {number: torch.empty(shapes[name]) for name, number in numbers.items()}
    linear = {name: torch.empty(shape) for name, shape in shapes.items() if name.startswith("lin")}
    state = fill(LPIPS(weights=vgg, linear_weights=linear)).state_dict()
    vgg = {f"features.{number}": state[name] for name, number in numbers.items()}
    return vgg, {name: state[name].abs() for name in linear}


@pytest.fixture
def lpips(lpips_files):
    vgg, linear = lpips_files
    return LPIPS(weights=vgg, linear_weights=linear)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder for torch.hub, and no `lpips` package."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: None if name == "lpips" else real(name)
    )
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder
