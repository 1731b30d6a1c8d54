"""The command line, as a person calls it."""

import os
import subprocess
import sys

import pytest
from rife_video.__main__ import COMMANDS, main
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.ops.dispatch import fast_forms_are_off
from rife_video.rife_core.video import VideoReader, VideoWriter

ON_CPU = ("--device", "cpu", "--backend")


@pytest.fixture(scope="module")
def weights(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save_rife(network, path)
    return path


@pytest.mark.parametrize(
    ("options", "count", "fps"),
    [
        ([], 11, 24),
        (["--end", "keep_duration"], 12, 24),
        (["-m", "3", "--batch-size", "2"], 16, 36),
        (["--fps", "18"], 8, 18),
        (["--end", "loop"], 12, 24),
        (["--schedule", "1:4, rest 2"], 13, 24),
        (["--slow-motion", "-m", "4"], 21, 12),
    ],
)
def test_interpolate(tmp_path, capsys, clip_file, weights, options, count, fps):
    output = tmp_path / "out.mp4"
    arguments = ["interpolate", str(clip_file), str(output), "--model", str(weights), *options]
    assert main(arguments) == 0
    reader = VideoReader(output)
    assert len(list(reader)) == count
    assert reader.fps == fps
    slowed = {"--schedule", "--slow-motion"} & set(options)
    assert reader.audio_codecs == ([] if slowed else ["aac"])
    assert f"{count} frames at {fps} fps" in capsys.readouterr().out


def test_models(capsys, tmp_path, weights):
    (weights.parent / "broken.pkl").write_bytes(b"")
    assert main(["models", "--models", str(weights.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("small.safetensors\t4.22.lite (16, 12, 8, 8)") for line in lines)
    assert any("broken.pkl is empty" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["interpolate", "{clip}", "{out}", "--model", "nothing"], "no weights 'nothing'"),
        (["interpolate", "missing.mp4", "{out}", "--model", "{model}"], "no file 'missing.mp4'"),
        (["interpolate", "{clip}", "{out}.wmv", "--model", "{model}"], "must end in .mp4"),
        (["interpolate", "{clip}", "{clip}", "--model", "{model}"], "are one file"),
        (["interpolate", "{clip}", "{out}", "--model", "{model}", "-m", "0"], "multiplier is 0"),
        (
            ["interpolate", "{clip}", "{out}", "--model", "{model}", *ON_CPU, "cudagraphs"],
            "'cudagraphs' runs on cuda, but",
        ),
        (["interpolate", "{clip}", "{out}", "--model", "{model}", "--fps", "x"], "'x'; it must be"),
        (
            [
                "interpolate",
                "{clip}",
                "{out}",
                "--model",
                "{model}",
                "--fps",
                "50",
                "--slow-motion",
            ],
            "--fps goes with neither",
        ),
    ],
)
def test_mistakes_become_one_sentence(tmp_path, capsys, clip_file, weights, arguments, message):
    places = {"clip": clip_file, "out": tmp_path / "o.mp4", "model": weights}
    assert main([argument.format(**places) for argument in arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rife-video interpolate: ")
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_interrupting_leaves_no_file(tmp_path, monkeypatch, clip_file, weights):
    def interrupt(self, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr("rife_video.rife_core.video.VideoWriter.write", interrupt)
    output = tmp_path / "o.mp4"
    assert main(["interpolate", str(clip_file), str(output), "--model", str(weights)]) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_says_how_to_go_on(tmp_path, monkeypatch, capsys, clip_file, weights):
    whole = VideoWriter.write

    def interrupt(self, frame):
        if self.path.stem == "000001":
            raise KeyboardInterrupt
        whole(self, frame)

    monkeypatch.setattr(parts, "LENGTH", 4)
    command = ["interpolate", str(clip_file), str(tmp_path / "o.mp4"), "--model", str(weights)]
    with monkeypatch.context() as stopped:
        stopped.setattr(VideoWriter, "write", interrupt)
        assert main(command) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert main(command) == 0
    assert "made, 4 kept from an earlier run)" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["o.mp4"]


def test_damage_is_allowed_when_asked(tmp_path, capsys, clip_file, weights):
    data = bytearray(clip_file.read_bytes())
    at = data.index(b"mdat") + 4000
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[:at])
    command = ["interpolate", str(cut), str(tmp_path / "o.mp4"), "--model", str(weights)]
    assert main(command) == 1
    assert "cut.mp4 is damaged" in capsys.readouterr().err
    assert main([*command, "--allow-damaged"]) == 0
    assert "The source is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_there(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"] if command else ["--help"])
    assert stopped.value.code == 0
    assert "usage: rife-video" in capsys.readouterr().out


def test_plain_ops_switches_fast_forms_off(monkeypatch, clip_file, weights, tmp_path):
    seen = []
    monkeypatch.setattr(
        "rife_video.rife_core.cli.interpolate.interpolate_file",
        lambda *args, **options: seen.append(fast_forms_are_off()) or interrupt(),
    )
    command = ["interpolate", str(clip_file), str(tmp_path / "o.mp4"), "--model", str(weights)]
    before = fast_forms_are_off(), os.environ.get("RIFE_VIDEO_PLAIN_OPS")
    assert main([*command, "--plain-ops"]) == 130
    assert seen == [True]
    assert (fast_forms_are_off(), os.environ.get("RIFE_VIDEO_PLAIN_OPS")) == before


def interrupt():
    raise KeyboardInterrupt


def test_the_installed_command_runs():
    result = subprocess.run(
        [sys.executable, "-m", "rife_video", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "interpolate" in result.stdout


def test_the_core_needs_no_host(tmp_path):
    """rife_core imports and works where ComfyUI's modules cannot be imported."""
    blocked = ["comfy", "comfy_api", "folder_paths", "server", "nodes", "rife_video.nodes"]
    script = f"""
import sys
for name in {blocked}: sys.modules[name] = None
import pkgutil, importlib, rife_video.rife_core as core
for module in pkgutil.walk_packages(core.__path__, core.__name__ + "."):
    importlib.import_module(module.name)
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_everything_exported_is_there():
    import rife_video.rife_core as core

    for name in core.__all__:
        assert getattr(core, name).__doc__ or name == "SPECS"


def test_training_needs_no_video_library(tmp_path):
    """Machines with an accelerator often have PyTorch and little else."""
    script = """
import sys
for name in ("av", "kornia", "tqdm"): sys.modules[name] = None
import rife_video.rife_core.training.trainer, rife_video.rife_core.training.synthetic
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
