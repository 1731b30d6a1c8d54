"""Perceptual networks with random weights, and folders without any."""

import importlib.util

import pytest
import torch
from rife_video.rife_core.losses import pretrained as module
from rife_video.rife_core.losses.lpips import LPIPS
from rife_video.rife_core.losses.pretrained import (
    vgg_features,
)
from support import fill, manifest

WIDTHS = (64, 128, 256, 512, 512)


@pytest.fixture(scope="package")
def vgg19():
    return fill(vgg_features(19)).state_dict()


@pytest.fixture(scope="package")
def lpips_files():
    """VGG-16 and linear weights under their published names, drawn as the golden vectors' are."""
    nets = [n for n in manifest()["lpips_vgg16"]["keys"] if n.startswith("net.")]
    bare = LPIPS(
        weights=vgg_features(16).state_dict(),
        linear_weights={
            f"lin{i}.model.1.weight": torch.zeros(1, c, 1, 1) for i, c in enumerate(WIDTHS)
        },
    )
    state = fill(bare).state_dict()
    vgg = {"features." + n.split(".", 2)[2]: state[n] for n in nets}
    return vgg, {n: t.abs() for n, t in state.items() if n.startswith("lin")}


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
