"""What an unattended training brings home, and what it says where it cannot begin."""

import sys

import pytest
import torch
import train
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.inference.rife import build_network


def test_weights_come_home_in_half_precision_once_each(tmp_path):
    network = build_network("4.25.lite")
    save_rife(network, tmp_path / train.WEIGHTS)
    (tmp_path / "log.csv").write_text("step,loss")
    out = tmp_path / "out"
    out.mkdir()
    train.bring_home(tmp_path, out)
    assert {path.name for path in out.iterdir()} == {train.WEIGHTS, "log.csv"}
    home = load_rife(out / train.WEIGHTS)
    assert home.spec == network.spec
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(home.state_dict()[name].float(), weight.half().float())
    before = (out / train.WEIGHTS).stat().st_ino
    train.bring_home(tmp_path, out)
    assert (out / train.WEIGHTS).stat().st_ino == before


def test_without_crops_nothing_is_trained(tmp_path, monkeypatch):
    """The commands are replaced by one that does nothing."""
    monkeypatch.setattr(train, "prepare", lambda work, wheels: None)
    monkeypatch.setattr(sys, "executable", "true")
    work = tmp_path / "work"
    with pytest.raises(SystemExit, match="No file of crops"):
        train.main([str(tmp_path), "--out", str(tmp_path / "out"), "--work", str(work)])
