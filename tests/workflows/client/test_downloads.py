"""Where downloads go: names that stay in the folder, whole files, nothing replaced."""

from itertools import islice
from pathlib import Path

import pytest
from rife_video.workflows.client.downloads import Downloads, free_names, safe_name


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
