"""Where batches come from: in order, once each, real ones spread evenly."""

import threading

import pytest
from rife_video.rife_core.training.batches import Ahead, Mixture


class Named:
    """Says which batch of which source it is."""

    def __init__(self, name):
        self.name, self.made = name, []

    def batch(self, index, count):
        self.made.append((index, threading.current_thread()))
        return self.name, index, count


@pytest.mark.parametrize(("real", "expected"), [(0.0, 0), (0.25, 25), (2 / 3, 66), (1.0, 100)])
def test_real_clips_are_spread_evenly(real, expected):
    mixture = Mixture(Named("scene"), Named("clip"), real)
    kinds = [mixture.batch(index, 4)[0] for index in range(100)]
    assert kinds.count("clip") == pytest.approx(expected, abs=1)
    for start in range(0, 90, 10):
        assert kinds[start : start + 10].count("clip") == pytest.approx(10 * real, abs=1)


def test_real_clips_that_are_not_there_are_an_error():
    with pytest.raises(ValueError, match="no folder of clips"):
        Mixture(Named("scene"), None, 0.5)
    assert Mixture(Named("scene"), None, 0.0).batch(3, 2) == ("scene", 3, 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_batches_are_made_ahead_once_and_in_order(stride):
    source = Named("scene")
    batches = Ahead(source, 5, range(8), ahead=1, stride=stride)
    wanted = list(range(stride - 1, 8, stride))
    assert [batches.take(index) for index in wanted] == [("scene", i, 5) for i in wanted]
    batches.pool.shutdown()
    assert [index for index, _ in source.made] == wanted
    assert all(thread is not threading.current_thread() for _, thread in source.made)


def test_on_demand_nothing_is_made_ahead():
    source = Named("scene")
    batches = Ahead(source, 5, range(8), ahead=0)
    batches.take(2)
    assert source.made == [(2, threading.current_thread())]
