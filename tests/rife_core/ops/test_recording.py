"""Work that is recorded is known as such, and numbers come into it without a copy."""

import pytest
import torch
from rife_video.rife_core.ops.recording import constants, is_recording


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
