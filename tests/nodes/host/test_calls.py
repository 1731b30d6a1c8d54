"""Errors of a node's function: they speak of its inputs, and of memory as ComfyUI expects."""

import inspect

import pytest
import torch
from rife_video.nodes.host import work
from rife_video.rife_core.video import VideoError


def test_errors_of_every_node_speak_of_inputs():
    @work
    def run():
        raise VideoError("These are too many. Give a lower rate (--fps).")

    with pytest.raises(VideoError, match=r"Give a lower rate \(target_fps\)\.$"):
        run()


def test_arguments_are_checked():
    @work
    def run(multiplier: int):
        return multiplier

    assert run(2) == 2
    assert list(inspect.signature(run).parameters) == ["multiplier"]
    with pytest.raises(ValueError, match="multiplier"):
        run("2")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), r"not enough memory\. Give fewer"),
        (
            RuntimeError(
                f"DefaultCPUAllocator: can't allocate memory: tried to allocate {3 * 2**29} bytes."
            ),
            r"not enough memory: 1\.5 GiB more are needed\.",
        ),
    ],
)
def test_too_little_memory_is_told_as_comfyui_expects(error, said):
    @work
    def run():
        raise error

    with pytest.raises(torch.OutOfMemoryError, match=said) as raised:
        run()
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("of a GPU"), RuntimeError("other")])
def test_other_errors_are_as_they_were(error):
    @work
    def run():
        raise error

    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value is error
