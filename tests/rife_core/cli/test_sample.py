"""rife-video sample."""

from rife_video.rife_core.cli import main, sample
from rife_video.rife_core.video import VideoReader
from support import moving_square


def test_the_clip_is_written_with_sound(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample, "frames", lambda: iter(moving_square(5)))
    output = tmp_path / "new" / "sample.mp4"
    assert main(["sample", str(output)]) == 0
    reader = VideoReader(output)
    assert (len(list(reader)), reader.fps) == (5, sample.FPS)
    assert reader.audio_codecs
    assert str(output) in capsys.readouterr().out
