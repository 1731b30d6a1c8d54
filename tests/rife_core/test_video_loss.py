"""VideoAutoencoderLoss: golden vectors, and where it differs from the released code on purpose."""

import pytest
import torch
from rife_video.rife_core import video_loss as module
from rife_video.rife_core.perceptual import LPIPS, vgg_features
from rife_video.rife_core.video_loss import VideoAutoencoderLoss
from support import fill, golden, manifest
from torch.testing import assert_close

RATIO = {"rtol": 1e-4, "atol": 1e-6}


@pytest.fixture(scope="module")
def lpips_state():
    """LPIPS weights as the golden vectors have them, as a file's two state dicts."""
    names = manifest()["lpips_vgg16"]["keys"]
    empty = {n[len("net.slice1."):]: torch.empty(s) for n, s in names.items() if n[:3] == "net"}
    linear = {n: torch.empty(s) for n, s in names.items() if n[:3] == "lin"}
    filled = fill(LPIPS(weights=empty, linear_weights=linear))
    state = filled.state_dict()
    return {
        "vgg_weights": {n[len("net.slice1."):]: t for n, t in state.items() if n[:3] == "net"},
        "lpips_weights": {n: t.abs() for n, t in state.items() if n[:3] == "lin"},
    }


@pytest.fixture
def golden_loss(lpips_state, monkeypatch):
    inputs, _ = golden("video_autoencoder_loss")
    args = dict(manifest()["video_autoencoder_loss"]["args"])
    judge = args.pop("discriminator_3d")
    del args["aux_losses"]
    indices = inputs["frame_indices"].long()
    monkeypatch.setattr(module, "draw_frames", lambda *_: indices)

    def build(**changes):
        loss = VideoAutoencoderLoss(**args | {"discr_3d_kwargs": judge} | lpips_state | changes)
        fill(loss.discriminator_3d)
        return loss.train()

    return build


def decoded():
    inputs, _ = golden("video_autoencoder_loss")
    weight = inputs["last_weight"].clone().requires_grad_()
    return torch.nn.functional.conv3d(inputs["hidden"], weight, inputs["last_bias"]), weight


def outputs_named(prefix):
    _, outputs = golden("video_autoencoder_loss")
    return {n[len(prefix):]: t for n, t in outputs.items() if n.startswith(prefix)}


AUX = torch.tensor(0.3)


def test_golden_generator(golden_loss):
    inputs, outputs = golden("video_autoencoder_loss")
    made, weight = decoded()
    assert_close(made, inputs["reconstructions"])
    total, log = golden_loss(adaptive=False)(inputs["inputs"], made, 0, 10, AUX, weight)
    names = ("recon_loss", "perceptual_loss", "gen_loss", "aux_losses", "adaptive_weight")
    for name in (*names, "total_loss"):
        assert_close(log[f"train/{name}"], outputs[name], **RATIO, msg=name)
    total.backward()
    assert_close(weight.grad, outputs["reference_total_grad_last_layer"], rtol=1e-3, atol=1e-4)
