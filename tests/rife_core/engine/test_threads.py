"""Frames side by side: the same frames, and nothing left changed."""

from threading import Thread

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.threads import FramePool
from rife_video.rife_core.timeline import Timeline
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=4, height=40, width=60)


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
@pytest.mark.parametrize("multiplier", [2, 4])
def test_side_by_side_makes_the_same_frames(request, three_threads, kind, multiplier):
    network = request.getfixturevalue(kind)
    timeline = Timeline.multiply(multiplier)
    one_by_one = interpolate(network, CLIP, timeline, batch_size=1)
    assert_close(interpolate(network, CLIP, timeline, batch_size=3), one_by_one, atol=1e-5, rtol=0)
    assert torch.get_num_threads() == 3


def test_each_thread_has_its_share_of_the_cores(three_threads):
    torch.set_num_threads(4)
    threads = FramePool(2)
    shares = threads.map(lambda _: (torch.get_num_threads(), torch.is_grad_enabled()), range(6))
    threads.close()
    assert set(shares) == {(2, False)}
    assert torch.get_num_threads() == 4
    assert torch.is_grad_enabled()


def test_more_threads_than_cores_have_one_each(three_threads):
    pool = FramePool(4)
    assert pool.map(lambda _: torch.get_num_threads(), range(4)) == [1] * 4
    pool.close()


def for_new_threads():
    """How many cores a thread gets that begins now."""
    figures = []
    thread = Thread(target=lambda: figures.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return figures[0]


def test_threads_to_come_are_left_alone(three_threads):
    pools = []
    starting = [Thread(target=lambda: pools.append(FramePool(2))) for _ in range(16)]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    assert for_new_threads() == 3
    for pool in pools:
        assert pool.map(lambda _: torch.get_num_threads(), "ab") == [1, 1]
        pool.close()


def test_the_callers_own_number_is_not_everybodys(three_threads):
    other = Thread(target=torch.set_num_threads, args=(4,))
    other.start()
    other.join()
    FramePool(3).close()
    assert (torch.get_num_threads(), for_new_threads()) == (3, 4)


def test_a_pool_that_cannot_begin_leaves_threads_to_come_alone(three_threads, monkeypatch):
    start, begun = Thread.start, []

    def no_more(thread):
        begun.append(thread)
        if len(begun) == 3:  # one fresh thread, then one of two in the pool
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", no_more)
    with pytest.raises(RuntimeError, match="start new thread"):
        FramePool(2)
    monkeypatch.undo()
    assert (for_new_threads(), torch.get_num_threads()) == (3, 3)


def test_an_error_in_a_thread_is_passed_on(three_threads, network, monkeypatch):
    def broken(*args):
        raise ValueError("broken")

    monkeypatch.setattr(network, "synthesize", broken)
    with pytest.raises(ValueError, match="broken"):
        interpolate(network, CLIP, Timeline.multiply(2), batch_size=3)
