"""rife-video export."""

import pytest
from rife_video.rife_core.cli import export, main
from support import ASSET, LITE


def test_the_network_that_was_chosen_is_written(monkeypatch, tmp_path, files, capsys):
    written = {}
    monkeypatch.setattr(
        export, "export_onnx", lambda network, path: written.update({path: network.spec.version})
    )
    (tmp_path / ASSET).write_bytes(files[LITE])
    output = tmp_path / "rife.onnx"
    assert main(["export", LITE, str(output), "--models", str(tmp_path)]) == 0
    assert written == {output: LITE}
    said = capsys.readouterr().out
    assert f"RIFE {LITE}" in said
    assert "not compared" in said
    monkeypatch.setattr(export, "export_onnx", lambda network, path: 81.23)
    assert main(["export", LITE, str(output), "--models", str(tmp_path)]) == 0
    assert "81 dB" in capsys.readouterr().out


@pytest.mark.parametrize(("model", "name"), [("default", "rife.pth"), ("nothing", "rife.onnx")])
def test_what_cannot_be_written(tmp_path, capsys, model, name):
    assert main(["export", model, str(tmp_path / name)]) == 1
    assert ("does not end in .onnx" if model == "default" else "no weights") in (
        capsys.readouterr().err
    )
