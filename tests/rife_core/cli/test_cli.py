"""The command line, as a person calls it."""

import os
import subprocess
import sys

import pytest
from rife_video.__main__ import commands, main
from rife_video.rife_core.ops.dispatch import fast_forms_are_off


@pytest.mark.parametrize("command", [None, *commands()])
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
