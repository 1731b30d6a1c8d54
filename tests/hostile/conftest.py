"""The count that every hostile suite keeps: tries, raw errors, hangs."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

_LIMIT = 30.0
"""Seconds; a hundred times what a try takes on an idle machine, as others may compute beside it."""


@dataclass
class Tally:
    """What became of a number of tries; all but the first must stay empty."""

    limit: float
    tries: int = 0
    raw: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @contextmanager
    def one(self, name, *clear):
        """A try: it may end in an error of the kinds `clear`, within the limit."""
        started = time.monotonic()
        self.tries += 1
        try:
            yield
        except clear as error:
            if not str(error).strip():
                self.raw.append(f"{name}: {type(error).__name__} without a word")
        except KeyboardInterrupt:  # whoever runs the tests wants them to end
            raise
        except BaseException as error:
            self.raw.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
        seconds = time.monotonic() - started
        self.slowest = max(self.slowest, seconds)
        if seconds > self.limit:
            self.hangs.append(f"{name}: {seconds:.1f} s")

    def check(self):
        print(f"{self.tries} tries, {len(self.raw)} raw errors, {len(self.hangs)} hangs,", end=" ")
        print(f"slowest {self.slowest:.2f} s")
        for line in (*self.raw, *self.hangs):  # an assertion shows the first one alone
            print(line)
        assert self.tries
        assert self.raw == []
        assert self.hangs == []


@pytest.fixture
def tally():
    """A tally with a limit for each try, which is checked in the end."""
    tally = Tally(_LIMIT)
    yield tally
    tally.check()


@pytest.fixture(scope="session")
def side_by_side():
    """Runs a function on many things, which mostly wait, several at a time."""

    def run(function, things, workers=8):
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(function, things):
                pass

    return run


@pytest.fixture
def quick(monkeypatch):
    """A client that asks again at once, and takes no large download."""
    monkeypatch.setattr("rife_video.workflows.client.connection.PAUSE", 0.05)
    monkeypatch.setattr("rife_video.workflows.client.listener.REOPEN_SECONDS", 0.2)
    monkeypatch.setattr("rife_video.workflows.client.server.LOOK_AGAIN", 0.2)
    monkeypatch.setattr("rife_video.workflows.client.connection.MAX_UNSIZED", 2**23)


@pytest.fixture(scope="module")
def good():
    """A server without a fault."""
    from rife_video.tests.fake_server import FakeServer

    with FakeServer() as server:
        yield server
