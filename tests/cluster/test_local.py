"""Processes of this machine: one is killed, the driver is killed."""

import os
import signal
import subprocess
import sys

import pytest
from cluster.held import let_go, open_held
from cluster.watching import PATIENCE, TESTS, is_alive, pid_of, until, working
from rife_video.rife_core.files.jobs import DebugWorkers, LocalWorkers, drive, interpolate_files
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.job import Job

PART = 16


@pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc")
def test_a_killed_worker_is_replaced(clips, recipe, reference, digests, tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "open_maker", open_held)
    killed = []

    def kill(_):
        notes = working(tmp_path / "out")
        if notes and not killed:
            killed.append(pid_of(notes[0]))
            os.kill(killed[0], signal.SIGKILL)
            let_go(tmp_path / "out")

    report = interpolate_files(
        [clips],
        tmp_path / "out",
        recipe,
        workers=LocalWorkers(["cpu", "cpu"]),
        part_frames=PART,
        progress=kill,
    )
    assert report.is_complete
    assert digests(tmp_path / "out") == reference
    assert killed
    assert not is_alive(killed[0])


@pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc")
def test_a_killed_driver_leaves_nothing_running_and_goes_on(
    clips, recipe, reference, digests, tmp_path
):
    output = tmp_path / "out"
    command = [sys.executable, "-m", "cluster.held_driver", "interpolate", str(clips)]
    command += ["--output-dir", str(output), "--model", recipe.weights, "--precision", "fp32"]
    command += ["--scale", "1", "--device", "cpu", "--part-frames", str(PART), "--quality", "0"]
    surroundings = {**os.environ, "PYTHONPATH": TESTS}
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=surroundings)
    until(lambda: working(output) or driver.poll() is not None)
    assert driver.poll() is None, driver.stderr.read()
    pids = {pid_of(note) for note in working(output)}
    driver.kill()
    driver.communicate(timeout=PATIENCE)
    until(lambda: not any(map(is_alive, pids)))
    assert Job.read(Folder(output / ".rife-job")).finished() == set()
    report = interpolate_files(
        [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=PART
    )
    assert report.is_complete
    assert digests(output) == reference
