"""Fixtures of the nodes' tests: a model, and folders with and without weights."""

import sys
from types import ModuleType

import pytest
import torch
from rife_video.nodes.host import Folders, RIFEModel, use_folders
from rife_video.rife_core.losses.pretrained import (
    LPIPS_FILE,
    VGG_FILES,
    vgg_features,
)


@pytest.fixture
def loaded(monkeypatch):
    """Lets this process pass for ComfyUI's: `loaded(*names)` are empty modules in their place."""

    def loaded(*names):
        names = ("folder_paths", "comfy.model_management", *names)
        modules = {name: ModuleType(name) for name in names}
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        return modules

    return loaded


@pytest.fixture
def model(network):
    return RIFEModel(network, "small", "fp32")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty folder of models, and nothing in torch.hub's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "models"
    folder.mkdir()
    with use_folders(Folders(models=(folder,))):
        yield folder


@pytest.fixture
def perceptual_files(models):
    torch.manual_seed(0)
    for depth, name in VGG_FILES.items():
        torch.save(vgg_features(depth).state_dict(), models / name)
    widths = enumerate((64, 128, 256, 512, 512))
    linear = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in widths}
    torch.save(linear, models / LPIPS_FILE)
    return models
