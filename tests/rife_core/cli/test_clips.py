"""The examples of docs/files.md, each of which is run, and options against the docs."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.cli import main
from rife_video.rife_core.video import ENCODER_TABLE, VideoReader
from rife_video.rife_core.video.images import encode_image

REPOSITORY = Path(__file__).parents[3]
DOCS = (REPOSITORY / "docs" / "files.md").read_text("utf-8")
EXAMPLES = [
    line
    for block in re.findall(r"```bash\n(.*?)```", DOCS, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, network, clip_file):
    """A folder with what the examples name."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(clip_file, folder / "clip.mp4")
    save_rife(network, folder / "model.safetensors")
    (folder / "shots").mkdir()
    for number, frame in enumerate(VideoReader(clip_file), 1):
        (folder / f"shots/f_{number:04d}.png").write_bytes(encode_image(frame, ".png"))
    return folder


def _run(words, monkeypatch, stdin=None):
    """A command in this process, with its standard output as a file where it is sent to one."""
    target = words[words.index(">") + 1] if ">" in words else None
    given = words[words.index("<") + 1] if "<" in words else None
    words = words[: min((words.index(sign) for sign in "<>" if sign in words), default=None)]
    with Path(target or "ignored.raw").open("wb") as out:
        if target:
            monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out, write=str, flush=str))
        if given:
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Path(given).open("rb")))  # noqa: SIM115
        anew = ["--no-resume"] if words[1] == "interpolate" else []
        return main([*words[1:], "--model", "model.safetensors", *anew])


@pytest.mark.parametrize("line", [line for line in EXAMPLES if "|" not in line])
def test_examples_run(line, desk, monkeypatch):
    monkeypatch.chdir(desk)
    words = shlex.split(line)
    assert _run(words, monkeypatch) == 0
    output = Path(words[3])
    if output.suffix in (".mp4", ".mov", ".mkv"):
        assert len(list(VideoReader(output))) >= 5


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("line", [line for line in EXAMPLES if "|" in line])
def test_pipes_between_programs(line, desk):
    command = f"{sys.executable} -m rife_video.rife_core.cli"
    line = line.replace(
        "rife-video interpolate - -", f"{command} interpolate - - --model model.safetensors"
    )
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=desk, check=False)
    assert done.returncode == 0
    assert len(list(VideoReader(desk / "piped.mkv"))) == 11


def test_every_encoder_stands_in_the_docs():
    assert all(f"`{name}`" in DOCS for name in ENCODER_TABLE)
