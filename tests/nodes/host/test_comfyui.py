"""Which processes are ComfyUI's."""

import sys
from types import ModuleType

import pytest
from rife_video.nodes.host.comfyui import comfyui


def test_a_module_of_a_process_that_is_comfyui(loaded):
    modules = loaded("comfy.utils")
    assert all(comfyui(name) is module for name, module in modules.items())


@pytest.mark.parametrize("name", ["folder_paths", "comfy.model_management"])
def test_one_module_of_that_name_may_be_anybodys(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert comfyui(name) is None
