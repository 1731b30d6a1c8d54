"""Memory is kept while anybody makes frames, and given back by the last one."""

import platform
import subprocess
import sys

import pytest
import torch
from rife_video.rife_core.engine import allocator
from rife_video.rife_core.engine.allocator import kept_memory
from rife_video.rife_core.engine.loop import stream
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.trainer import Trainer
from support import TINY_TRAINING, moving_square

SIZE = 2**28
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8


IN_A_PROGRAM = f"""
import resource, torch
from pathlib import Path
from rife_video.rife_core.engine.allocator import kept_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

with kept_memory():
    with kept_memory():
        torch.ones({SIZE} // 4)
    inside = resident()
print(inside - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_kept_memory_is_given_back_by_the_last_user():
    """In a program of its own: in a full heap, what lies above may hold the memory."""
    run = subprocess.run(
        [sys.executable, "-c", IN_A_PROGRAM], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) > 0.9 * SIZE


@pytest.fixture
def told(monkeypatch):
    """What the allocator is told, in order."""
    calls = []
    monkeypatch.setattr(allocator, "_set_allocator", calls.append)
    return calls


def test_a_stream_that_is_closed_early_gives_memory_back(network, told):
    frames = moving_square(frames=4)
    first, second = (stream(network, frames, Timeline.multiply(2)) for _ in range(2))
    next(first), next(second)
    first.close()
    assert len(told) == 1
    second.close()
    assert [call[MMAP_MAX] for call in told] == [0, 1 << 16]


def test_a_stream_that_fails_gives_memory_back(network, told):
    with pytest.raises(ValueError, match="one size and type"):
        list(stream(network, [torch.rand(8, 8, 3), torch.rand(8, 9, 3)], Timeline.multiply(2)))
    assert len(told) == 2


def test_a_training_and_an_engine_share_it(network, told, tmp_path):
    frames = stream(network, moving_square(frames=3), Timeline.multiply(2))
    next(frames)
    Trainer(parse_config(TINY_TRAINING), tmp_path).run(until=1)
    assert len(told) == 1
    frames.close()
    assert len(told) == 2


def test_what_the_environment_says_is_what_it_was(told, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "not a number")
    with kept_memory():
        pass
    assert told[1][ARENA_MAX] == 2
    assert told[1][TRIM_THRESHOLD] == 1 << 26
