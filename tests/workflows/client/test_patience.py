"""How long a server may be silent; the clock is the test's own."""

import asyncio

import pytest
from rife_video.workflows.client import patience
from rife_video.workflows.client.patience import PROGRESS, Deadline


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def test_progress_moves_the_deadline_and_repetition_does_not(clock):
    deadline = Deadline(10)
    clock.now += 8
    assert deadline.left == 2
    deadline.moved_to(PROGRESS)
    assert deadline.left == 10
    clock.now += 4
    deadline.moved_to(PROGRESS + 1)  # too little
    deadline.moved_to(0)  # it begins again
    deadline.moved_to(PROGRESS)  # and is where it was
    assert deadline.left == 6
    deadline.moved_to(2 * PROGRESS)
    assert deadline.left == 10
    clock.now += 50
    assert deadline.left == 0


def test_work_within_the_deadline_is_returned_and_silence_ends():
    async def answer():
        return 3

    async def run():
        assert await Deadline(5).limit(answer()) == 3
        silent = asyncio.ensure_future(asyncio.Event().wait())
        with pytest.raises(asyncio.TimeoutError, match="0.01 s of silence"):
            await Deadline(0.01).limit(silent)
        assert silent.cancelled()

    asyncio.run(run())
