"""How many workers are started."""

from types import SimpleNamespace

import pytest
from rife_video.rife_core.files.jobs.film_maker import open_maker
from rife_video.rife_core.files.jobs.job import JobError
from rife_video.rife_core.files.jobs.local_workers import LocalWorkers, _Process
from rife_video.rife_core.files.jobs.ray_workers import RayWorkers


@pytest.fixture
def started(monkeypatch):
    """The devices of workers that were started; none is."""
    started = []

    def start(self, device, cores, deaths=0):
        started.append(device)
        return _Process(device, cores, SimpleNamespace(wait=lambda: 1), deaths=deaths)

    monkeypatch.setattr(LocalWorkers, "_start", start)
    return started


def test_no_more_are_started_than_there_are_tasks(started):
    workers = LocalWorkers(["a", "b", "c", "d"])
    workers.open("job", open_maker, 2)
    assert started == ["a", "b"]


def test_others_take_the_places_of_those_that_are_given_up(started):
    workers = LocalWorkers(["a", "b"])
    workers.open("job", open_maker, 1)
    for _ in range(5):
        workers._died(workers._workers[0])
    with pytest.raises(JobError, match=r"No worker is left\..* on a .* on b "):
        workers._died(workers._workers[0])
    assert started == ["a"] * 3 + ["b"] * 3


def test_more_than_a_machine_takes_are_refused():
    with pytest.raises(ValueError, match=r"99,999 workers are too many for a machine of \d+ core"):
        LocalWorkers(["cpu"] * 99_999)


def test_more_than_a_gpu_takes_are_refused(monkeypatch):
    workers = RayWorkers(device="cuda", per_gpu=99_999)
    monkeypatch.setattr(workers, "_connect", lambda: None)
    with pytest.raises(JobError, match="99,999 workers are too many for a GPU"):
        workers.open("job", open_maker, 1)
