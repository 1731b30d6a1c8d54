"""Where batches come from: in order, once each, real ones spread evenly."""

import threading
from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.ops.warp import warp
from rife_video.rife_core.training.batches import Ahead, Mixture, Stock
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.synthetic import SceneGenerator


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
    batches = Ahead(source, 5, range(8), stride=stride)
    wanted = list(range(stride - 1, 8, stride))
    assert [batches.take(index) for index in wanted] == [("scene", i, 5) for i in wanted]
    batches.pool.shutdown()
    assert [index for index, _ in source.made] == wanted
    assert all(thread is not threading.current_thread() for _, thread in source.made)


def test_a_device_without_streams_gets_its_batches_on_demand():
    source = Named("scene")
    batches = Ahead(source, 5, range(8), "mps")
    for index in (2, 3):
        assert batches.take(index) == ("scene", index, 5)
        assert source.made[-1][0] == index


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_device_makes_the_same_batches_ahead():
    settings = SceneSettings(size=32, textures=4, texture_size=64)
    alone = SceneGenerator(settings, 3, "cuda")
    batches = Ahead(SceneGenerator(settings, 3, "cuda"), 2, range(8), "cuda")
    for index in range(8):
        made, expected = batches.take(index), alone.batch(index, 2)
        for name, tensor in expected.tensors().items():
            torch.testing.assert_close(made.tensors()[name], tensor, atol=1e-3, rtol=0)


def test_each_source_is_asked_for_its_own_batches_one_after_the_other():
    scenes, clips = Named("scene"), Named("clip")
    mixture = Mixture(scenes, clips, 0.6)
    for index in range(10):
        mixture.batch(index, 4)
    assert [index for index, _ in scenes.made] == [0, 1, 2, 3]
    assert [index for index, _ in clips.made] == [0, 1, 2, 3, 4, 5]


def test_a_stock_is_painted_once_and_comes_again_mirrored():
    scenes = SceneGenerator(SceneSettings(size=32, textures=4, texture_size=64), seed=3)
    painted = []
    stock = Stock(
        SimpleNamespace(batch=lambda *which: painted.append(which) or scenes.batch(*which)), 2
    )
    turns = [stock.batch(index, 2) for index in range(1, 10, 2)]
    assert painted == [(1, 2)]
    first = turns[0]
    for batch, axes in zip(turns, ((), (-1,), (-2,), (-1, -2), ()), strict=True):
        assert torch.equal(batch.gt, first.gt.flip(axes))
        assert torch.equal(batch.timestep, first.timestep)
        # What flow leads to is mirrored as the frames are.
        there = warp(batch.img0, batch.flow[:, :2])
        torch.testing.assert_close(
            there, warp(first.img0, first.flow[:, :2]).flip(axes), atol=1e-3, rtol=0
        )


def test_a_stock_is_renewed_after_its_turns():
    """Two batches, each seen twice before the next two are painted."""
    source = Named("scene")
    stock = Stock(SimpleNamespace(batch=lambda *which: source.batch(*which) and NOTHING), 2, 2)
    for index in range(9):
        stock.batch(index, 3)
    assert [index for index, _ in source.made] == [0, 1, 2, 3, 4]


NOTHING = SimpleNamespace(mirrored=lambda axis: NOTHING)
