"""Which clips paths mean, and what their results are named."""

from pathlib import Path

import pytest
from rife_video.rife_core.files.jobs.sources import find_clips
from rife_video.rife_core.video import VideoError

OUT = Path("/nowhere")


@pytest.fixture
def folder(tmp_path):
    for name in ("b.mp4", "a.MOV", "deep/er/c.wmv", ".hidden/d.mp4", "notes.txt", "deep/._c.wmv"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_folders_are_searched_to_their_depths(folder):
    found = find_clips([folder], OUT)
    assert {str(Path(path).relative_to(folder)): name for path, name in found.items()} == {
        "a.MOV": "a.mov",
        "b.mp4": "b.mp4",
        "deep/er/c.wmv": "deep/er/c.mkv",
    }
    assert set(find_clips([folder], OUT, "webm").values()) == {"a.webm", "b.webm", "deep/er/c.webm"}


def test_files_and_lists(folder):
    (folder / "list.txt").write_text("# two of them\nb.mp4\n\ndeep/er/c.wmv\n")
    assert list(find_clips([folder / "list.txt"], OUT).values()) == ["b.mp4", "c.mkv"]
    assert list(find_clips([folder / "b.mp4", folder / "b.mp4"], OUT).values()) == ["b.mp4"]


def test_what_cannot_be_is_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*x\.mp4"):
        find_clips([folder / "x.mp4"], OUT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no video in"):
        find_clips([tmp_path / "empty"], OUT)
    with pytest.raises(FileNotFoundError, match="nothing to do"):
        find_clips([], OUT)
    (folder / "B.mov").touch()
    with pytest.raises(VideoError, match=r"would both be named [bB]\.mkv"):
        find_clips([folder], OUT, "mkv")
    with pytest.raises(VideoError, match=r"end in \.gif cannot be written"):
        find_clips([folder], OUT, "gif")


def test_results_are_no_clips(folder):
    output = folder / "deep"
    assert list(find_clips([folder], output).values()) == ["a.mov", "b.mp4"]
    assert len(find_clips([folder], folder)) == 3  # results beside their sources
