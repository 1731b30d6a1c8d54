"""Networks in their precision on their device, and copies that can be trained."""

import copy

import pytest
import torch
from rife_video.nodes.host import Folders, RIFEModel, use_folders
from rife_video.rife_core.checkpoints.rife import save_rife


def test_precision_leaves_the_loaded_network_alone(network):
    model = RIFEModel(copy.deepcopy(network), "small", "bf16")
    assert {p.dtype for p in model.ready().parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}
    assert model.ready() is model.ready()
    assert f"'small' (RIFE {network.spec.version}, bfloat16" in str(model)


def test_full_precision_keeps_one_network(network):
    model = RIFEModel(copy.deepcopy(network), "small", "fp32")
    assert model.ready() is model.network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_copy_can_be_trained_from_inside_a_node(network, tmp_path, precision):
    save_rife(network, tmp_path / "small.safetensors")
    with use_folders(Folders(models=(tmp_path,))), torch.inference_mode():
        model = RIFEModel.load("small.safetensors", precision)
        model.ready()
        before = copy.deepcopy(model.network.state_dict())
        learner = model.trainable_copy()
        with torch.inference_mode(False), torch.enable_grad():
            optimizer = torch.optim.SGD(learner.parameters(), 1e-3)
            merged = learner(torch.rand(1, 6, 128, 128))[2]
            merged[-1].mean().backward()
            optimizer.step()
    after = model.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert any(not torch.equal(p, before[n]) for n, p in learner.named_parameters())


def test_a_precision_that_does_not_fit_the_device_is_refused_at_once(network):
    with pytest.raises(ValueError, match="half"):
        RIFEModel(network, "small", "half")


def test_a_backend_is_set_on_the_device_and_named_in_reports(network, monkeypatch):
    """Set once, and again when ComfyUI has let go of it."""
    set_up = []

    class InferenceBackend:
        def __init__(self, network):
            set_up.append(network)

        def frame(self, *inputs):
            return None

        made = frame

    monkeypatch.setattr(
        "rife_video.rife_core.inference.backends.compile.Compiled", InferenceBackend
    )
    model = RIFEModel(copy.deepcopy(network), "small", "bf16", "compile")
    assert not set_up
    assert isinstance(model.ready().backend, InferenceBackend)
    model.ready()
    assert set_up == [model.working]
    model.working.backend = None
    model.ready()
    assert len(set_up) == 2
    assert model.network.backend is None
    assert model.trainable_copy().backend is None
    assert str(model).endswith("bfloat16, cpu, compile)")


def test_a_backend_that_is_not_there_is_refused_at_once(network):
    with pytest.raises(ValueError, match="runs on cuda"):
        RIFEModel(network, "small", backend="cudagraphs")
