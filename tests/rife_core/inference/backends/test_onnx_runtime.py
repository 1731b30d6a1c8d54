"""ONNX Runtime: the same frames as eager code, by a provider that is named."""

import copy
import warnings

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.backends import set_backend
from rife_video.rife_core.inference.backends.onnx_runtime import PROVIDER
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.timeline import Timeline
from support import moving_square

CLIP = moving_square(frames=3, height=34, width=50)


@pytest.fixture(autouse=True)
def runtime():
    pytest.importorskip("onnx", reason="the extra rife-video[onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="the extra rife-video[onnx] is not installed")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_frames_are_those_of_pytorch(network, dtype, monkeypatch):
    monkeypatch.setenv(PROVIDER, "CPUExecutionProvider")
    own = copy.deepcopy(network)
    set_precision(own, dtype)
    expected = interpolate(own, CLIP, Timeline.multiply(3))
    assert set_backend(own, "onnxruntime") == "onnxruntime"
    assert own.backend.provider == "CPUExecutionProvider"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = interpolate(own, CLIP, Timeline.multiply(3))
    assert own.backend._programs
    assert (made - expected).abs().max() < (1e-3 if dtype is torch.float32 else 0.05)


def test_a_provider_that_is_not_there_is_named(network, monkeypatch):
    monkeypatch.setenv(PROVIDER, "NoSuchProvider")
    with pytest.raises(ValueError, match="NoSuchProvider"):
        set_backend(copy.deepcopy(network), "onnxruntime")
