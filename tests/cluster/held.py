"""Workers that hold the parts they make until a test lets them go, and drivers of such."""

import os
import signal
import sys
from multiprocessing import forkserver, get_context

from cluster.watching import PATIENCE, is_alive, pid_of, until, working
from rife_video.rife_core.files.jobs import drive
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


def prepare():
    """Starts the process that drivers are forked from; it imports what takes them seconds."""
    forkserver.set_forkserver_preload([__name__, "rife_video.rife_core.cli.interpolate"])
    forkserver.ensure_running()


def _drive(words, surroundings, told):
    """Runs the command in this process; what it tells goes to a file."""
    from rife_video.__main__ import main

    os.environ.update(surroundings)
    with open(told, "w") as file:
        os.dup2(file.fileno(), 2)
    drive.open_maker = open_held
    sys.exit(main(words))


def strike(number, clips, output, recipe, *options):
    """Sends a signal to a driver whose workers are at work; returns what it told at last.

    Once it has ended, nothing that it started is left, and some of the job is still to do.
    """
    let_go(output, 0)
    command = ["interpolate", str(clips), "--output-dir", str(output), "--model", recipe.weights]
    command += ["--precision", "fp32", "--scale", "1", "--quality", "0", *options]
    told = output.with_suffix(f".{number}")
    told.touch()
    drivers = get_context("forkserver")
    driver = drivers.Process(target=_drive, args=(command, dict(os.environ), str(told)))
    driver.start()
    until(lambda: working(output) or not driver.is_alive())
    assert driver.is_alive(), told.read_text()
    pids = {pid_of(note) for note in working(output)}
    os.kill(driver.pid, number)
    if number == signal.SIGTERM:
        stopping = "Stopping. Parts in the making may finish within"
        until(lambda: stopping in told.read_text() or not driver.is_alive())
        assert stopping in told.read_text()
        let_go(output)
    driver.join(PATIENCE)
    assert driver.exitcode
    until(lambda: not any(map(is_alive, pids)))
    job = Job.read(Folder(output / ".rife-job"))
    assert len(job.finished()) < len(job.parts)
    return told.read_text()
