"""Folders of a graph's files, and names that stay inside them."""

import pytest
from rife_video.nodes.host import (
    Folders,
    input_folder,
    inside,
    output_folder,
    temporary_path,
    use_folders,
)


def test_folders_are_those_in_use(tmp_path):
    with use_folders(Folders(tmp_path / "in", tmp_path / "out")):
        assert (input_folder(), output_folder()) == (tmp_path / "in", tmp_path / "out")
        with use_folders(Folders(tmp_path / "other")):
            assert input_folder() == tmp_path / "other"
        assert input_folder() == tmp_path / "in"


def test_comfyui_has_folders_of_its_own(loaded, tmp_path):
    paths = loaded()["folder_paths"]
    for kind in ("input", "output", "temp"):
        setattr(paths, f"get_{kind}_directory", lambda kind=kind: str(tmp_path / kind))
    with use_folders(Folders(temp=tmp_path / "other")):
        assert (input_folder(), output_folder()) == (tmp_path / "input", tmp_path / "output")
        assert temporary_path(".mp4").parent == tmp_path / "temp"


def test_no_two_files_have_one_temporary_path(tmp_path):
    with use_folders(Folders(temp=tmp_path / "new" / "temp")):
        first, second = temporary_path(".mp4"), temporary_path(".mp4")
    assert first != second
    assert {first.parent, second.parent} == {tmp_path / "new" / "temp"}
    assert first.parent.is_dir()
    assert first.suffix == ".mp4"


@pytest.mark.parametrize("name", ["a.mp4", "sub/a.mp4", "sub/../a.mp4", ""])
def test_names_inside_a_folder(tmp_path, name):
    assert inside(tmp_path, name).is_relative_to(tmp_path)


@pytest.mark.parametrize("name", ["../a.mp4", "/etc/passwd", "sub/../../a.mp4", "a\0.mp4"])
def test_names_that_lead_out_of_a_folder(tmp_path, name):
    with pytest.raises(ValueError, match="leads out of its folder"):
        inside(tmp_path, name)


def test_a_folder_beside_is_not_inside(tmp_path):
    with pytest.raises(ValueError, match="leads out"):
        inside(tmp_path / "in", "../in_too/a.mp4")
