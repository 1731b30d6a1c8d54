"""The judging nodes on a real server: pictures arrive, and gradients work in inference mode."""

import json

import pytest
from rife_video.rife_core.losses.discriminators.models import Discriminator3D
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.conftest import with_small_weights
from safetensors.torch import save_file


@pytest.fixture
def judge(server):
    """A discriminator, listed as long as the test runs."""
    path = server.base / "models/rife/judge.safetensors"
    small = Discriminator3D(dim=2, image_size=(32, 48), frame_num=4, max_dim=8)
    save_file(small.state_dict(), path)
    yield path
    path.unlink()


def files(server, history, node):
    saved = history["outputs"][node]["images"]
    folders = {"output": server.base / "output", "temp": server.base / "temp"}
    return [folders[f["type"]] / f["subfolder"] / f["filename"] for f in saved]


def test_judge_interpolation(server):
    _, history = server.run(with_small_weights("judge_interpolation"))
    assert history["status"]["status_str"] == "success", history["status"]
    (plot,) = files(server, history, "5")
    heat = files(server, history, "6")
    assert next(iter(VideoReader(plot))).shape == (5 * 110, 640, 3)
    assert [next(iter(VideoReader(path))).shape for path in heat] == [(36, 52, 3)] * 2


def test_flow_and_video_loss(server, judge, graph):
    scaled = {"image": ["2", 0], "upscale_method": "area", "crop": "center"}
    nodes = {
        "scaled": ("ImageScale", scaled | {"width": 48, "height": 32}),
        "flow": ("EstimateFlow", {"model": ["3", 0], "frames": ["2", 0]}),
        "flow_loss": (
            "ComputeFlowLoss",
            {"predicted_flow": ["flow", 0], "true_flow": ["flow", 0]},
        ),
        "loss": (
            "VideoAELoss",
            {
                "original": ["scaled", 0],
                "reconstruction": ["scaled", 0],
                "discriminator": judge.name,
                "adversarial_loss_weight": 1.0,
                "grad_penalty_loss_weight": 1.0,
            },
        ),
        "seen": ("PreviewImage", {"images": ["flow", 1]}),
        "plot": ("PreviewImage", {"images": ["flow_loss", 10]}),
        "map": ("PreviewImage", {"images": ["loss", 2]}),
        "text": ("PreviewAny", {"source": ["loss", 1]}),
    }
    graph |= {key: {"class_type": kind, "inputs": i} for key, (kind, i) in nodes.items()}
    _, history = server.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]
    assert len(files(server, history, "seen")) == 5
    assert len(files(server, history, "plot")) == 1
    assert len(files(server, history, "map")) == 6
    (text,) = history["outputs"]["text"]["text"]
    terms = json.loads(text)["mean"]
    assert terms["recon_loss"] == 0
    assert terms["gen_loss"] != 0
    assert terms["grad_penalty_loss"] > 0
