"""rife-video bench, from end to end."""

import json
import time
from pathlib import Path

import pytest
from rife_video.rife_core.benchmark import work
from rife_video.rife_core.benchmark.harness import public_command
from rife_video.rife_core.cli import main

pytestmark = pytest.mark.usefixtures("seeded")


def test_contenders_are_timed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(work.best_seconds, "__defaults__", (1,))  # any number will do
    files = [tmp_path / name for name in ("b.json", "b.md", "b.svg")]
    command = ["bench", "--rows", "default", "--sizes", "64x64", "--frames", "2", "--rounds", "1"]
    command += ["--precisions", "fp32,bf16,fp32", "--device", "cpu", "--threads", "1"]
    command += ["--json", str(files[0]), "--table", str(files[1]), "--picture", str(files[2])]
    assert main(command) == 0
    assert "eager bf16" in capsys.readouterr().out
    (run,) = json.loads(files[0].read_text())["runs"]
    assert [e["contender"] for e in run["results"]] == ["reference", "eager fp32", "eager bf16"]
    assert all(e["share"] > 0 for e in run["results"])
    assert set(run["rates"]["gflops"]) == {"fp32", "bf16"}
    assert str(tmp_path) not in files[0].read_text()


def test_programs_are_timed_from_end_to_end(tmp_path, clip_file):
    file = tmp_path / "b.json"
    command = ["bench", "--rows", "default", "--sizes", "", "--rounds", "1", "--device", "cpu"]
    assert main([*command, "--start-up", "--json", str(file)]) == 0
    assert main([*command, "--end-to-end", str(clip_file), "--json", str(file), "--append"]) == 0
    first, second = json.loads(file.read_text())["runs"]
    assert list(first["start_up"]) == ["python", "torch", "pack", "weights", "frame", "total"]
    done = {e["program"]: e["frames"] for e in second["end_to_end"]}
    assert done == {"published way": 11, "rife-video interpolate": 11}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--peer", "flowframes=x"], "NAME one of rife, vs-rife"),
        (["--peer", "rife=/nowhere/at/all"], "there is no folder"),
        (["--rows", "5.0"], "There is no RIFE network '5.0'"),
        (["--multipliers", "1"], "must be 2 or more"),
        (["--precisions", "fp8"], "precision is 'fp8'"),
        (["--weights", "4.6"], "it must be ROW=MODEL"),
        (["--frames", "1"], "--frames must be 2 or more"),
        (["--append"], "--append needs --json"),
    ],
)
def test_wrong_options_get_one_sentence(capsys, option, message):
    began = time.monotonic()
    assert main(["bench", "--device", "cpu", *option]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert len(said) == 1
    assert time.monotonic() - began < 20


def test_a_command_shows_no_folders():
    words = ["bench", "--peer", f"rife={Path('/secret/place/eccv')}", "--sizes", ""]
    assert public_command(words) == "rife-video bench --peer rife=PATH/eccv --sizes ''"
