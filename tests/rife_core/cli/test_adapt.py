"""rife-video adapt."""

from rife_video.rife_core.checkpoints.rife import load_rife
from rife_video.rife_core.cli import main


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
