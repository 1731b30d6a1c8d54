"""rife-video strip."""

from fractions import Fraction

import av
import pytest
from rife_video.rife_core.cli import main
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture
def doubled(tmp_path):
    path = tmp_path / "doubled.mp4"
    with VideoWriter(path, Fraction(24), crf=1) as writer:
        for frame in moving_square(11):
            writer.write(frame)
    return path


def test_two_rows_of_frames(clip_file, doubled, tmp_path, capsys):
    picture = tmp_path / "strip.png"
    command = ["strip", str(clip_file), str(doubled), str(picture), "--frames", "3"]
    assert main([*command, "--width", "26"]) == 0
    with av.open(picture) as file:
        (frame,) = file.decode(video=0)
    assert frame.width >= 3 * 26
    assert frame.height >= 2 * 18
    assert "above 3 source frames" in capsys.readouterr().out


def test_where_there_are_too_few_frames(clip_file, doubled, tmp_path, capsys):
    command = ["strip", str(clip_file), str(doubled), str(tmp_path / "no.png"), "--start", "5"]
    assert main(command) == 1
    assert "has 1 frames" in capsys.readouterr().err
    assert not (tmp_path / "no.png").exists()
