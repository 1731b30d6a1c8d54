"""Workers that are actors of a Ray cluster.

Ray brings processes to GPUs and tells when one is gone; the job's folder does all else. A part
travels as its number and comes back as an `Outcome`, so no frame passes Ray's object store.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ...basics.arguments import natural
from .folder import Folder
from .job import JobError
from .workers import DEATHS, Opener, Outcome, Workers, attempt, sentence, with_room

_LOOK_FOR_NODES = 5.0  # seconds
_PATIENCE = 600.0  # seconds until a cluster on which nobody can begin is given up
_LAST_PORT = 65535
_MOST_PER_GPU = 64  # the memory of none holds more
_REACHED = 10.0  # seconds in which a cluster answers, if it is there
_END = 5.0  # seconds for actors that were killed to be gone


@dataclass(eq=False)
class _Actor:
    """An actor, perhaps still starting: `name` is empty until it has answered."""

    node: str
    host: str
    handle: Any
    opening: Any
    name: str = ""
    results: dict[Any, int] = field(default_factory=dict[Any, int])
    deaths: int = 0

    @property
    def tasks(self) -> Collection[int]:
        return self.results.values()

    @property
    def calls(self) -> list[Any]:
        """The calls that have not been answered yet."""
        return list(self.results) if self.name else [self.opening]


class RayWorkers(Workers):
    """Actors of a Ray cluster: one for each GPU, or for the cores of each machine.

    Machines may join the cluster and leave it while a job runs. One whose releases differ from
    those that the job was planned with is left out, and a note says so.

    Args:
        address: of the cluster, as `ray.init` takes it; by default RAY_ADDRESS, else the cluster
            that runs on this machine.
        device: "cuda" or "cpu"; by default "cuda" if the cluster has GPUs.
        per_gpu: workers that share a GPU.
        cores: of each worker on CPUs; by default all that a machine offers to Ray.

    Raises:
        ValueError: `per_gpu` or `cores` is less than 1, or the device is another one.
    """

    def __init__(
        self,
        address: str | None = None,
        device: str | None = None,
        *,
        per_gpu: int = 1,
        cores: int | None = None,
    ) -> None:
        super().__init__()
        if per_gpu < 1 or (cores is not None and cores < 1):
            raise ValueError("A GPU needs at least 1 worker, and a worker at least 1 core.")
        if device not in (None, "cuda", "cpu"):
            raise ValueError(f"The device is {device!r}; on a cluster it must be cuda or cpu.")
        self._address = address or os.environ.get("RAY_ADDRESS") or "auto"
        self._device, self._per_gpu, self._cores = device, per_gpu, cores
        self._actors: list[_Actor] = []
        self._nodes: dict[str, dict[str, Any]] = {}
        self._connected = self._owns = False

    @property
    def device(self) -> str:
        if self._device is None:
            self._connect()
            gpus = _ray().cluster_resources().get("GPU", 0)
            self._device = "cuda" if gpus else "cpu"
        return self._device

    def open(self, folder: Folder, opener: Opener, tasks: int) -> None:
        self._connect()
        if self.device == "cuda" and self._per_gpu > _MOST_PER_GPU:
            told = f"{self._per_gpu:,} workers are too many for a GPU; at most {_MOST_PER_GPU} fit."
            raise JobError(told)
        self._work = opener, str(folder), self.device
        self._class = _ray().remote(_Process)
        self._began = time.monotonic()
        self._look_for_nodes()
        if not self._actors:
            what = "a GPU" if self.device == "cuda" else f"{self._cores or 1} cores"
            raise JobError(f"No machine of the Ray cluster offers {what}.")

    def submit(self, task: int, avoid: frozenset[str] = frozenset()) -> bool:
        ready = [actor for actor in self._actors if actor.name]
        for actor in with_room(ready, avoid)[:1]:
            actor.results[actor.handle.do.remote(task)] = task
            return True
        return False

    def wait(self, seconds: float) -> list[Outcome]:
        if time.monotonic() - self._looked >= _LOOK_FOR_NODES:
            self._look_for_nodes()
        owners = {ref: actor for actor in self._actors for ref in actor.calls}
        if not owners:
            time.sleep(seconds)
        ready = self._ready(list(owners), seconds)
        outcomes = [outcome for ref in ready for outcome in self._take(owners[ref], ref)]
        self._check_that_anyone_works()
        return outcomes

    def close(self, grace: float = 0) -> None:
        if not self._connected:
            return
        ray = _ray()
        try:
            begun: list[Any] = []
            for actor in self._actors:
                first, *waiting = [*actor.results] or [None]
                begun += [first] if first else []
                for ref in waiting if grace else ():
                    ray.cancel(ref)
            if grace and begun:
                ray.wait(begun, num_returns=len(begun), timeout=grace)
        finally:
            ends = [actor.handle.__ray_ready__.remote() for actor in self._actors if actor.name]
            for actor in self._actors:
                ray.kill(actor.handle)
            if ends:  # these calls fail once their actors are gone
                ray.wait(ends, num_returns=len(ends), timeout=_END)
            self._actors.clear()
            self._nodes.clear()
            if self._owns:
                ray.shutdown()
            self._connected = False

    def _connect(self) -> None:
        if self._connected:
            return
        ray = _ray()
        self._owns = not ray.is_initialized()
        if self._owns:
            try:
                _check_reachable(self._address)
                with _own_signals():
                    ray.init(self._address, log_to_driver=False, logging_level="ERROR")
            except (OSError, RuntimeError, ValueError) as error:
                raise JobError(
                    f"There is no Ray cluster at {self._address}: {error}. Start one with "
                    "`ray start --head`, or set RAY_ADDRESS to its address."
                ) from error
        self._connected = True

    def _alive(self) -> dict[str, dict[str, Any]]:
        return {each["NodeID"]: each for each in _ray().nodes() if each["Alive"]}

    def _look_for_nodes(self) -> None:
        """Starts actors on machines that have joined the cluster."""
        self._looked = time.monotonic()
        known, self._nodes = self._nodes, self._alive()
        for node in self._nodes.keys() - known.keys():
            self._actors += (self._start(node) for _ in range(self._room(node)))

    def _room(self, node: str) -> int:
        """How many actors a machine takes."""
        resources: dict[str, float] = self._nodes[node]["Resources"]
        if self.device == "cuda":
            return int(resources.get("GPU", 0)) * self._per_gpu
        cores = int(resources.get("CPU", 0))
        return cores // self._cores if self._cores else min(1, cores)

    def _start(self, node: str, deaths: int = 0) -> _Actor:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        cores = int(self._nodes[node]["Resources"].get("CPU", 0))
        if self.device == "cuda":
            cores = max(1, cores // self._room(node))
            needs = {"num_gpus": 1 / self._per_gpu, "num_cpus": 0}
        else:
            cores = self._cores or cores
            needs = {"num_cpus": cores}  # Ray sets OMP_NUM_THREADS to it
        handle = self._class.options(
            **needs,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote()
        host = self._nodes[node]["NodeManagerHostname"]
        return _Actor(node, host, handle, handle.open.remote(*self._work, cores), deaths=deaths)

    def _ready(self, refs: list[Any], seconds: float) -> list[Any]:
        """Calls that have come back, all there are; waits for the first of them."""
        ready: list[Any] = []
        for count, timeout in ((1, seconds), (len(refs), 0)):
            if refs:
                ready, _ = _ray().wait(refs, num_returns=count, timeout=timeout)
        return ready

    def _take(self, actor: _Actor, ref: Any) -> list[Outcome]:
        """The outcome of a call."""
        if actor not in self._actors:  # it was removed by an earlier one
            return []
        errors = _ray().exceptions
        try:
            answer = _ray().get(ref)
        except errors.RayTaskError as error:
            if actor.name:
                return self._died(actor, str(error))
            self._leave_out(actor, error.cause)
        except errors.RayError as error:
            return self._died(actor, str(error))
        else:
            if actor.name:
                del actor.results[ref]
                actor.deaths = 0
                return [answer]
            actor.name = answer
        return []

    def _leave_out(self, actor: _Actor, error: BaseException) -> None:
        """Gives no more work to a machine that cannot run this job."""
        self.notes.append(f"{actor.host} was left out: {sentence(error)}")
        for other in [each for each in self._actors if each.node == actor.node]:
            self._actors.remove(other)
            _ray().kill(other.handle)

    def _died(self, actor: _Actor, why: str) -> list[Outcome]:
        """Reports its tasks as lost; another actor takes its place while its machine is there."""
        self._actors.remove(actor)
        _ray().kill(actor.handle)  # it may only have been out of reach
        why = why.partition("\n")[0]
        if actor.node not in self._alive():
            self.notes.append(f"{actor.host} left the cluster.")
        elif actor.deaths + 1 < DEATHS:
            self._actors.append(self._start(actor.node, actor.deaths + 1))
        else:
            self.notes.append(
                f"A worker on {actor.host} ended {DEATHS} times one after the other, and was left "
                f"out: {why}"
            )
        return [Outcome(task, actor.name, "lost", why) for task in actor.tasks]

    def _check_that_anyone_works(self) -> None:
        if any(actor.name for actor in self._actors):
            self._began = time.monotonic()
            return
        if not self._actors:
            self._look_for_nodes()
        refused = not self._actors and any(map(self._room, self._nodes))
        if refused or time.monotonic() - self._began > _PATIENCE:
            why = self.notes or [f"The cluster did not begin in {_PATIENCE / 60:.0f} minutes."]
            raise JobError(" ".join(["No worker is left.", *why]))


class _Process:
    """The work of an actor, in a process of Ray."""

    def open(self, opener: Opener, folder: str, device: str, cores: int) -> str:
        """Gets ready; raises where this machine cannot work on the job."""
        torch.set_num_threads(cores)
        self._maker = opener(folder, device)
        return self._maker.name

    def do(self, task: int) -> Outcome:
        return attempt(self._maker, task)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise JobError(
            'Workers of a cluster need Ray: pip install "rife-video[cluster]".'
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Raises an OSError if nothing listens there; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if number := natural(port):
        if number > _LAST_PORT:
            raise ConnectionError(f"there is no port {number}")
        socket.create_connection((host.strip("[]"), number), _REACHED).close()


@contextmanager
def _own_signals() -> Generator[None]:
    """Keeps the handlers of this process, for which `ray.init` puts its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in earlier.items():
            signal.signal(one, handler)
