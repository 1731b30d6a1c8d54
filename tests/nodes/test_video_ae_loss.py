"""VideoAELoss: the terms, the windows, the discriminators, the errors."""

import json

import pytest
import torch
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.nodes.video_ae_loss import _windows
from rife_video.rife_core.losses.discriminators.models import (
    Discriminator,
    Discriminator3D,
    Discriminator3DWithfirstframe,
)
from rife_video.rife_core.losses.pretrained import (
    MissingWeightsError,
)
from safetensors.torch import save_file
from support import call_node, noisy_pair

pytestmark = pytest.mark.usefixtures("seeded")
SMALL = {"dim": 2, "image_size": 16, "max_dim": 8}


def clips(frames=5, size=16):
    return noisy_pair(frames, size, size)


def test_without_more_it_is_the_squared_error():
    made, real = clips()
    out = call_node("VideoAELoss", original=real, reconstruction=made)
    assert out["total"] == pytest.approx(4 * (made - real).square().mean().item(), rel=1e-4)
    assert out["error_map"].shape == (5, 16, 16, 3)
    report = json.loads(out["report"])
    assert report["windows"][0]["last_frame"] == 4
    assert report["mean"]["gen_loss"] == 0
    assert call_node("VideoAELoss", original=real, reconstruction=real)["total"] == 0


def test_weighted_terms_add_up(perceptual_files):
    made, real = clips()
    weights = {"perceptual_weight": 0.5, "quantizer_aux_loss_weight": 2.0, "aux_loss": 0.25}
    out = call_node("VideoAELoss", original=real, reconstruction=made, **weights)
    terms = json.loads(out["report"])["mean"]
    expected = terms["recon_loss"] + 0.5 * terms["perceptual_loss"] + 2 * 0.25
    assert terms["perceptual_loss"] > 0
    assert out["total"] == pytest.approx(expected, rel=1e-4)


def test_the_seed_chooses_the_frames(perceptual_files):
    made, real = clips(16)
    before = torch.get_rng_state()

    def seen(seed):
        out = call_node(
            "VideoAELoss", original=real, reconstruction=made, perceptual_weight=1.0, seed=seed
        )
        return out["total"]

    assert seen(0) == seen(0)
    assert len({seen(seed) for seed in range(6)}) > 1
    assert torch.equal(torch.get_rng_state(), before)  # nobody else's numbers change


JUDGES = {
    "2d": (Discriminator(**SMALL), 16),
    "3d": (Discriminator3D(**SMALL, frame_num=4), 4),
    "first frame": (Discriminator3DWithfirstframe(**SMALL, frame_num=4), 5),
}


@pytest.mark.parametrize("kind", JUDGES)
def test_a_discriminator_judges_in_windows(models, kind):
    judge, length = JUDGES[kind]
    save_file(judge.state_dict(), models / "judge.safetensors")
    made, real = clips(11)
    out = call_node(
        "VideoAELoss",
        original=real,
        reconstruction=made,
        discriminator="judge.safetensors",
        adversarial_loss_weight=0.5,
        grad_penalty_loss_weight=1.0,
    )
    report = json.loads(out["report"])
    spans = [(w["first_frame"], w["last_frame"] + 1) for w in report["windows"]]
    assert spans == _windows(11, length)
    terms = report["mean"]
    assert out["total"] == pytest.approx(terms["recon_loss"] + 0.5 * terms["gen_loss"], rel=1e-3)
    assert terms["grad_penalty_loss"] > 0
    if kind == "3d":
        first = 2 * made[:4].permute(3, 0, 1, 2)[None] - 1
        assert report["windows"][0]["gen_loss"] == pytest.approx(-judge(first).item(), rel=1e-3)


def test_before_disc_start_the_verdict_does_not_count(models):
    save_file(JUDGES["3d"][0].state_dict(), models / "judge.safetensors")
    made, real = clips(4)
    inputs = {
        "original": real,
        "reconstruction": made,
        "discriminator": "judge.safetensors",
        "adversarial_loss_weight": 1.0,
        "disc_start": 10,
    }
    before = json.loads(call_node("VideoAELoss", **inputs, global_step=9)["report"])["mean"]
    after = json.loads(call_node("VideoAELoss", **inputs, global_step=10)["report"])["mean"]
    assert before["gen_loss"] == 0 != after["gen_loss"]


def test_windows_cover_every_frame():
    for count in range(1, 30):
        for length in range(1, 12):
            spans = _windows(count, length)
            assert {i for span in spans for i in range(*span)} == set(range(count))
            assert {end - first for first, end in spans} == {min(length, count)}


def test_what_video_ae_loss_refuses(models):
    made, real = clips(4)
    with pytest.raises(ValueError, match=r"\(4, 16, 16, 3\), reconstruction \(3, 16, 16, 3\)"):
        call_node("VideoAELoss", original=real, reconstruction=made[:3])
    with pytest.raises(ValueError, match=r"\(4, 16, 16, 3\), reconstruction \(4, 8, 16, 3\)"):
        call_node("VideoAELoss", original=real, reconstruction=made[:, :8])
    with pytest.raises(ValueError, match="Frame 1 of reconstruction"):
        call_node("VideoAELoss", original=real, reconstruction=made / 0)
    with pytest.raises(ValueError, match="there is no discriminator"):
        call_node("VideoAELoss", original=real, reconstruction=made, adversarial_loss_weight=1.0)
    with pytest.raises(ValueError, match=r"no weights file '\.\./judge\.pth'"):
        call_node("VideoAELoss", original=real, reconstruction=made, discriminator="../judge.pth")
    with pytest.raises(MissingWeightsError):
        call_node("VideoAELoss", original=real, reconstruction=made, perceptual_weight=1.0)
    save_file(JUDGES["3d"][0].state_dict(), models / "judge.safetensors")
    with pytest.raises(ValueError, match=r"expected \(B, 3, 4, 16, 16\)"):
        call_node(
            "VideoAELoss",
            original=real[:2],
            reconstruction=made[:2],
            discriminator="judge.safetensors",
        )


def test_discriminators_are_checked_before_the_run(models):
    node = NODE_CLASS_MAPPINGS["VideoAELoss"]
    save_file(JUDGES["3d"][0].state_dict(), models / "judge.safetensors")
    names, _ = node.INPUT_TYPES()["optional"]["discriminator"]
    assert {"none", "judge.safetensors"} <= set(names)
    assert node.VALIDATE_INPUTS() is node.VALIDATE_INPUTS("none") is True
    assert node.VALIDATE_INPUTS("judge.safetensors") is True
    assert "'gone.pth'" in node.VALIDATE_INPUTS("gone.pth")
    before = node.IS_CHANGED("judge.safetensors", seed=0)
    assert node.IS_CHANGED() == node.IS_CHANGED("none", original=None) != before
    save_file(JUDGES["2d"][0].state_dict(), models / "judge.safetensors")
    assert node.IS_CHANGED("judge.safetensors", seed=0) != before
