"""Errors that say what to install fit the Python that ComfyUI runs in."""

import sys
from types import ModuleType

import pytest
from rife_video.nodes.host import EXTRAS, advising
from support import pyproject


@pytest.fixture
def comfyui(monkeypatch):
    for name in ("folder_paths", "comfy.model_management"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys, "executable", "C:/ComfyUI portable/python_embeded/python.exe")


def advice(message):
    with pytest.raises(ValueError, match="needed") as error, advising():
        raise ValueError(message)
    return str(error.value)


def test_in_comfyui_the_command_is_that_of_its_python(comfyui):
    said = advice('OpenVINO is needed: pip install "rife-video[openvino]".')
    assert said == (
        'OpenVINO is needed: "C:/ComfyUI portable/python_embeded/python.exe" -s -m pip install '
        '"openvino>=2024.4".'
    )
    assert "-m pip install torch-tensorrt" in advice("It is needed: pip install torch-tensorrt")
    assert advice("More memory is needed.") == "More memory is needed."


def test_elsewhere_errors_are_as_they_were():
    message = 'OpenVINO is needed: pip install "rife-video[openvino]".'
    assert advice(message) == message


def test_extras_are_those_of_the_project():
    declared = pyproject()["project"]["optional-dependencies"]
    assert {name: " ".join(declared[name]) for name in EXTRAS} == EXTRAS
