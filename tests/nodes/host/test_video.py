"""Parts of files: which frames a part shows, and when."""

from fractions import Fraction

import av
import pytest
import torch
from rife_video.nodes.host import Video
from rife_video.rife_core.video import Part, excerpt
from support import moving_square

TIMES = (0, 100, 200, 500, 600, 700, 750, 800, 1200, 1300)
"""Of an uneven clip, in thousandths of a second."""


def written(path, begin=0):
    """The uneven clip, whose first frame is at `begin`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 52, 36, "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, frame in zip(TIMES, moving_square(len(TIMES)), strict=True):
            picture = av.VideoFrame.from_ndarray((frame * 255).byte().numpy(), "rgb24")
            picture.pts, picture.time_base = begin + time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    return written(tmp_path_factory.mktemp("uneven") / "clip.mkv")


@pytest.mark.parametrize("start", [0, 0.1, 0.1004, 0.25, 0.7, 1.3])
@pytest.mark.parametrize("duration", [0, 0.1, 0.35, 9])
def test_a_part_of_a_file_keeps_the_times_of_its_frames(uneven, start, duration):
    begin, stop = int(start * 1000), int((start + duration) * 1000) if duration else 10**6
    expected = [time for time in TIMES if begin <= time < stop]
    video = Video(uneven, window=(start, duration))
    if not expected:
        with pytest.raises(ValueError, match="shows no frame: it is cut from"):
            video.reader()
        return
    reader = video.reader()
    times = [time for time, _ in reader.timed()]
    assert times == [Fraction(time - expected[0], 1000) for time in expected]
    assert reader.clock.count == len(times)


def test_a_part_is_counted_by_the_clock_of_the_file(tmp_path):
    """As ComfyUI does: not from its first frame on."""
    late = Video(written(tmp_path / "late.mkv", 1000), window=(1.2, 0.6)).reader()
    assert [float(time) for time, _ in late.timed()] == [0, 0.3, 0.4, 0.5, 0.55]
    with pytest.raises(ValueError, match=r"from 0 s on for 0\.6 s out of .* from 1 s to 2\.\d+ s"):
        Video(tmp_path / "late.mkv", window=(0, 0.6)).reader()


def test_a_part_of_a_part(uneven):
    """start and stop of the node count from the beginning of what is shown."""
    part = excerpt(Video(uneven, window=(0.2, 0.6)).reader(), Part("0.3", "0.5"))
    assert [time for time, _ in part.timed()] == [0, Fraction(1, 10)]


def test_frames_that_were_made_have_all_their_colours():
    frames = torch.zeros(2, 4, 4, 3)
    assert Video(frames).reader().kind.source_chroma == "444"
    assert Video(frames, of_file=True).reader().kind.source_chroma is None


def test_what_is_no_clip_is_refused():
    with pytest.raises(ValueError, match="frames"):
        Video(torch.zeros(4, 4, 3)).reader()
