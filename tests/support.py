"""What several tests share: golden vectors, weights drawn from parameter names, small clips."""

import importlib
import json
import sys
import threading
import zlib
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rife_video.rife_core.inference.backends.checked import Checked
from rife_video.rife_core.inference.rife import RIFE, build_network
from rife_video.rife_core.networks.specs import with_channels
from safetensors import safe_open
from torch.testing import assert_close

GOLDEN = Path(__file__).parent / "golden"

LITE, OTHER = "4.22.lite", "4.17.lite"
"""Two releases; `files` has them as bytes."""
ASSET = f"flownet_v{LITE}.pkl"

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


@lru_cache(maxsize=1000)
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


FLOWS = ("lastconv", "conv1.2.", "conv2.2.")
"""The layers that give flow and mask."""


def narrow(spec, channels=8, gain=0.2, flows=FLOWS):
    """A row in small widths; with this gain of its flow its frames differ from a plain blend."""
    widths = [channels] * len(spec.channels) if isinstance(channels, int) else channels
    network = RIFE(with_channels(spec, widths), teacher=False)
    return fill(network, [(name, gain) for name in flows]).eval()


def filled_golden_module(module, name):
    return fill(module, manifest()[name].get("gains", ())).eval()


def pyproject():
    """The project's own configuration."""
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))


@cache
def released(version):
    """A network of a release's widths, drawn once, the same in every run; not to be changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(version)


@contextmanager
def nothing_left(folder):
    """What fails leaves nothing behind."""
    yield
    assert not folder.exists() or list(folder.iterdir()) == []


@contextmanager
def no_thread_left():
    """Fails if a thread that was begun meanwhile does not end; older ones may end or not."""
    before = set(threading.enumerate())
    yield
    begun = set(threading.enumerate()) - before
    for thread in begun:
        thread.join(30)  # it may be about to end
    assert not [thread for thread in begun if thread.is_alive()]


def shifted_pair():
    """Two frames 1 3 64 96 whose content moves by two pixels each way."""
    small = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(16))
    wide = torch.nn.functional.interpolate(small, (96, 160), mode="bicubic").clamp(0, 1)
    return wide[..., 16:80, 16:112], wide[..., 18:82, 20:116]


def moving_square(frames=6, height=36, width=52, speed=3):
    """A clip B H W 3 of a bright square that moves right over a gradient."""
    x = torch.linspace(0, 0.5, width).expand(frames, height, width)
    clip = torch.stack((x, x.flip(2), x * 0.5), dim=-1).clone()
    for index in range(frames):
        left = 4 + index * speed
        clip[index, 8:20, left : left + 12] = torch.tensor([0.9, 0.8, 0.2])
    return clip


def drawn_disc(left, height=48, width=112):
    """H W 3: a textured disc, `left` pixels on its way, before a texture that stands still."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    background = 0.4 + 0.1 * torch.sin(x / 5) * torch.cos(y / 4)
    away = x - left - 22
    inside = torch.sigmoid(3 * (16 - (away**2 + (y - height / 2) ** 2).sqrt()))
    disc = 0.75 + 0.2 * torch.sin(away / 2.5) * torch.cos((y - height / 2) / 3)
    grey = background + inside * (disc - background)
    return torch.stack((grey, grey * 0.9, 1 - grey), -1)


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


class EchoBackend(Checked):
    """Runs the step itself, and counts; `spoil` may change or break what it makes."""

    name = "echo"

    def __init__(self, network, spoil=None):
        super().__init__(network)
        self.built, self.ran, self.spoil = [], 0, spoil or (lambda made, inputs: made)

    def build(self, step, inputs):
        self.built.append(step.scale)

        def program(inputs):
            self.ran += 1
            return self.spoil(step(*inputs), inputs)

        return program


def assert_golden(found, expected):
    """Compares outputs by name, each as closely as its kind allows."""
    assert expected
    for name, tensor in expected.items():
        tolerance = SCALAR if "loss" in name else FLOW if "flow" in name else IMAGE
        assert_close(
            found[name], tensor, **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def texture(seed, height=120, width=180):
    """A picture with detail of every size, H W 3."""
    return _texture(seed, height, width).clone()


@lru_cache(maxsize=64)
def _texture(seed, height, width):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.zeros(1, 3, height, width)
    for cells in (3, 6, 12, 24, 48):
        noise = torch.rand(1, 3, cells, cells, generator=generator) - 0.5
        picture += F.interpolate(noise, (height, width), mode="bicubic") * 1.2 / cells**0.4
    return (picture[0].permute(1, 2, 0) + 0.5).clamp(0, 1)


def call_node(node_id, **inputs):
    """A node's outputs by name, run as ComfyUI runs it."""
    from rife_video.nodes import NODE_CLASS_MAPPINGS

    node = NODE_CLASS_MAPPINGS[node_id]
    with torch.inference_mode():
        outputs = getattr(node(), node.FUNCTION)(**inputs)
    return dict(zip(node.RETURN_NAMES, outputs, strict=True))


def noisy_pair(frames=3, height=40, width=48):
    """A clip B H W 3 with noise on it, and the clip."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(frames, height, width, 3, generator=generator)
    noise = torch.rand(frames, height, width, 3, generator=generator)
    return (target + 0.1 * (noise - 0.5)).clamp(0, 1), target
