"""The public names of the library."""

import subprocess
import sys

import pytest
import rife_video.rife_core as core


@pytest.mark.parametrize("name", core.__all__)
def test_every_public_name_is_there(name):
    assert getattr(core, name) is not None


def test_unknown_names_are_unknown():
    with pytest.raises(AttributeError, match="has no attribute 'Gone'"):
        core.Gone  # noqa: B018


def test_video_files_are_loaded_on_demand():
    script = "import sys, rife_video.rife_core as c; assert 'av' not in sys.modules; c.VideoReader"
    subprocess.run([sys.executable, "-c", script], check=True)
