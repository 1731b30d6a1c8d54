"""What an unattended training brings home, and what it says where it cannot begin."""

import sys

import average
import pytest
import torch
import train
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.inference.rife import build_network


def test_weights_of_every_save_come_home_in_half_precision_once_each(tmp_path):
    network = build_network("4.25.lite")
    save_rife(network, tmp_path / train.WEIGHTS)
    (tmp_path / "log.csv").write_text("step,loss")
    out = tmp_path / "out"
    out.mkdir()
    train.bring_home(tmp_path, out)
    assert {path.name for path in out.iterdir()} == {"weights-0.safetensors.000", "log.csv"}
    (tmp_path / "home.safetensors").write_bytes((out / "weights-0.safetensors.000").read_bytes())
    home = load_rife(tmp_path / "home.safetensors")
    assert home.spec == network.spec
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(home.state_dict()[name].float(), weight.half().float())
    train.bring_home(tmp_path, out)
    assert len(list(out.iterdir())) == 2
    save_rife(network, tmp_path / train.WEIGHTS)
    train.bring_home(tmp_path, out)
    names = {path.name for path in out.iterdir()}
    assert names == {"weights-0.safetensors.000", "weights-1.safetensors.000", "log.csv"}
    for _ in range(9):
        save_rife(network, tmp_path / train.WEIGHTS)
        train.bring_home(tmp_path, out)
    train.bring_home(tmp_path, out)
    assert (
        len(list(out.iterdir())) == 12
    )  # the tenth is the latest, though 9 comes after 10 by name


def test_without_crops_nothing_is_trained(tmp_path, monkeypatch):
    """The commands are replaced by one that does nothing."""
    monkeypatch.setattr(train, "prepare", lambda work, wheels: {"PYTHONPATH": str(tmp_path)})
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "executable", "true")
    work = tmp_path / "work"
    with pytest.raises(SystemExit, match="No file of crops"):
        train.main([str(tmp_path), "--out", str(tmp_path / "out"), "--work", str(work)])


def test_large_weights_come_in_shards_that_are_joined_and_averaged(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SHARD_MIB", 1)
    out = tmp_path / "out"
    out.mkdir()
    networks = [build_network("4.25.lite") for _ in range(2)]
    for network in networks:
        save_rife(network, tmp_path / train.WEIGHTS)
        train.bring_home(tmp_path, out)
    shards = sorted(path.name for path in out.iterdir())
    assert shards[0] == "weights-0.safetensors.000"
    assert shards[-1].startswith("weights-1.safetensors.0")
    assert len(shards) > 4
    mean = tmp_path / "mean.safetensors"
    average.main([str(mean), f"{out}/weights-0.safetensors*3", f"{out}/weights-1.safetensors"])
    made = load_rife(mean).state_dict()
    for name, first in networks[0].state_dict().items():
        second = networks[1].state_dict()[name]
        expected = (3 * first.half().float() + second.half().float()) / 4
        torch.testing.assert_close(made[name], expected.half().float(), rtol=1e-3, atol=1e-4)
