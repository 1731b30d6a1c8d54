"""rife-video adapt."""

from fractions import Fraction

import pytest
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.cli import main
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    with VideoWriter(path, Fraction(8), crf=1) as writer:
        for frame in moving_square(14, 64, 80):
            writer.write(frame)
    return path


@pytest.fixture
def weights(network, tmp_path):
    save_rife(network, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_adapt_writes_only_what_is_better(clip, weights, tmp_path, capsys, monkeypatch):
    out = tmp_path / "adapted.safetensors"
    arguments = ["adapt", str(clip), str(out), "--model", str(weights), "--steps", "2"]
    monkeypatch.setattr("rife_video.rife_core.training.adapt.WORTH", 100.0)
    assert main([*arguments, "--device", "cpu"]) == 0
    assert not out.exists()
    assert "Nothing was written" in capsys.readouterr().out
    monkeypatch.setattr("rife_video.rife_core.training.adapt.WORTH", -100.0)
    assert main([*arguments, "--device", "cpu"]) == 0
    assert load_rife(out).spec == load_rife(weights).spec
