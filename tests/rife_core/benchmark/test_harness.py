"""Contenders take turns."""

import pytest
from rife_video.rife_core.benchmark.harness import (
    interleave,
    ratio,
)
from rife_video.rife_core.benchmark.workers import ContenderError

pytestmark = pytest.mark.usefixtures("seeded")


def test_turns_are_taken_in_turn():
    turns = []

    def contender(name, seconds):
        def run():
            turns.append(name)
            if name == "c" and len(turns) > 3:
                raise ContenderError("has enough")
            return seconds

        return run

    runs = {name: contender(name, seconds) for name, seconds in (("a", 4.0), ("b", 1.0), ("c", 9))}
    times, errors = interleave(runs, 3)
    assert "".join(turns) == "abccbaab"
    assert times == {"a": [4.0] * 3, "b": [1.0] * 3}
    assert errors == {"c": "has enough"}
    assert ratio(times["a"], times["b"]) == 4.0
    # In a slow round both are slow: the median of ratios does not see it.
    assert ratio([2.0, 20.0, 3.0], [1.0, 10.0, 2.0]) == 2.0
