"""Steps as CUDA graphs: once for each kind, the same as kernel by kernel, never in the way."""

import math
import os
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.training import recorded_steps
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.objective import LossWeights
from rife_video.rife_core.training.recorded_steps import RecordedSteps
from rife_video.rife_core.training.synthetic import SceneBatch
from rife_video.rife_core.training.trainer import Trainer
from support import TINY_TRAINING

HERE = os.environ.get("RIFE_VIDEO_TEST_DEVICE", "cuda") == "cuda" and torch.cuda.is_available()


@pytest.fixture
def steps(monkeypatch):
    """Recorded steps whose graphs only say what they were made of and given."""
    made, learnt = [], []

    def record(learn, places, parameters, pool):
        if not math.isfinite(float(places.gt.sum())):
            raise RuntimeError("operation not permitted when stream is capturing")
        learn()
        made.append(places)
        return lambda batch: learnt.append(batch) or {"replayed": batch.gt}

    def learn(batch, scales, weights):
        assert parameter.grad is None
        parameter.grad = torch.ones(1)
        return {"plain": batch.gt}

    monkeypatch.setattr(recorded_steps, "_Graph", record)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    parameter = torch.nn.Parameter(torch.zeros(1))
    recorded = RecordedSteps(learn, [parameter])
    return SimpleNamespace(call=recorded, made=made, learnt=learnt, parameter=parameter)


def batch_of(count=2, **more):
    frame = torch.rand(count, 3, 4, 4)
    return SceneBatch(frame, frame, frame, torch.full((count,), 0.5), **more)


def test_each_kind_of_batch_is_recorded_once(steps):
    plain, flow, larger = batch_of(), batch_of(flow=torch.zeros(2, 4, 4, 4)), batch_of(3)
    other = LossWeights(frame=2)
    for _ in range(2):
        for batch in (plain, flow, larger):
            assert steps.call(batch, (2.0, 1.0), LossWeights()).keys() == {"replayed"}
        steps.call(plain, (4.0, 2.0), LossWeights())
        steps.call(plain, (2.0, 1.0), other)
    assert len(steps.made) == 5
    assert [each is plain for each in steps.learnt] == [True, False, False, True, True] * 2
    # A graph reads its own places: what it was recorded with may be gone.
    assert all(places.gt is not plain.gt for places in steps.made)


def test_where_recording_fails_steps_go_on_as_before(steps):
    steps.call(batch_of(), (1.0,), LossWeights())
    steps.parameter.grad = None
    bad = replace(batch_of(), gt=torch.full((1, 3, 4, 4), torch.nan))
    with pytest.warns(RuntimeWarning, match="not recorded.*not permitted.*kernel by kernel"):
        assert steps.call(bad, (1.0,), LossWeights()).keys() == {"plain"}
    steps.parameter.grad = None
    assert steps.call(batch_of(), (1.0,), LossWeights()).keys() == {"plain"}


@pytest.mark.gpu
@pytest.mark.skipif(not HERE, reason="there is no CUDA device")
def test_recorded_steps_learn_what_plain_ones_do(tmp_path):
    """Both kinds of step: coarse ones leave the other blocks without a gradient."""
    coarse = {"share": 0.5, "scales": [2.0, 1.0], "batch": 4, "scenes": {"size": 64}}
    stage = {"steps": 9, "batch": 2, "lr": 1e-3, "scenes": {"size": 64}, "coarse": coarse}
    plan = parse_config({**TINY_TRAINING, "shards": 1, "bf16": False, "stages": [stage]})
    plain = Trainer(plan, tmp_path / "plain", "cuda")
    recorded = Trainer(plan, tmp_path / "recorded", "cuda")
    assert isinstance(recorded.learn, RecordedSteps)
    plain.learn = plain._gradients
    for inside in range(8):
        expected, figures = (each.train_step(inside) for each in (plain, recorded))
        assert figures.keys() == expected.keys()
        assert figures["loss"] == pytest.approx(expected["loss"], rel=1e-3)
        assert figures["norm"] == pytest.approx(expected["norm"], rel=2e-2)
    assert not recorded.learn.fails
    assert len(recorded.learn._recorded) == 2
    for name, weight in plain.network.state_dict().items():
        torch.testing.assert_close(recorded.network.state_dict()[name], weight, atol=2e-3, rtol=0)
