"""What the engine advises fits the node, and the Python that ComfyUI runs in."""

import ast
import re
import sys
from pathlib import Path

import pytest
from rife_video.nodes.host import advising, as_advice
from rife_video.nodes.host.advice import EXTRAS, OPTIONS
from support import pyproject

ROOT = Path(__file__).parents[3]


@pytest.fixture
def comfyui(loaded, monkeypatch):
    loaded()
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


ELSEWHERE = {"pipes", "image_sequence", "animations", "excerpt"}
"""Files of the reader and the writer that no node comes to, or not with such options."""

OPTION = re.compile(r"(?<!interpolate )(?<![\w-])--[a-z]")


def texts(path):
    """What the strings of a file say; `{}` stands for each value."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_option_of_the_command_line_is_spoken_of_at_a_node():
    core = ROOT / "rife_core"
    files = [path for path in core.glob("video/*.py") if path.stem not in ELSEWHERE]
    files += [core / "files/convert.py", *core.glob("engine/*.py"), *core.glob("inference/**/*.py")]
    found = {text for path in files for text in texts(path) if OPTION.search(text)}
    found = {text for text in found if "\n" not in text}  # docstrings
    assert len(found) >= 4
    for text in found:
        assert not OPTION.search(as_advice(text)), text


def test_what_is_replaced_is_still_said():
    said = " ".join(text for path in (ROOT / "rife_core").rglob("*.py") for text in texts(path))
    said = said.replace("{} (or --models)", "RIFE_VIDEO_WEIGHTS (or --models)")
    assert not [phrase for phrase in OPTIONS if phrase not in said]
