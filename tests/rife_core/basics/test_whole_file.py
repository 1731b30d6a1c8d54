"""A file is whole under its name, or not there; nothing is left beside it."""

import errno
import os
from pathlib import Path

import pytest
from rife_video.rife_core.basics.whole_file import (
    PartFile,
    content_of,
    leftovers,
    room_for,
    try_folder,
    whole_file,
    write_whole,
)


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


def test_two_writers_of_one_name_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path) as first:
        with whole_file(path) as second:
            second.write_text("second")
        first.write_text("first")
        assert path.read_text() == "second"
    assert path.read_text() == "first"


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_is_not_claimed(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    won = []
    for content in ("first", "second"):
        with PartFile(tmp_path / "a.txt") as file:
            file.part.write_text(content)
            won.append(file.claim(lasting=True))
    assert won == [True, False]
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "first")]


def test_a_part_that_is_gone_leaves_no_empty_file(tmp_path):
    with PartFile(tmp_path / "a.txt") as file, pytest.raises(FileNotFoundError):
        file.claim()
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.parametrize("how", [PartFile.keep, PartFile.claim])
def test_what_must_outlast_a_loss_of_power_is_on_the_disk_before_its_name(
    tmp_path, monkeypatch, how, lasting
):
    """First the content, then the name: the file itself, then its folder."""
    synced, path = [], tmp_path / "a.txt"
    monkeypatch.setattr(
        "rife_video.rife_core.basics.whole_file.sync",
        lambda place: synced.append((place, path.exists())),
    )
    with PartFile(path) as file:
        file.part.write_text("whole")
        how(file, lasting=lasting)
    assert synced == ([(file.part, False), (tmp_path, True)] if lasting else [])


def test_a_file_may_have_as_many_bytes_as_are_allowed(tmp_path):
    path = tmp_path / "large.txt"
    path.write_bytes(bytes(2**20))
    assert content_of(path, 2**20) == bytes(2**20)
    path.write_bytes(bytes(2**20 + 1))
    with pytest.raises(ValueError, match=r"large\.txt is larger than 1 MB\."):
        content_of(path, 2**20)


def test_the_longest_name_has_room_for_its_part(tmp_path):
    name = "\U0001f600" * 62 + ".png"  # 252 bytes
    with whole_file(tmp_path / name) as part:
        part.write_text("whole")
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_leftovers_of_a_name_are_its_own(tmp_path):
    left = PartFile(tmp_path / "a[1].png").part
    for path in (left, tmp_path / "a[1].png", PartFile(tmp_path / "a1.png").part):
        path.write_text("")
    assert list(leftovers(tmp_path / "a[1].png")) == [left]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_only_files_are_read_and_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"content")
    for path, words in {
        tmp_path: "is a folder",
        tmp_path / "pipe": "is a pipe",
        Path("/dev/zero"): "is a device",
    }.items():
        with pytest.raises(FileNotFoundError, match=words):
            content_of(path, 100)
        with pytest.raises(FileExistsError, match=words):
            room_for(path)
    for name in ("loop", "none", "file/none", "a\0b", "x" * 300):
        with pytest.raises(FileNotFoundError, match="There is no file"):
            content_of(tmp_path / name, 100)
    with pytest.raises(FileNotFoundError, match="no name"):
        room_for(Path(""))
    assert content_of(tmp_path / "file", 7) == b"content"
    with pytest.raises(ValueError, match="larger than"):
        content_of(tmp_path / "file", 6)
    assert room_for(tmp_path / "a/b/c.txt").parent.is_dir()


def test_names_that_the_locale_could_not_read(tmp_path):
    """A snowman in a locale of plain letters, and a byte that is no letter anywhere."""
    write_whole(tmp_path / "a.md", "| \udce2\udc98\udc83 | \udcff |")
    assert (tmp_path / "a.md").read_text("utf-8") == "| \u2603 | \\xff |"


@pytest.mark.skipif(os.name == "nt", reason="names have other limits there")
@pytest.mark.parametrize("name", ["x" * 300, f"a/{'x' * 300}/b"])
def test_a_folder_whose_name_cannot_be_is_told_of_before_the_work(name, tmp_path):
    try_folder(tmp_path / "a/b")  # which can be made
    with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        try_folder(tmp_path / name)
