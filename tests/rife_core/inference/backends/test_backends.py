"""Backends: right frames, whatever happens to a backend."""

from importlib import import_module

import pytest
from rife_video.rife_core.inference.backends import BACKENDS, resolve_backend, set_backend
from rife_video.rife_core.inference.backends.checked import Checked
from support import EchoBackend


def test_names_and_what_they_need(own, monkeypatch):
    assert set_backend(own) == "eager"
    assert own.backend is None
    assert resolve_backend("auto", "cuda") == "cudagraphs"
    assert resolve_backend("auto", "mps") == "eager"
    with pytest.raises(ValueError, match="'fast'; it must be one of auto, eager, openvino"):
        set_backend(own, "fast")
    with pytest.raises(ValueError, match="runs on cuda, but the network is on cpu"):
        set_backend(own, "cudagraphs")
    monkeypatch.setattr("rife_video.rife_core.inference.backends.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'Install it \(pip install "rife-video\[openvino\]"\)'):
        set_backend(own, "openvino")
    with pytest.raises(ValueError, match="needs the package torch_tensorrt"):
        resolve_backend("tensorrt", "cuda")


def test_eager_takes_a_backend_away(own):
    own.backend = EchoBackend(own)
    assert set_backend(own, "eager") == "eager"
    assert own.backend is None


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_is_where_the_table_says(name):
    backend = BACKENDS[name]
    module = import_module(f"rife_video.rife_core.inference.backends.{backend.module}")
    kind = getattr(module, backend.class_name)
    assert issubclass(kind, Checked)
    assert kind.name == name
