"""Every word and every option of every command, with odd values: it works, or one sentence."""

import argparse
import os
import shutil
import sys
from pathlib import Path

import pytest
from rife_video.__main__ import commands, main
from rife_video.rife_core.benchmark.harness import Rates
from rife_video.rife_core.losses.metrics import psnr

from .odd_values import RAW, TEXTS

EXAMPLES = Path(__file__).parents[2] / "workflows"
MODEL = ("--model", "net.safetensors")
LINES = {
    "interpolate": ("clip.mp4", "out.mp4", *MODEL),
    "preview": ("clip.mp4", "out.png", *MODEL),
    "work": ("job",),
    "join": ("job",),
    "status": ("job",),
    "sample": ("out.mp4",),
    "strip": ("clip.mp4", "clip.mp4", "out.png", "--frames", "2"),
    "models": (),
    "doctor": (),
    "weights verify": ("4.0",),
    "weights list": (),
    "train": ("training.toml", "--out", "out", "--threads", "1"),
    "evaluate": ("net.safetensors", "clip.mp4", "--fast", "--no-baselines", "--frames", "3"),
    "bench": ("--rows", "4.6", "--sizes", "32x32", "--rounds", "1", "--frames", "2"),
    "adapt": ("clip.mp4", "out.safetensors", *MODEL, "--steps", "1", "--frames", "3"),
    "export": ("net.safetensors", "out.onnx"),
    "crops": ("clip.mp4", "--out", "out", "--teacher", "net.safetensors", "--files", "1"),
    "run": (
        *("w.api.json", "--models", ".", "--input-dir", ".", "--output-dir", "out"),
        *("--set", "Load Video.file=clip.mp4", "--set", "Load RIFE.model_name=net.safetensors"),
    ),
    "convert": ("old.json", "new.json"),
    "queue": ("w.api.json", "--server", "http://127.0.0.1:9", "--patience", "0.2"),
}
"""A call of each command that has something to do, and little."""

QUICK = {
    "training.taught.PER_FILE": 1,
    "training.evaluation_job.Setup.measures": lambda *_: {"PSNR": psnr},
    "cli.bench.measure": lambda *_: [],
    "cli.bench.measure_rates": lambda *_: Rates({"fp32": 1.0, "bf16": 1.0}, 1.0),
    "cli.doctor._encoders": lambda: iter(()),
}
"""What takes seconds and reads no option."""

TRAINING = """
row = "4.6"
channels = [8, 8, 8, 8]
bf16 = false
[[stages]]
steps = 1
batch = 1
lr = 1e-4
scenes = {size = 32, textures = 2, texture_size = 32}
"""


def options_of(call):
    """The words and options of a command that take a value: place or name."""
    parser, (name, *action) = argparse.ArgumentParser(), call.split()
    commands()[name].add_arguments(parser)
    if action:
        parser = parser._actions[-1].choices[action[0]]
    words = [each for each in parser._actions if not each.option_strings]
    yield from enumerate(words)
    for each in parser._actions:
        if each.option_strings and each.nargs != 0:
            yield each.option_strings[-1], each


def cases():
    for call in LINES:
        for place, action in options_of(call):
            for text in TEXTS:
                if not _is_long(call, action.dest, text):
                    yield call, place, action.dest, text


def _is_long(call, option, text):
    """Whether it asks for a thousand times the work, or to wait long for servers."""
    if (call, option) in (("crops", "files"), ("adapt", "steps")):
        return text == "1_000"  # a number to Python; the others are none, or small
    try:
        return option == "patience" and float(text) > 1
    except ValueError:
        return False


EVERY = [*cases()]
SAMPLE = EVERY[::293]  # no divisor of the number of texts: each comes up


def filled(desk, clip_file, weights):
    """Lays out what the calls need, and what they stumble over."""
    for path in desk.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (desk / "clip.mp4").symlink_to(clip_file)
    (desk / "net.safetensors").symlink_to(weights)
    (desk / "training.toml").write_text(TRAINING)
    (desk / "w.api.json").symlink_to(EXAMPLES / "api/interpolate_clip.api.json")
    (desk / "old.json").symlink_to(EXAMPLES / "Interpolate Frames of a Clip.json")
    (desk / "folder").mkdir()
    os.mkfifo(desk / "pipe")
    (desk / "empty").touch()
    (desk / "junk").write_bytes(b"\xff\xfe\0junk" * 9)
    (desk / "itself").symlink_to("itself")
    (desk / "nowhere").symlink_to("none")
    return {path.name for path in desk.iterdir()}


def line_of(call, place, text):
    line = list(LINES[call])
    if isinstance(place, int):
        if place < len(line) and not line[place].startswith("-"):
            line[place] = text
        else:
            line.insert(0, text)
        return [*call.split(), *line]
    return [*call.split(), *line, f"{place}={text}"]


_LONGEST = 2500  # letters of a line; a node's own error may have 2000


@pytest.fixture
def desk(tmp_path, monkeypatch):
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("RIFE_VIDEO_OFFLINE", "1")
    monkeypatch.setenv("RIFE_VIDEO_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("RIFE_VIDEO_TRACEBACK", raising=False)
    for name, quick in QUICK.items():
        monkeypatch.setattr(f"rife_video.rife_core.{name}", quick)
    return desk


def attempted(call, place, text, tally, capsys, before, desk):
    at = f"{call} {place}: {text[:40]!r}"
    with tally.one(at):
        sys.stdout.reconfigure(errors="backslashreplace")  # as a process of its own has it
        try:
            status = main(line_of(call, place, text))
        except SystemExit as left:
            status = left.code
        out, told = capsys.readouterr()
        assert status in (0, 1, 2), status
        if status:
            last = told.splitlines()[-1].split("\r")[-1] if told else out
            assert last.strip()
            assert max(map(len, told.splitlines()), default=0) < _LONGEST, last
            assert "RIFE_VIDEO_TRACEBACK" not in told, last
            assert not [words for words in RAW if words in told], last
        left = [path for path in desk.rglob("*") if path.name not in before]
        assert not [path for path in left if path.suffix == ".part"], left
        if status:
            assert not [path for path in left if path.name.startswith(("out.", "new."))], left


@pytest.mark.parametrize(
    "tried",
    [
        pytest.param(SAMPLE, id="some"),
        *(
            pytest.param([c for c in EVERY if c[0] == call], id=call, marks=pytest.mark.slow)
            for call in LINES
        ),
    ],
)
def test_odd_values(tried, desk, clip_file, small_weights, tally, capsys):
    tally.limit = 120  # a step of a training, on a busy machine
    for call, place, _, text in tried:
        before = filled(desk, clip_file, small_weights)
        attempted(call, place, text, tally, capsys, before, desk)
