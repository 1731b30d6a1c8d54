"""Broken files: each is interpolated as far as it can be read, or refused with a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("fuzz_files.py")


def tried(first, count):
    """What became of so many broken files."""
    run = subprocess.run(
        [sys.executable, str(PROGRAM), str(first), str(count)], capture_output=True, text=True
    )
    assert run.returncode == 0, f"file {run.stderr[-3000:]}"  # a hang or a crash
    return json.loads(run.stdout.splitlines()[-1])


def test_a_rate_that_the_file_type_cannot_hold():
    """A broken byte made it 699051 frames a second; the segments of a file stayed."""
    assert tried(2611, 1) == {"outcomes": {"refused": 1}, "faults": []}


@pytest.mark.parametrize(
    ("first", "count"),
    [(0, 60), *(pytest.param(k, 500, marks=pytest.mark.slow) for k in range(0, 6000, 500))],
)
def test_broken_files_are_interpolated_or_refused(first, count):
    result = tried(first, count)
    assert result["faults"] == []
    assert sum(result["outcomes"].values()) == count
    assert result["outcomes"]["interpolated"] > count // 10
    assert result["outcomes"]["refused"] > count // 10
