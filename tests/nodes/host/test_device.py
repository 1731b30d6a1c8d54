"""Devices and memory, as ComfyUI manages them and without it."""

import torch
from rife_video.nodes.host import compute_device, free_memory
from rife_video.rife_core.inference.precision import default_device


def test_comfyui_chooses_the_device_and_knows_the_memory(loaded):
    management = loaded()["comfy.model_management"]
    management.get_torch_device = lambda: torch.device("meta")
    management.get_free_memory = lambda device: {"cpu": 12.0}[device.type]
    assert compute_device() == torch.device("meta")
    assert free_memory() == 12


def test_without_comfyui_the_core_is_asked(monkeypatch):
    monkeypatch.setattr("rife_video.nodes.host.device._free_memory", lambda: 12)
    assert compute_device() == default_device()
    assert free_memory() == 12
