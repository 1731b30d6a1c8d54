"""The public names of the library."""

import ast
import inspect
import subprocess
import sys

import pytest
import rife_video.rife_core as core


@pytest.mark.parametrize("name", core.__all__)
def test_every_public_name_is_there(name):
    assert getattr(core, name) is not None


def test_a_type_checker_sees_the_names_where_they_are():
    typed = {
        (f".{node.module}", name.name)
        for node in ast.walk(ast.parse(inspect.getsource(core)))
        if isinstance(node, ast.If)
        for node in node.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert typed == {(home, name) for name, home in core._HOME.items()}
    assert {name for _, name in typed} == set(core.__all__) <= set(dir(core))


@pytest.mark.parametrize("name", core._FOLDERS)
def test_the_folders_of_the_library_are_attributes(name):
    assert core.__getattr__(name) is sys.modules[f"{core.__name__}.{name}"]


def test_unknown_names_are_unknown():
    with pytest.raises(AttributeError, match="has no attribute 'Gone'"):
        core.Gone  # noqa: B018


def test_video_files_are_loaded_on_demand():
    script = "import sys, rife_video.rife_core as c; assert 'av' not in sys.modules; c.VideoReader"
    subprocess.run([sys.executable, "-c", script], check=True)
