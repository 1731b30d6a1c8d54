"""What tests see of workers from outside: notes in the folder of a job, and processes."""

import json
import time
from contextlib import suppress
from pathlib import Path

from rife_video.rife_core.files.jobs.folder import Folder

PATIENCE = 300
"""Seconds; on an idle machine nothing takes so long."""

TESTS = str(Path(__file__).parents[1])
"""To be on the path of processes that are to find this module."""


def working(output):
    """Notes of the parts in the making, as workers leave them in the folder of the job."""
    folder = Folder(output / ".rife-job")
    contents = (folder.read(f"working/{name}") for name in folder.names("working"))
    return [json.loads(content) for content in contents if content]


def pid_of(note):
    return int(note["worker"].split("/")[1])


def _state(pid):
    """What Linux tells of a process: its state, its parent ..."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()


def is_alive(pid):
    with suppress(OSError):
        return _state(pid)[0] != "Z"
    return False


def parent_of(pid):
    return int(_state(pid)[1])


def until(there):
    """Waits for something that other processes bring about; returns it."""
    end = time.monotonic() + PATIENCE
    while not (seen := there()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return seen
