"""Files are opened by handle: no name is an address, and what is no video is a sentence."""

import av
import pytest
from rife_video.rife_core.video.containers import (
    VideoError,
    has_times,
    may_jump,
    open_input,
    open_output,
    packets_of,
)


def test_a_name_that_looks_like_an_address_or_a_pattern_is_a_name(clip_file, tmp_path):
    for name in ("concat:a|b.mp4", "clip%03d.mp4", "pipe:0.mp4"):
        path = tmp_path / name
        path.write_bytes(clip_file.read_bytes())
        with open_input(path) as container:
            assert len(list(packets_of(container, container.streams.video[0]))) == 6
            assert has_times(container)
            assert not may_jump(container)


def test_a_playlist_opens_nothing(clip_file, tmp_path):
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{clip_file}\n#EXT-X-ENDLIST\n")
    with pytest.raises(VideoError, match="is no video that can be read"), open_input(playlist):
        pass


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, FileNotFoundError, "gone.mp4"),
        (b"", VideoError, "is no video"),
        (b"text" * 99, VideoError, "is no video"),
    ],
)
def test_what_cannot_be_opened(tmp_path, content, error, message):
    path = tmp_path / "gone.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message), open_input(path):
        pass
    with pytest.raises(VideoError, match="is a folder"), open_input(tmp_path):
        pass


def test_descriptions_that_are_no_utf_8_are_read_as_latin_1(clip_file, tmp_path):
    path, named = tmp_path / "a.mkv", tmp_path / "b.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height = 16, 16
        stream.metadata["title"] = output.metadata["title"] = "Fxychse"
        output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(stream.encode(None))
    for written, title in ((b"F\xfcchse ", "Füchse "), ("Füchse".encode(), "Füchse")):
        named.write_bytes(path.read_bytes().replace(b"Fxychse", written))
        with open_input(named) as container:
            assert container.metadata["title"] == title
            assert container.streams.video[0].metadata["title"] == title


def test_what_is_written_goes_to_the_very_name(tmp_path):
    path = tmp_path / "100%d.mkv"
    with open_output(path, {}, "matroska") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height = 16, 16
        output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
    assert [file.name for file in tmp_path.iterdir()] == ["100%d.mkv"]
