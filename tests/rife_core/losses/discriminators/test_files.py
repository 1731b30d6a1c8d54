"""Discriminators out of files: every kind and size is recognised, and nothing else is."""

import re

import pytest
import torch
from rife_video.rife_core.losses.discriminators.files import load_discriminator
from rife_video.rife_core.losses.discriminators.models import (
    Discriminator,
    Discriminator3D,
    Discriminator3DWithfirstframe,
)
from safetensors.torch import save_file
from support import manifest
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")

CASES = {
    "2d": (Discriminator, {}),
    "2d, blurred": (Discriminator, {"antialiased_downsample": True, "channels": 1}),
    "3d": (Discriminator3D, {"frame_num": 4}),
    "3d, blurred": (Discriminator3D, {"frame_num": 2, "antialiased_downsample": True}),
    "first frame": (Discriminator3DWithfirstframe, {"frame_num": 4}),
    "narrow": (Discriminator3D, {"frame_num": 4, "ff_mult": 3, "linear_attn_heads": 3}),
    "uncapped": (Discriminator, {"max_dim": 512}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_tell_what_they_are(case, tmp_path):
    kind, changes = CASES[case]
    judge = kind(**{"dim": 2, "image_size": 32, "max_dim": 16} | changes)
    save_file(judge.state_dict(), tmp_path / "judge.safetensors")
    found = load_discriminator(tmp_path / "judge.safetensors")
    assert type(found) is kind
    assert found.frame_num == judge.frame_num
    frames = (judge.frame_num,) if judge.frame_num else ()
    x = torch.randn(2, judge.channels, *frames, 32, 32)
    assert_close(found(x), judge(x))


@pytest.mark.parametrize("name", [name for name in manifest() if name.startswith("discriminator")])
def test_golden_names_are_recognised(name, tmp_path):
    entry = manifest()[name]
    state = {key: torch.zeros(shape) for key, shape in entry["keys"].items()}
    torch.save(state, tmp_path / "judge.pth")
    found = load_discriminator(tmp_path / "judge.pth")
    assert type(found).__name__ == entry["target"].partition("(")[0]
    assert found.image_size == (32, 32)


def test_a_whole_training_checkpoint(tmp_path):
    small = {"dim": 2, "image_size": 16, "max_dim": 8}
    clips, frames = Discriminator3D(**small, frame_num=2), Discriminator(**small)
    state = {f"loss.discriminator.{n}": t for n, t in frames.state_dict().items()}
    state |= {f"loss.discriminator_3d.{n}": t for n, t in clips.state_dict().items()}
    state |= {"first_stage.weight": torch.zeros(3)}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "all.ckpt")
    found = load_discriminator(tmp_path / "all.ckpt")
    x = torch.randn(1, 3, 2, 16, 16)
    assert_close(found(x), clips(x))


@pytest.mark.parametrize("nested", [False, True])
def test_the_names_of_a_loss(tmp_path, nested):
    small = {"dim": 2, "image_size": 16, "max_dim": 8}
    judges = {"discr": Discriminator(**small), "discr_3d": Discriminator3D(**small, frame_num=2)}
    state = {name: judge.state_dict() for name, judge in judges.items()}
    if not nested:
        state = {f"{name}.{k}": t for name, part in state.items() for k, t in part.items()}
    torch.save(state, tmp_path / "all.ckpt")
    x = torch.randn(1, 3, 2, 16, 16)
    assert_close(load_discriminator(tmp_path / "all.ckpt")(x), judges["discr_3d"](x))


def test_sizes_that_are_not_square(tmp_path):
    judge = Discriminator(dim=2, image_size=(16, 32), max_dim=8)
    save_file(judge.state_dict(), tmp_path / "judge.safetensors")
    assert load_discriminator(tmp_path / "judge.safetensors", (16, 32)).image_size == (16, 32)
    with pytest.raises(ValueError, match="not one of CogVideo's"):
        load_discriminator(tmp_path / "judge.safetensors")


def test_what_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape("gone.pth")):
        load_discriminator(tmp_path / "gone.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.pth .*damaged"):
        load_discriminator(tmp_path / "text.pth")
    torch.save({"block0.weight": torch.zeros(2)}, tmp_path / "rife.pth")
    with pytest.raises(ValueError, match=r"no key ends in 'to_logits\.0\.weight' among 1 keys"):
        load_discriminator(tmp_path / "rife.pth")
    torch.save({"to_logits.0.weight": torch.zeros(2)}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match="not one of CogVideo's"):
        load_discriminator(tmp_path / "part.pth")
