"""Work that is recorded is known as such, and numbers come into it without a copy."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from rife_video.rife_core.losses.census import ternary
from rife_video.rife_core.losses.laplacian import lap_loss
from rife_video.rife_core.losses.vgg import mean_shift
from rife_video.rife_core.ops.recording import constants, is_recording, record


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
def test_a_trace_is_a_recording_and_plain_work_is_none():
    found = []

    def work(x):
        found.append(is_recording())
        return x + 1

    assert not is_recording()
    torch.jit.trace(work, torch.zeros(1), check_trace=False)
    assert found == [True]


def test_what_a_compiler_takes_is_a_recording(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert is_recording()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_constants_are_like_what_they_are_for(dtype):
    found = constants((0.25, 2), torch.zeros(3, 4, dtype=dtype))
    assert torch.equal(found, torch.tensor([0.25, 2], dtype=dtype))
    assert constants((1,), torch.zeros(1, device="meta")).is_meta


@pytest.mark.parametrize(
    "loss",
    [lap_loss, ternary, lambda a, b: mean_shift(a - b, [0.5] * 3, [0.25] * 3)],
    ids=["lap_loss", "ternary", "mean_shift"],
)
def test_losses_that_are_trained_with_copy_nothing_to_the_device(loss, monkeypatch):
    for owner, name in ((torch, "tensor"), (torch.Tensor, "new_tensor")):
        monkeypatch.setattr(owner, name, None)
    assert loss(*torch.rand(2, 1, 3, 48, 48)).isfinite().all()


def test_work_is_warmed_up_aside_and_recorded_last(monkeypatch):
    """Stand-ins for the device; on one, `test_cuda_graphs` and `test_recorded_steps` try it."""
    said = []

    @contextmanager
    def place(name, **options):
        said.append((name, options))
        yield
        said.append(f"end of {name}")

    def stream(name):
        return SimpleNamespace(wait_stream=lambda other: said.append(f"{name} waits"))

    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream("here"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream("aside"))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: place("aside"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: "graph")
    monkeypatch.setattr(torch.cuda, "graph", place)
    assert record(lambda: said.append("work") or "result", "pool", "relaxed") == ("graph", "result")
    warmed = ["aside waits", ("aside", {}), "work", "work", "work", "end of aside", "here waits"]
    options = {"pool": "pool", "capture_error_mode": "relaxed"}
    assert said == [*warmed, ("graph", options), "work", "end of graph"]
