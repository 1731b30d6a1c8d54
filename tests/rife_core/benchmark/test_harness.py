"""Contenders take turns."""

import numpy as np
import pytest
from rife_video.rife_core.benchmark import harness
from rife_video.rife_core.benchmark.cases import cases
from rife_video.rife_core.benchmark.contenders import Reference, own
from rife_video.rife_core.benchmark.harness import BenchSettings, interleave, measure, ratio
from rife_video.rife_core.benchmark.work import Work
from rife_video.rife_core.benchmark.workers import ContenderError, First

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


class StubWorker:
    """Answers as a process would; `fails` names who fails at what."""

    fails = ()
    asked = ()

    def __init__(self, job):
        self.name = job.contender.name
        self.answer("open")

    def answer(self, what):
        StubWorker.asked += ((self.name, what),)
        if (self.name, what) in self.fails:
            raise ContenderError(f"{self.name} fails at {what}")

    def ask(self, what, *arguments):
        self.answer(what)
        if what == "check":
            np.save(arguments[0], np.full((1, 4, 4, 3), 0.5, np.float32))
        return {"first": First(2.0, 0), "timed": 0.5, "work": {"fp32": Work(4e9, 2e9)}}.get(what)

    def close(self):
        self.answer("close")


def results_where(monkeypatch, *fails):
    monkeypatch.setattr(harness, "Worker", StubWorker)
    monkeypatch.setattr(StubWorker, "fails", fails)
    monkeypatch.setattr(StubWorker, "asked", ())
    contenders = [Reference("reference"), own("eager", "fp32")]
    return measure(cases(["4.6"], ["64x64"], [3])[0], contenders, BenchSettings(2, 2))


@pytest.mark.parametrize("step", ["open", "first", "timed", "check"])
def test_who_fails_is_out_and_the_others_go_on(monkeypatch, step):
    reference, eager = results_where(monkeypatch, ("eager fp32", step))
    assert eager.error == f"eager fp32 fails at {step}"
    assert eager.ms is None
    # Two frames were made in half a second.
    assert (reference.error, reference.ms, reference.gflop) == ("", 250, 2)
    assert StubWorker.asked.count(("eager fp32", step)) == 1
    opened = [name for name, what in StubWorker.asked if what == "first"]
    assert sorted(opened) == sorted(name for name, what in StubWorker.asked if what == "close")


@pytest.mark.parametrize("step", ["open", "first", "timed", "check", "work"])
def test_without_the_reference_there_is_no_result(monkeypatch, step):
    with pytest.raises(ContenderError, match=f"reference fails at {step}"):
        results_where(monkeypatch, ("reference", step))
