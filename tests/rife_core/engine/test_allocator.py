"""Memory is kept while frames are made, and given back."""

import platform
import resource
from pathlib import Path

import pytest
import torch
from rife_video.rife_core.engine.allocator import kept_memory


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_kept_memory_is_given_back():
    size = 2**28
    with kept_memory():
        torch.ones(size // 4)
        inside = resident()
    assert inside - resident() > 0.9 * size
