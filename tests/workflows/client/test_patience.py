"""How long a server may be silent."""

import asyncio

import pytest
from rife_video.workflows.client.patience import PROGRESS, Deadline


def test_progress_moves_the_deadline_and_repetition_does_not():
    deadline = Deadline(10)
    deadline.left = 2
    deadline.moved_to(PROGRESS)
    assert deadline.left == 10
    deadline.left = 6
    deadline.moved_to(PROGRESS + 1)  # too little
    deadline.moved_to(0)  # it begins again
    deadline.moved_to(PROGRESS)  # and is where it was
    assert deadline.left == 6
    deadline.moved_to(2 * PROGRESS)
    assert deadline.left == 10


def test_work_within_the_deadline_is_returned_and_silence_ends():
    async def answer():
        return 3

    async def run():
        assert await Deadline(5).limit(answer()) == 3
        silent = asyncio.ensure_future(asyncio.Event().wait())
        with pytest.raises(asyncio.TimeoutError, match=r"0\.01 s of silence"):
            await Deadline(0.01).limit(silent)
        assert silent.cancelled()

    asyncio.run(run())


def test_a_pause_counts():
    async def run():
        deadline = Deadline(0.02)
        await deadline.pause(0.005)
        assert deadline.left == pytest.approx(0.015)
        await deadline.pause(0.02)
        assert deadline.left == 0

    asyncio.run(run())
