"""Items made ahead: in order, not too many, and no thread is left behind."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from rife_video.rife_core.engine.prefetch import prefetch
from support import no_thread_left


@pytest.fixture(autouse=True)
def no_thread_is_left():
    with no_thread_left():
        yield


def test_order_and_end():
    assert list(prefetch(range(20), 3)) == list(range(20))
    assert list(prefetch([])) == []


def test_no_more_than_depth_wait():
    made = []

    def items():
        for index in range(20):
            made.append(index)
            yield index

    with closing(prefetch(items(), 3)) as results:
        for used in results:
            time.sleep(0.005)
            assert len(made) <= used + 1 + 3


def test_work_overlaps():
    """Each waits for the other: that ends only if both go on at once."""
    asked, answered = threading.Event(), threading.Event()

    def items():
        yield 0
        answered.set() if asked.wait(10) else None
        yield 1

    with closing(prefetch(items(), 2)) as results:
        next(results)
        asked.set()
        assert answered.wait(10)


def test_an_exception_passes_through():
    def items():
        yield 1
        raise KeyError("from the thread")

    results = prefetch(items(), 4)
    assert next(results) == 1
    with pytest.raises(KeyError, match="from the thread"):
        next(results)


@pytest.mark.parametrize("used", [0, 1, 5])
def test_closing_early(used):
    closed = []

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.append(True)

    with closing(prefetch(items(), 2)) as results:
        for _ in range(used):
            next(results)
    assert closed == ([True] if used else [])  # what never began has nothing to close


def test_closing_waits_for_no_more_than_the_item_that_is_being_made(monkeypatch):
    made, closing_down = [], threading.Event()

    def items():
        for index in range(9):
            made.append(index)
            yield index
            assert closing_down.wait(10)

    shutdown = ThreadPoolExecutor.shutdown

    def noted(pool, **options):
        closing_down.set()
        shutdown(pool, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", noted)
    with closing(prefetch(items(), 5)) as results:
        assert next(results) == 0
    assert made in ([0], [0, 1])


def test_a_chain_of_them_is_closed_when_the_end_fails():
    def fail():
        source = prefetch(range(10**9), 2)
        with closing(source), closing(prefetch(map(str, source), 2)) as results:
            next(results)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
