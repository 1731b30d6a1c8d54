"""The script for accelerators: whatever a step does, the others run and the summary is whole."""

import json
import sys
import tarfile
from pathlib import Path

import prove
import pytest


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    def run(*commands, minutes=1.0, limits=60):
        steps = [
            prove.Step(f"step{i}", ("-c", command), limits) for i, command in enumerate(commands)
        ]
        monkeypatch.setattr(prove, "steps", lambda args: steps)
        work = tmp_path / "work"
        options = ("--device", "cpu", "--minutes", str(minutes))
        code = prove.main(["--out", str(tmp_path), "--work", str(work), *options])
        capsys.readouterr()
        return code, json.loads((tmp_path / "summary.json").read_text())

    return run


def test_a_failing_step_does_not_stop_the_next(run, tmp_path):
    code, found = run("print('| a | 1 |')", "raise SystemExit(3)", "print('| b | 2 |')")
    assert code == 1
    assert [each["state"] for each in found] == ["ran", "failed with 3", "ran"]
    assert [each["found"] for each in found] == [["| a | 1 |"], [], ["| b | 2 |"]]
    assert "| b | 2 |" in (tmp_path / "summary.md").read_text()


def test_a_step_that_hangs_is_stopped_and_leaves_what_it_printed(run):
    hanging = "import time; print('| so far |', flush=True); time.sleep(600)"
    code, found = run(hanging, "print('on')", limits=3)
    assert code == 0
    assert found[0]["state"] == "stopped: out of time"
    assert found[0]["found"] == ["| so far |"]
    assert found[1]["state"] == "ran"


def test_the_summary_is_there_after_every_step(run, tmp_path):
    """The second step reads what a run that is cut off there would bring home."""
    read = f"print(open({str(tmp_path / 'summary.json')!r}).read().count('step'))"
    _, found = run("print('| a |')", read, read)
    assert [each["found"] for each in found[1:]] == [["1"], ["2"]]


def test_few_files_come_home_and_hold_every_log(run, tmp_path):
    run("print(1)", "print(2)")
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "summary.json",
        "summary.md",
        "logs.tar.gz",
    }
    with tarfile.open(tmp_path / "logs.tar.gz") as archive:
        assert archive.getnames() == ["step0.log", "step1.log"]


def test_steps_wait_for_no_time_that_is_not_there(run):
    _, found = run("print(1)", minutes=0.01)
    assert found[0]["state"] == "not begun: out of time"


def test_a_step_that_cannot_run_says_why(tmp_path):
    step = prove.Step("files", ("-c", ""), 5, lambda _: "no such thing")
    outcome = prove.run(step, 5, tmp_path, tmp_path, {})
    assert outcome.state == "skipped: no such thing"


def test_single_steps_can_be_asked_for(tmp_path):
    given = ["--out", str(tmp_path), "--only", "files", "--only", "machine"]
    chosen = prove.steps(prove.parse(given))
    assert [step.name for step in chosen] == ["machine", "files"]
    assert len(prove.steps(prove.parse(given[:2]))) == 12


def test_only_files_that_hold_tests_for_a_device_are_collected():
    files = prove.marked_files()
    assert "tests/gpu/test_device.py" in files
    assert "tests/gpu/test_train.py" not in files


def test_the_package_is_found_under_its_name(tmp_path):
    environment = prove.prepare(tmp_path, None)
    step = prove.Step("name", ("-c", "import rife_video; print(rife_video.__path__)"), 60)
    outcome = prove.run(step, 60, tmp_path, tmp_path, environment)
    assert str(Path("site") / "rife_video") in outcome.found[0]
    assert sys.executable


def test_every_step_has_a_file_or_a_module(tmp_path):
    parser = ["--out", str(tmp_path), "--device", "cuda"]
    args = prove.parse(parser)
    for step in prove.steps(args):
        first = step.command[0]
        assert first == "-m" or Path(first).is_file()
    assert sum(step.seconds for step in prove.steps(args)) < 900
