"""Where downloads go: names that stay in the folder, whole files, nothing replaced."""

from itertools import islice
from pathlib import Path

import pytest
from rife_video.workflows.client.downloads import Downloads, free_names, safe_name
from rife_video.workflows.graph import WorkflowError


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.mp4", "a.mp4"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        (".hidden", "_hidden"),
        ("CON.mp4", "_CON.mp4"),
        ("what?.mp4 . ", "what_.mp4"),
        ("", "output"),
        ("x" * 300 + ".mp4", "x" * 196 + ".mp4"),
        ("\u00e9" * 150 + ".mp4", "\u00e9" * 98 + ".mp4"),  # two bytes each
    ],
)
def test_names_that_every_system_takes(name, safe):
    assert safe_name(name) == safe


def test_names_are_numbered():
    names = islice(free_names(Path("out"), "clip", "a.mp4"), 3)
    assert [path.name for path in names] == ["clip_a.mp4", "clip_2_a.mp4", "clip_3_a.mp4"]


def test_files_appear_together_and_replace_nothing(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "clip_a.mp4").write_text("mine")
    with Downloads(folder, "clip") as downloads:
        for content in (b"1", b"2"):
            with downloads.open("a.mp4") as file:
                file.write(content)
        assert [path.name for path in folder.glob("[!.]*")] == ["clip_a.mp4"]
        placed = downloads.place()
    assert [path.name for path in placed] == ["clip_2_a.mp4", "clip_3_a.mp4"]
    assert [path.read_bytes() for path in placed] == [b"1", b"2"]
    assert len(list(folder.iterdir())) == 3


def test_what_breaks_off_leaves_nothing(tmp_path):
    with Downloads(tmp_path, "") as downloads:
        downloads.open("a.mp4").close()
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_all_files_of_a_prompt_appear_or_none(tmp_path):
    with Downloads(tmp_path, "") as downloads:
        for name in ("a.mp4", "b.mp4"):
            with downloads.open(name) as file:
                file.write(b"whole")
        next(tmp_path.glob(".b*")).unlink()
        with pytest.raises(WorkflowError, match=r"b\.mp4 cannot be written: No such file"):
            downloads.place()
    assert list(tmp_path.iterdir()) == []


def test_what_is_fetched_anew_is_as_long_as_it_was_the_second_time(tmp_path):
    with Downloads(tmp_path, "") as downloads:
        with downloads.open("a.mp4") as file:
            file.write(b"broken off")
            file.seek(0)
            file.truncate()
        assert [path.read_bytes() for path in downloads.place()] == [b""]


def test_a_part_that_is_cut_short_before_it_has_its_name_is_no_result(tmp_path):
    with Downloads(tmp_path, "") as downloads:
        for name in ("a.mp4", "b.mp4"):
            with downloads.open(name) as file:
                file.write(b"whole")
        part = sorted(tmp_path.iterdir())[-1]
        part.write_bytes(b"who")
        with pytest.raises(WorkflowError, match="somebody else has changed it"):
            downloads.place()
    assert list(tmp_path.iterdir()) == []
