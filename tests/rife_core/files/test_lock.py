"""A lock on a folder: one process at a time, and it ends with the process."""

import subprocess
import sys

import pytest
from rife_video.rife_core.files.lock import FolderLock

HOLD = """
import sys, pathlib
from rife_video.rife_core.files.lock import FolderLock
lock = FolderLock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_one_at_a_time(tmp_path):
    lock = FolderLock(tmp_path / "a" / "b")
    assert lock.path.parent.is_dir()
    with pytest.raises(BlockingIOError):
        FolderLock(tmp_path / "a" / "b")
    lock.release()
    FolderLock(tmp_path / "a" / "b").release()


def test_a_killed_process_lets_go(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            FolderLock(tmp_path)
        other.kill()
        other.wait()
        FolderLock(tmp_path).release()
