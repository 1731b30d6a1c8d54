"""What several tests share: golden vectors and weights drawn from parameter names."""

import importlib
import json
import sys
import zlib
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

GOLDEN = Path(__file__).parent / "golden"

IMAGE = {"atol": 2e-4, "rtol": 0.0}
FLOW = {"atol": 2e-3, "rtol": 1e-3}
SCALAR = {"atol": 0.0, "rtol": 1e-4}


@cache
def manifest(folder="core"):
    name = {"core": "manifest.json", "v4": "manifest_v4.json"}[folder]
    return json.loads((GOLDEN / folder / name).read_text())


@cache
def golden(name, folder="core"):
    """Tensors of one golden file: ({name: input}, {name: output})."""
    with safe_open(GOLDEN / folder / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in list(file.keys())}
    inputs = {key[3:]: tensor for key, tensor in tensors.items() if key.startswith("in.")}
    outputs = {key[4:]: tensor for key, tensor in tensors.items() if key.startswith("out.")}
    return inputs, outputs


@lru_cache(maxsize=400)
def _normal(name, shape):
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return generator.standard_normal(shape).astype(np.float32)


GAINS = [(name, 0.2) for name in ("lastconv", "conv1.2.", "conv2.2.")]
"""For `fill`: flows of a few pixels, in every row."""


def fill(module, gains=()):
    """Sets every parameter from its own name, as the golden vectors' README says."""
    for name, parameter in module.named_parameters():
        z = _normal(name, tuple(parameter.shape))
        if z.ndim >= 2:
            z = z * np.float32(np.sqrt(1.9 / np.prod(z.shape[1:])))
        elif name.endswith("weight"):
            z = 0.25 + 0.05 * z
        elif name.endswith("gamma"):
            z = 1 + 0.1 * z
        else:
            z = 0.05 * z
        for substring, gain in gains:
            if substring in name:
                z = z * np.float32(gain)
        parameter.data.copy_(torch.from_numpy(np.asarray(z)))
    return module


def filled_golden_module(module, name):
    return fill(module, manifest()[name].get("gains", ())).eval()


def pyproject():
    """The project's own configuration."""
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))


def moving_square(frames=6, height=36, width=52, speed=3):
    """A clip B H W 3 of a bright square that moves right over a gradient."""
    x = torch.linspace(0, 0.5, width).expand(frames, height, width)
    clip = torch.stack((x, x.flip(2), x * 0.5), dim=-1).clone()
    for index in range(frames):
        left = 4 + index * speed
        clip[index, 8:20, left : left + 12] = torch.tensor([0.9, 0.8, 0.2])
    return clip


TINY_TRAINING = {
    "row": "4.6",
    "channels": [8, 8, 8, 8],
    "seed": 4,
    "log_every": 1,
    "bf16": False,
    "scenes": {"size": 32, "layers": 1, "textures": 4, "texture_size": 64, "renewed": 2},
    "stages": [
        {"name": "tied", "steps": 3, "batch": 4, "lr": 1e-3, "tied": True, "scales": [1]},
        {
            "name": "whole",
            "steps": 3,
            "batch": 2,
            "lr": 1e-3,
            "weights": {"frames": 0.5, "frame": 1.0, "census": 0.1},
            "scenes": {"size": 64},
        },
    ],
}
"""A configuration of a tied stage and a whole one, of a second or two."""
