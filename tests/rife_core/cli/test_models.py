"""rife-video models."""

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints.rife import save_rife


@pytest.fixture(scope="module")
def weights(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save_rife(network, path)
    return path


def test_models(capsys, tmp_path, weights):
    (weights.parent / "broken.pkl").write_bytes(b"")
    assert main(["models", "--models", str(weights.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("small.safetensors\t4.22.lite (16, 12, 8, 8)") for line in lines)
    assert any("broken.pkl is empty" in line for line in lines)
