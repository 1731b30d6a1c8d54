"""A file is whole under its name, or not there; nothing is left beside it."""

import pytest
from rife_video.rife_core.checkpoints.whole_file import whole_file


def test_the_name_is_taken_at_the_end(tmp_path):
    path = tmp_path / "weights.pkl"
    path.write_text("old")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("weights.pkl", "new")
    ]


def test_what_goes_wrong_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "weights.pkl"
    path.write_text("old")
    with pytest.raises(NotADirectoryError), whole_file(path) as part:
        part.joinpath("no folder").write_text(part.write_text("ne") * "x")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("weights.pkl", "old")
    ]
