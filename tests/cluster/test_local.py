"""Processes of this machine: one is killed, the driver is killed."""

import os
import signal
import sys

import pytest
from cluster.held import let_go, open_held, strike
from cluster.watching import is_alive, pid_of, working
from rife_video.rife_core.files.jobs import DebugWorkers, LocalWorkers, drive, interpolate_files

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
    strike(signal.SIGKILL, clips, output, recipe, "--device", "cpu", "--part-frames", str(PART))
    report = interpolate_files(
        [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=PART
    )
    assert report.is_complete
    assert digests(output) == reference
