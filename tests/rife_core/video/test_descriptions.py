"""Title, languages, chapters: carried where the file type can hold them, else named."""

from fractions import Fraction

import av
import pytest
from rife_video.rife_core.video import VideoReader, VideoWriter
from support import moving_square

LINES = {"title": "A film", "comment": "Good", "com.android.version": "12"}


@pytest.fixture
def told(tmp_path):
    """A clip that says much of itself."""
    with av.open(tmp_path / "in.mkv", "w") as container:
        if not hasattr(container, "set_chapters"):
            pytest.skip("this release of PyAV cannot write chapters")
        container.metadata.update(LINES)
        times = {"start": 0, "end": 250, "time_base": Fraction(1, 1000)}
        container.set_chapters([{"id": 1, "metadata": {"title": "One"}, **times}])
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.metadata.update({"language": "deu", "title": "Camera 1"})
        for picture in moving_square(4):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), "rgb24")
            container.mux(video.encode(frame.reformat(64, 48)))
        container.mux(video.encode(None))
    return VideoReader(tmp_path / "in.mkv")


def left_out(reader, path, **how):
    with VideoWriter(path, 8, **how) as writer:
        for frame in reader:
            writer.write(frame)
    return sorted(writer.left_out)


@pytest.mark.parametrize(
    ("suffix", "lost"),
    [
        (".mkv", []),
        (".webm", []),
        (".mp4", ["COM.ANDROID.VERSION"]),
        (".mov", ["COM.ANDROID.VERSION"]),
        (".avi", ["COM.ANDROID.VERSION", "chapters", "language of track 1"]),
        (
            ".ts",
            [
                *("COM.ANDROID.VERSION", "COMMENT", "chapters", "language of track 1"),
                *("title", "title of track 1"),
            ],
        ),
    ],
)
def test_what_a_file_type_does_not_take_is_named(told, tmp_path, suffix, lost):
    assert left_out(told, tmp_path / f"out{suffix}", audio=told) == lost


def test_a_title_goes_along_without_the_tracks(told, tmp_path):
    assert left_out(told, tmp_path / "out.mkv", title_of=told) == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.metadata["title"] == "A film"
        assert container.streams.video[0].metadata["language"] == "deu"
        assert container.chapters() == []


def test_what_is_there_besides_pictures_is_listed(told):
    assert told.beside == ["chapters"]
