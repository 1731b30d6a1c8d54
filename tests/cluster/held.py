"""Workers that hold the parts they make until a test lets them go, and drivers of such."""

import os
import signal
import subprocess
import sys

from cluster.watching import PATIENCE, TESTS, is_alive, pid_of, until, working
from rife_video.rife_core.files.jobs.film_maker import open_maker
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.job import Job
from rife_video.rife_core.files.jobs.progress import Progress

_FILE = "let-go"
ALL = 1 << 30


def open_held(folder, device):
    """A maker whose parts are in the making, and stay so until `let_go`."""
    maker = open_maker(folder, device)
    whole = maker.make

    def make(number, progress=None):
        def hold(done):
            until(lambda: Progress.of(maker.job).parts < int(maker.job.folder.read(_FILE) or 0))

        return whole(number, hold)

    maker.make = make
    return maker


def let_go(output, parts=ALL):
    """Lets parts be finished until so many are, or one more for each other worker."""
    Folder(output / ".rife-job").write(_FILE, str(parts).encode())


def strike(number, clips, output, recipe, *options):
    """Sends a signal to a driver whose workers are at work; returns what it told at last.

    Once it has ended, nothing that it started is left, and some of the job is still to do.
    """
    let_go(output, 0)
    command = [sys.executable, "-m", "cluster.held_driver", "interpolate", str(clips)]
    command += ["--output-dir", str(output), "--model", recipe.weights, "--precision", "fp32"]
    command += ["--scale", "1", "--quality", "0", *options]
    surroundings = {**os.environ, "PYTHONPATH": TESTS}
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=surroundings)
    until(lambda: working(output) or driver.poll() is not None)
    assert driver.poll() is None, driver.stderr.read()
    pids = {pid_of(note) for note in working(output)}
    driver.send_signal(number)
    if number == signal.SIGTERM:
        stopping = "Stopping. Parts in the making may finish within"
        assert any(stopping in line for line in driver.stderr)
        let_go(output)
    _, told = driver.communicate(timeout=PATIENCE)
    assert driver.returncode
    until(lambda: not any(map(is_alive, pids)))
    job = Job.read(Folder(output / ".rife-job"))
    assert len(job.finished()) < len(job.parts)
    return told
