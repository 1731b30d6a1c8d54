"""Processes of this machine: one is killed, the driver is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from rife_video.rife_core.files.jobs import DebugWorkers, LocalWorkers, interpolate_files
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.plan import Job

PART = 16
PATIENCE = 300


def working(output):
    """Notes of the parts in the making, as workers leave them in the folder of the job."""
    folder = Folder(output / ".rife-job")
    contents = (folder.read(f"working/{name}") for name in folder.names("working"))
    return [json.loads(content) for content in contents if content]


def pid_of(note):
    return int(note["worker"].split("/")[1])


def is_alive(pid):
    with suppress(OSError):
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc")
def test_a_killed_worker_is_replaced(clips, recipe, reference, digests, tmp_path):
    killed = []

    def kill(_):
        notes = working(tmp_path / "out")
        if notes and not killed:
            killed.append(pid_of(notes[0]))
            os.kill(killed[0], signal.SIGKILL)

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
    command = [sys.executable, "-m", "rife_video", "interpolate", str(clips)]
    command += ["--output-dir", str(output), "--model", recipe.weights, "--precision", "fp32"]
    command += ["--scale", "1", "--device", "cpu", "--part-frames", str(PART), "--quality", "0"]
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    notes = []
    until = time.monotonic() + PATIENCE
    while not notes:
        assert driver.poll() is None, driver.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.05)
        notes = working(output)
    driver.kill()
    driver.communicate(timeout=PATIENCE)
    while is_alive(pid_of(notes[0])):
        assert time.monotonic() < until
        time.sleep(0.05)
    before = Job.read(Folder(output / ".rife-job")).finished()
    report = interpolate_files(
        [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=PART
    )
    assert report.is_complete
    assert len(before) < 20
    assert digests(output) == reference
