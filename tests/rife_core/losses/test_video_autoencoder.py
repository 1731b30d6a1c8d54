"""VideoAutoencoderLoss: golden vectors, and where it differs from the released code on purpose."""

import json
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path

import pytest
import torch
from rife_video.rife_core.losses import video_autoencoder as module
from rife_video.rife_core.losses.discriminators.models import (
    Discriminator,
    Discriminator3D,
    Discriminator3DWithfirstframe,
)
from rife_video.rife_core.losses.pretrained import MissingWeightsError
from rife_video.rife_core.losses.video_autoencoder import (
    VideoAutoencoderLoss,
    draw_frames,
    hinge_gen_loss,
    pick_video_frame,
)
from support import fill, golden, manifest
from torch.testing import assert_close

sys.path.insert(0, str(Path(__file__).parent))
from video_training import DISC_START, JUDGE, train

pytestmark = pytest.mark.usefixtures("seeded")

RATIO = {"rtol": 1e-4, "atol": 1e-6}
AUX = torch.tensor(0.3)
JUDGE_3D = JUDGE | {"frame_num": 2}
FREE = {"perceptual_weight": 0}
RIVAL = FREE | {"adversarial_loss_weight": 1.0}


# --- Golden vectors


@pytest.fixture
def lpips_state(lpips_files):
    """LPIPS weights as arguments."""
    return dict(zip(("vgg_weights", "lpips_weights"), lpips_files, strict=True))


@pytest.fixture
def golden_loss(lpips_state, monkeypatch):
    """Builds the loss of the golden file, with some arguments changed."""
    inputs, _ = golden("video_autoencoder_loss")
    args = dict(manifest()["video_autoencoder_loss"]["args"])
    judge = args.pop("discriminator_3d")
    del args["aux_losses"]
    monkeypatch.setattr(module, "draw_frames", lambda *_: inputs["frame_indices"].long())

    def build(**changes):
        loss = VideoAutoencoderLoss(**args | {"discr_3d_kwargs": judge} | lpips_state | changes)
        fill(loss.discriminator_3d)
        return loss.train()

    return build


def decoded():
    """The golden reconstructions, with a graph, and the layer that made them."""
    inputs, _ = golden("video_autoencoder_loss")
    weight = inputs["last_weight"].clone().requires_grad_()
    return torch.nn.functional.conv3d(inputs["hidden"], weight, inputs["last_bias"]), weight


def assert_logged(log, prefix, names):
    _, outputs = golden("video_autoencoder_loss")
    assert set(log) == {f"train/{name}" for name in names}
    for name in names:
        assert_close(log[f"train/{name}"], outputs[prefix + name], **RATIO, msg=name)
        assert not log[f"train/{name}"].requires_grad


GENERATOR_LOG = (
    "total_loss",
    "recon_loss",
    "perceptual_loss",
    "gen_loss",
    "aux_losses",
    "adaptive_weight",
)
DISCRIMINATOR_LOG = (
    "total_disc_loss",
    "discr_loss",
    "grad_penalty_loss",
    "logits_real",
    "logits_fake",
)


def test_golden_generator(golden_loss):
    inputs, outputs = golden("video_autoencoder_loss")
    made, weight = decoded()
    total, log = golden_loss(adaptive=False)(inputs["inputs"], made, 0, 10, AUX, weight)
    assert_logged(log, "", GENERATOR_LOG)
    total.backward()
    assert_close(weight.grad, outputs["reference_total_grad_last_layer"], rtol=1e-3, atol=1e-4)


def test_golden_without_adversary(golden_loss):
    inputs, _ = golden("video_autoencoder_loss")
    made, weight = decoded()
    loss = golden_loss(adversarial_loss_weight=0)
    _, log = loss(inputs["inputs"], made, 0, 10, AUX, weight)
    assert_logged(log, "noadv.", GENERATOR_LOG)


def test_golden_discriminator(golden_loss):
    inputs, _ = golden("video_autoencoder_loss")
    _, log = golden_loss()(inputs["inputs"], decoded()[0], 1, 10)
    assert_logged(log, "disc.", DISCRIMINATOR_LOG)


def test_the_adaptive_weight_is_applied(golden_loss):
    inputs, outputs = golden("video_autoencoder_loss")
    made, weight = decoded()
    total, _ = golden_loss()(inputs["inputs"], made, 0, 10, AUX, weight)
    released = outputs["total_loss"] - 0.5 * outputs["gen_loss"]
    expected = released + 0.5 * outputs["gen_loss"] * outputs["adaptive_weight"]
    assert_close(total.detach(), expected, **RATIO)


# --- Parts


@pytest.mark.parametrize("losses", [0.25, torch.tensor([0.0, 0.5]), [0.0, 0.5]])
def test_aux_losses_under_a_default_device(losses):
    video = torch.rand(1, 3, 2, 8, 8)
    loss = VideoAutoencoderLoss(disc_start=0, **FREE, quantizer_aux_loss_weight=1.0)
    with torch.device("meta"):
        total, log = loss(video, video, 0, 0, aux_losses=losses)
    assert log["train/aux_losses"] == total == 0.25


@pytest.mark.parametrize("odd", ["x", object(), [[1.0], [1.0, 2.0]], []])
def test_aux_losses_that_are_none(odd):
    video = torch.rand(1, 3, 2, 8, 8)
    with pytest.raises(ValueError, match=r"aux_losses is .*; it must be a number, or numbers"):
        VideoAutoencoderLoss(disc_start=0, **FREE)(video, video, 0, 0, aux_losses=odd)


def test_frames_are_drawn_anew_and_reproducibly():
    torch.manual_seed(3)
    first = [draw_frames(4, 9) for _ in range(5)]
    torch.manual_seed(3)
    assert all(torch.equal(a, draw_frames(4, 9)) for a in first)
    assert first[0].shape == (4, 1)
    assert len({tuple(a.flatten().tolist()) for a in first}) > 1
    assert {int(i) for _ in range(200) for i in draw_frames(1, 3)} == {0, 1, 2}


def test_the_drawn_frame_is_the_one_picked():
    video = torch.arange(2 * 3 * 5).reshape(2, 3, 5, 1, 1)
    picked = pick_video_frame(video, torch.tensor([[4], [0]]))
    assert torch.equal(picked[:, :, 0, 0], torch.stack((video[0, :, 4], video[1, :, 0]))[..., 0, 0])


# --- The loss as a whole


def video(frames=2, size=16, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, batch, 3, frames, size, size, generator=generator) * 2 - 1


@pytest.mark.parametrize(
    ("step", "training", "felt"),
    [(4, True, False), (5, True, True), (6, True, True), (5, False, False)],
)
def test_the_adversary_is_felt_from_disc_start_on(step, training, felt):
    loss = VideoAutoencoderLoss(5, **RIVAL, discr_3d_kwargs=JUDGE_3D).train(training)
    real, made = video()
    _, log = loss(real, made.requires_grad_(), 0, step)
    assert (log["train/gen_loss"] != 0) == felt
    assert log["train/adaptive_weight"] == float(felt)  # without a last layer there is no ratio


def test_the_generators_turn_leaves_the_discriminator_alone():
    loss = VideoAutoencoderLoss(0, **RIVAL, discr_kwargs=JUDGE, discr_3d_kwargs=JUDGE_3D)
    real, made = video()
    loss(real, made.requires_grad_(), 0, 0)[0].backward()
    assert made.grad.abs().sum() > 0
    assert all(p.grad is None for p in loss.get_trainable_params())


def test_the_discriminators_turn_leaves_everything_else_alone():
    loss = VideoAutoencoderLoss(
        0, **RIVAL, grad_penalty_loss_weight=1, discr_kwargs=JUDGE, discr_3d_kwargs=JUDGE_3D
    )
    real, made = video()
    loss(real, made.requires_grad_(), 1, 0)[0].backward()
    assert not real.requires_grad
    assert made.grad is None
    assert all(p.grad is not None for p in loss.get_trainable_params())


def test_the_2d_discriminator_is_used():
    both = VideoAutoencoderLoss(0, **RIVAL, discr_kwargs=JUDGE, discr_3d_kwargs=JUDGE_3D)
    only_3d = VideoAutoencoderLoss(0, **RIVAL, discr_3d_kwargs=JUDGE_3D)
    only_3d.discriminator_3d.load_state_dict(both.discriminator_3d.state_dict())
    real, made = video()
    torch.manual_seed(0)
    _, log = both(real, made, 0, 0)
    _, log_3d = only_3d(real, made, 0, 0)
    torch.manual_seed(0)
    frames = pick_video_frame(made, draw_frames(2, 2))
    of_frames = hinge_gen_loss(both.discriminator(frames))
    assert_close(log["train/gen_loss"], log_3d["train/gen_loss"] + of_frames.detach())


def test_without_gradients_it_can_still_be_asked():
    loss = VideoAutoencoderLoss(0, **RIVAL, grad_penalty_loss_weight=1, discr_3d_kwargs=JUDGE_3D)
    real, made = video()
    with torch.no_grad():
        assert loss(real, made, 0, 0)[0].isfinite()
        assert loss(real, made, 1, 0)[1]["train/grad_penalty_loss"] == 0


def test_split_and_aux_losses():
    loss = VideoAutoencoderLoss(0, **FREE, quantizer_aux_loss_weight=0.5)
    real, _ = video()
    total, log = loss(real, real, 0, 0, aux_losses=torch.tensor(3.0), split="val")
    assert total.item() == 1.5
    assert log["val/aux_losses"].item() == 3
    assert loss(real, real, 0, 0)[0].item() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_video(dtype):
    loss = VideoAutoencoderLoss(0, **RIVAL, discr_3d_kwargs=JUDGE_3D)
    real, made = video()
    expected, _ = loss(real, made, 0, 0)
    assert_close(loss(real.to(dtype), made.to(dtype), 0, 0)[0], expected, rtol=0.05, atol=0.01)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(loss(real, made, 0, 0)[0], expected, rtol=0.05, atol=0.01)


def test_a_nan_is_not_hidden():
    loss = VideoAutoencoderLoss(0, **FREE)
    real, made = video()
    made[0, 0, 0, 0, 0] = float("nan")
    assert loss(real, made, 0, 0)[0].isnan()


def test_one_frame_of_one_pixel():
    loss = VideoAutoencoderLoss(0, **FREE)
    real = torch.zeros(1, 3, 1, 1, 1)
    assert loss(real, real + 0.5, 0, 0)[0].item() == 0.25


# --- Building it


FORMS = {
    "plain": (JUDGE_3D, Discriminator3D),
    "config": ({"target": "a.b.Discriminator3D", "params": JUDGE_3D}, Discriminator3D),
    "first frame": (
        {"target": "os.Discriminator3DWithfirstframe", "params": JUDGE_3D},
        Discriminator3DWithfirstframe,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_discr_3d_kwargs(form):
    config, kind = FORMS[form]
    loss = VideoAutoencoderLoss(0, **FREE, discr_3d_kwargs=config)
    assert type(loss.discriminator_3d) is kind
    assert len(loss.get_trainable_params()) == len(list(loss.discriminator_3d.parameters()))
    assert loss.get_trainable_parameters() == loss.get_trainable_params()


def test_lpips_is_frozen_and_not_trained(lpips_state):
    loss = VideoAutoencoderLoss(0, **lpips_state, discr_kwargs=JUDGE)
    assert type(loss.discriminator) is Discriminator
    assert not any(p.requires_grad for p in loss.perceptual_model.parameters())
    trained = {id(p) for p in loss.get_trainable_params()}
    assert trained == {id(p) for p in loss.discriminator.parameters()}


class VGG16_Weights(Enum):  # noqa: N801
    """As torchvision has it."""

    IMAGENET1K_V1 = "weights"
    DEFAULT = "weights"


@pytest.mark.parametrize("choice", [None, "DEFAULT", VGG16_Weights.DEFAULT])
def test_usual_weights_that_are_not_there(choice, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"no file vgg16-397923af\.pth in"):
        VideoAutoencoderLoss(0, vgg_weights=choice)


def test_multiscale_weight_warns():
    with pytest.warns(UserWarning, match="no multiscale discriminators"):
        VideoAutoencoderLoss(0, **FREE, multiscale_adversarial_loss_weight=1)


REFUSED_ARGUMENTS = {
    "nobody to judge": (RIVAL, "there is no discriminator"),
    "foreign target": (
        FREE | {"discr_3d_kwargs": {"target": "os.system", "params": {}}},
        "a target that ends in Discriminator3D or Discriminator3DWithfirstframe",
    ),
    "2D for clips": (
        FREE | {"discr_3d_kwargs": {"target": "Discriminator", "params": JUDGE}},
        "a target that ends in Discriminator3D",
    ),
    "3D for frames": (
        FREE | {"discr_kwargs": {"target": "Discriminator3D", "params": JUDGE_3D}},
        "a target that ends in Discriminator, and params",
    ),
    "target and more": (
        FREE | {"discr_3d_kwargs": {"target": "Discriminator3D", "dim": 3}},
        "a target that ends in",
    ),
    "unknown argument": (FREE | {"discr_kwargs": JUDGE | {"size": 3}}, "do not fit Discriminator"),
    "missing argument": (FREE | {"discr_3d_kwargs": JUDGE}, "'frame_num'"),
    "odd frames": (FREE | {"discr_3d_kwargs": JUDGE | {"frame_num": 3}}, "Use a power of two"),
    "no weights": ({"vgg_weights": 3}, "vgg_weights is 3"),
}


@pytest.mark.parametrize("case", REFUSED_ARGUMENTS)
def test_refused_arguments(case):
    arguments, message = REFUSED_ARGUMENTS[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        VideoAutoencoderLoss(0, **arguments)


CLIP = torch.zeros(1, 3, 2, 16, 16)
REFUSED_VIDEO = {
    "other length": ((CLIP, CLIP[:, :, :1], 0, 0), "(1, 3, 2, 16, 16) and (1, 3, 1, 16, 16)"),
    "other size": ((CLIP, CLIP[..., :8], 0, 0), "(1, 3, 2, 16, 16) and (1, 3, 2, 16, 8)"),
    "frames": ((CLIP[:, :, 0], CLIP[:, :, 0], 0, 0), "shape (1, 3, 16, 16)"),
    "empty": ((CLIP[:0], CLIP[:0], 0, 0), "not empty"),
    "bytes": ((CLIP.byte(), CLIP.byte(), 0, 0), "in floating point"),
    "third turn": ((CLIP, CLIP, 2, 0), "optimizer_idx is 2"),
    "wrong length to judge": ((CLIP[:, :, :1], CLIP[:, :, :1], 1, 0), "expected (B, 3, 2, 16, 16)"),
    "wrong size to judge": ((CLIP[..., :8], CLIP[..., :8], 1, 0), "expected (B, 3, 2, 16, 16)"),
}


@pytest.mark.parametrize("case", REFUSED_VIDEO)
def test_refused_video(case):
    arguments, message = REFUSED_VIDEO[case]
    loss = VideoAutoencoderLoss(0, **RIVAL, discr_3d_kwargs=JUDGE_3D)
    with pytest.raises(ValueError, match=re.escape(message)):
        loss(*arguments)


def test_refused_turn_and_last_layer(lpips_state):
    real, made = video()
    with pytest.raises(ValueError, match="no discriminator to train"):
        VideoAutoencoderLoss(0, **FREE)(real, made, 1, 0)
    loss = VideoAutoencoderLoss(
        0, adversarial_loss_weight=1, discr_3d_kwargs=JUDGE_3D, **lpips_state
    )
    made.requires_grad_()
    stranger = torch.zeros(3, requires_grad=True)
    with pytest.raises(ValueError, match="took no part in making the reconstructions"):
        loss(real, made, 0, 0, last_layer=stranger)
    with pytest.raises(ValueError, match="does not require grad"):
        loss(real, made, 0, 0, last_layer=stranger.detach())


# --- Training


def assert_healthy(logs):
    assert all(torch.tensor(list(log.values())).isfinite().all() for log in logs)
    assert logs[-1]["train/recon_loss"] < 0.9 * logs[0]["train/recon_loss"]
    assert logs[-1]["train/total_disc_loss"] < logs[0]["train/total_disc_loss"]
    for step, log in enumerate(logs):
        assert (log["train/adaptive_weight"] > 0) == (step >= DISC_START)


@pytest.mark.long
def test_training_is_healthy_and_reproducible():
    logs, before, after = train(DISC_START + 6)
    assert_healthy(logs)
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(before, after, strict=True))
    again, _, after_again = train(DISC_START + 6)
    assert again == logs
    assert all(torch.equal(a, b) for a, b in zip(after, after_again, strict=True))


@pytest.mark.long
def test_two_processes_train_one_model(tmp_path):
    script = Path(__file__).parent / "video_training.py"
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(rank), "2", tmp_path / "rendezvous"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in outputs)
    assert_healthy(first["logs"])
    assert_healthy(second["logs"])
    assert first["logs"] != second["logs"]  # each has its own clips,
    assert first["sums"] == second["sums"]  # and both end with one model
    assert min(first["moved"]) > 1e-3
