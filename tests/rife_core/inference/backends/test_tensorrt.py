"""TensorRT's compiler in place: what it is asked for, and that its engine makes the frames."""

import sys
import types

import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.backends.tensorrt import TensorRT
from rife_video.rife_core.timeline import Timeline
from support import moving_square
from torch.testing import assert_close


def test_engines_are_built_in_the_types_of_the_network(own, monkeypatch):
    built = []

    def compiled(step, **options):
        built.append(options)
        assert not step.training
        return step

    monkeypatch.setitem(sys.modules, "torch_tensorrt", types.SimpleNamespace(compile=compiled))
    clip = moving_square(2, 34, 50)
    expected = interpolate(own, clip, Timeline.multiply(2))
    own.backend = TensorRT(own)
    assert_close(interpolate(own, clip, Timeline.multiply(2)), expected)
    assert built
    for options in built:
        assert options["ir"] == "dynamo"
        assert options["use_explicit_typing"]
        assert all(isinstance(each, torch.Tensor) for each in options["inputs"])
