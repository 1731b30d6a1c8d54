"""A cluster of Ray on this machine: actors are killed, machines come and go, the driver dies."""

import os
import signal
import socket
import sys

import fsspec
import pytest
import torch
from cluster.held import let_go, open_held, strike
from cluster.watching import TESTS, is_alive, parent_of, pid_of, until, working
from rife_video.rife_core.files.jobs import DebugWorkers, RayWorkers, drive, interpolate_files
from rife_video.rife_core.files.jobs.film_maker import open_maker
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.hand_out import HandOut
from rife_video.rife_core.files.jobs.job import Job, JobError
from rife_video.rife_core.files.jobs.progress import failures

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
if sys.platform != "linux":
    pytest.skip("signals, /proc", allow_module_level=True)

PART = 16
SURROUNDINGS = {
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": os.pathsep.join(filter(None, (TESTS, os.environ.get("PYTHONPATH")))),
}


@pytest.fixture(scope="module")
def cluster():
    """A head that does no work, and two machines of one core."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in SURROUNDINGS.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        store = {"object_store_memory": 80 << 20}  # the least there can be
        head = {"num_cpus": 0, "include_dashboard": False, "include_log_monitor": False}
        cluster = Cluster(True, head_node_args={**head, "no_monitor": True, **store})
        cluster.machine = lambda **offers: cluster.add_node(**offers, **store)
        cluster.machines = [cluster.machine(num_cpus=1), cluster.machine(num_cpus=1)]
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def raylet(machine):
    """The process whose children are the actors on a machine."""
    (started,) = machine.all_processes["raylet"]
    return started.process.pid


@pytest.fixture
def make(clips, recipe, tmp_path):
    """Runs a job on the cluster."""

    def run(workers=None, sources=None, output=tmp_path / "out", **options):
        return interpolate_files(
            sources or [clips],
            output,
            recipe,
            workers=workers or RayWorkers(),
            part_frames=PART,
            **options,
        )

    return run


def hand_out(workers, folder, opener, tasks):
    """Hands out tasks; returns those that are done, and those that are given up."""
    done, given_up = [], []

    def finish(task):
        done.append(task)
        return ()

    hands = HandOut(workers, finish, lambda task, attempts: given_up.append(task), lambda: None)
    hands.run(Folder(folder), opener, tasks)
    return sorted(done), given_up


class Toy:
    """A worker that needs no job and tells where a task was done; there must be two."""

    def __init__(self, folder, device):
        self.folder = Folder(folder)
        self.name = f"{ray.get_runtime_context().get_node_id()}/{os.getpid()}/{device}"

    def do(self, task):
        wait_for_two(self.folder)
        told = " ".join((self.name, str(torch.get_num_threads()), str(os.nice(0))))
        self.folder.write(str(task), told.encode())


def wait_for_two(folder):
    """Until two workers have been given something: one alone might do it all."""
    folder.write(f"begun/{os.getpid()}", b"")
    until(lambda: len(folder.names("begun")) > 1)


def test_killed_actors_and_machines_change_nothing(
    cluster, make, reference, digests, tmp_path, monkeypatch
):
    """Once some parts are made, an actor dies, a machine goes, and another one joins."""
    monkeypatch.setattr(drive, "open_maker", open_held)
    output, befell, joined, before = tmp_path / "out", set(), set(), 3
    let_go(output, before)

    def happen(now):
        pids = {pid_of(note) for note in working(output)} - befell
        both_hold_a_part = len(pids) == 2 and now.parts >= before
        if not befell and both_hold_a_part:
            befell.update(pids)
            machine = cluster.machines.pop()
            with_it = {pid for pid in pids if parent_of(pid) == raylet(machine)}
            assert len(with_it) == 1
            os.kill(*(pids - with_it), signal.SIGKILL)
            cluster.remove_node(machine, allow_graceful=False)
        elif len(cluster.machines) == 1:  # while a new actor starts in the place of the other
            cluster.machines.append(cluster.machine(num_cpus=1))
        elif befell and both_hold_a_part and not joined:
            joined.update(pid for pid in pids if parent_of(pid) == raylet(cluster.machines[-1]))
            let_go(output)

    report = make(progress=happen)
    assert len(befell) == 2
    assert len(joined) == 1
    assert report.is_complete
    assert digests(output) == reference
    folder = Folder(output / ".rife-job")
    assert folder.names("parts") == folder.names("working") == folder.names("failed") == set()
    assert not ray.is_initialized()
    until(lambda: not any(map(is_alive, befell)))


def open_cursed(folder, device):
    """A maker of which one part always fails."""
    maker = open_maker(folder, device)
    whole = maker.make

    def make(number, progress=None):
        wait_for_two(maker.job.folder)
        if number == 1:
            raise ValueError("this part is cursed")
        return whole(number, progress)

    maker.make = make
    return maker


def test_a_part_that_always_fails_is_tried_by_others_and_the_rest_is_made(
    cluster, make, clips, reference, digests, tmp_path, monkeypatch
):
    film = clips / "00.mp4"
    with monkeypatch.context() as cursed:
        cursed.setattr(drive, "open_maker", open_cursed)
        report = make(sources=[film])
    assert report.failed == ("00.mp4, part 2: this part is cursed",)
    job = Job.read(Folder(tmp_path / "out/.rife-job"))
    assert job.failed() == {1}
    assert job.finished() == set(range(len(job.parts))) - {1}
    attempts = failures(job)[1]
    assert len(attempts) == 3
    assert len({each["worker"] for each in attempts}) == 2  # there are no more
    job.folder.remove("failed/000001.json")
    assert make(DebugWorkers("cpu"), [film]).is_complete
    assert digests(tmp_path / "out") == {"00.mp4": reference["00.mp4"]}


def test_a_driver_that_is_stopped_or_killed_leaves_nothing_running_and_goes_on(
    cluster, clips, recipe, reference, digests, tmp_path
):
    output, options = tmp_path / "out", ("--workers", "ray", "--part-frames", str(PART))
    told = strike(signal.SIGTERM, clips, output, recipe, *options)
    assert f"What is finished is kept in {output}/.rife-job" in told
    strike(signal.SIGKILL, clips, output, recipe, *options)
    report = interpolate_files(
        [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=PART
    )
    assert report.is_complete
    assert digests(output) == reference


def test_a_machine_that_differs_is_left_out(cluster, make, clips, tmp_path, monkeypatch):
    other = cluster.machines[0].node_id

    def open_here(folder, device):
        if ray.get_runtime_context().get_node_id() == other:
            raise JobError("planned by other releases: PyAV 1.0 here")
        return open_held(folder, device)

    class Watched(RayWorkers):
        def wait(self, seconds):
            outcomes = super().wait(seconds)
            if self.notes:
                let_go(tmp_path / "out")
            return outcomes

    monkeypatch.setattr(drive, "open_maker", open_here)
    report = make(Watched(), [clips / "01.mp4"])
    assert report.is_complete
    assert [note for note in report.notes if "was left out: planned by other releases" in note]


@pytest.mark.slow
def test_clips_job_and_results_on_s3(
    cluster, make, s3, clips, reference, digests, tmp_path, monkeypatch
):
    system, _ = fsspec.core.url_to_fs("s3://films")
    names = sorted(reference)[:4]
    for name in names:
        system.put_file(str(clips / name), f"films/clips/{name}")

    def open_there(folder, device):
        """Actors have the environment of their machine."""
        os.environ.update(s3)
        return open_maker(folder, device)

    monkeypatch.setattr(drive, "open_maker", open_there)
    report = make(sources=["s3://films/clips"], output="s3://films/out")
    assert report.is_complete
    (tmp_path / "got").mkdir()
    for name in names:
        system.get_file(f"films/out/{name}", str(tmp_path / "got" / name))
    assert digests(tmp_path / "got") == {name: reference[name] for name in names}
    assert not system.exists("films/out/.rife-job/parts")


def test_actors_share_gpus_and_cores_as_they_are_told(cluster, tmp_path):
    machine = cluster.machine(num_cpus=5, num_gpus=1)
    cluster.wait_for_nodes()
    gpu = RayWorkers(per_gpu=2)
    assert gpu.device == "cuda"
    for name, workers in (("gpu", gpu), ("cpu", RayWorkers(device="cpu", cores=2))):
        assert hand_out(workers, tmp_path / name, Toy, range(4)) == ([*range(4)], [])
        told = [path.read_text().split() for path in (tmp_path / name).glob("[0-9]")]
        names = {worker for worker, _, _ in told}
        assert len(names) == 2
        assert {worker.split("/")[0] for worker in names} == {machine.node_id}
        assert {(threads, nice) for _, threads, nice in told} == {("2", str(os.nice(0)))}
    cluster.remove_node(machine)


def test_a_cluster_that_is_not_there_is_told_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        workers = RayWorkers(f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(JobError, match=r"no Ray cluster at .*refused"):
            workers.device.upper()
