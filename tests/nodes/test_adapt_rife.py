"""The AdaptRIFE node: the better model comes out, and the report says which."""

import pytest
import torch
from rife_video.nodes.adapt_rife import AdaptRIFE
from rife_video.nodes.host import RIFEModel
from support import moving_square


@pytest.fixture
def model(network):
    return RIFEModel(network, "small", "fp32")


def test_a_model_that_is_not_better_does_not_come_out(model, monkeypatch):
    monkeypatch.setattr("rife_video.rife_core.training.adapt.WORTH", 100.0)
    with torch.inference_mode():  # as in a running graph
        frames = moving_square(14, 64, 64)
        adapted, report = AdaptRIFE().adapt(model, frames, steps=2)
    assert adapted is model
    assert "original stays" in report


def test_a_better_model_comes_out_beside_the_original(model, monkeypatch):
    monkeypatch.setattr("rife_video.rife_core.training.adapt.WORTH", -100.0)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    adapted, report = AdaptRIFE().adapt(model, moving_square(14, 64, 64), 2, learning_rate=1e-3)
    assert adapted is not model
    assert "2 steps" in report
    after = adapted.network.state_dict()
    assert any(not torch.equal(after[name], value) for name, value in before.items())
    assert all(torch.equal(model.network.state_dict()[n], v) for n, v in before.items())
