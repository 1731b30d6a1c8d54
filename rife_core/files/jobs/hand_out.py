"""Hands tasks to workers, and hands them out again after a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .folder import Folder
from .workers import Opener, Outcome, Workers

ATTEMPTS = 3
"""At a task that fails; each on another worker where there is one."""

GRACE = 30.0
"""Seconds for which tasks that were begun may go on when the work is stopped."""

_DEATHS = 8  # of workers that had one task, until it is taken to be the reason
LOOK_EVERY = 1.0  # seconds


@dataclass
class HandOut:
    """Tasks that are handed out until each is done or given up.

    Attributes:
        workers: who does them.
        done: called with each task that is done; returns tasks that have become possible by it.
        given_up: called with each task that is given up, and the attempts at it.
        look: called about once a second.
    """

    workers: Workers
    done: Callable[[int], Iterable[int]]
    given_up: Callable[[int, list[Outcome]], None]
    look: Callable[[], None]
    _todo: deque[int] = field(default_factory=deque[int])
    _running: set[int] = field(default_factory=set[int])
    _attempts: dict[int, list[Outcome]] = field(default_factory=dict[int, list[Outcome]])
    _deaths: dict[int, int] = field(default_factory=dict[int, int])

    def run(self, folder: Folder, opener: Opener, tasks: Iterable[int]) -> None:
        """Opens the workers if there is anything to do, and ends them in any case.

        Raises:
            JobError: no worker is left.
        """
        self._todo.extend(tasks)
        if not self._todo:
            return
        try:
            self.workers.open(folder, opener, len(self._todo))
            while self._todo or self._running:
                self._submit()
                for outcome in self.workers.wait(LOOK_EVERY):
                    self._running.discard(outcome.task)
                    self._take(outcome)
                self.look()
        except BaseException:
            self.workers.close(GRACE)
            raise
        self.workers.close()

    def _submit(self) -> None:
        for _ in range(len(self._todo)):
            task = self._todo.popleft()
            avoid = frozenset(each.worker for each in self._attempts.get(task, ()))
            if self.workers.submit(task, avoid):
                self._running.add(task)
            elif avoid:  # it waits for one of the others
                self._todo.append(task)
            else:
                self._todo.appendleft(task)
                return

    def _take(self, outcome: Outcome) -> None:
        task = outcome.task
        if outcome.what == "done":
            self._todo.extendleft(self.done(task))
            return
        if outcome.what == "lost":
            self._deaths[task] = self._deaths.get(task, 0) + 1
            if self._deaths[task] < _DEATHS:
                self._todo.appendleft(task)
                return
        attempts = self._attempts.setdefault(task, [])
        attempts.append(outcome)
        if outcome.what == "failed" and len(attempts) < ATTEMPTS:
            self._todo.append(task)
        else:
            self.given_up(task, attempts)
