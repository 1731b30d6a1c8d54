"""The painted sample clip and the strip of frames: what the README's picture is made of."""

import av
import torch
from rife_video.rife_core.charts.strip import strip
from rife_video.rife_core.cli import main
from rife_video.rife_core.video import VideoWriter
from rife_video.rife_core.video.sample_clip import frames, sound


def test_the_sample_moves_and_sounds():
    clip = torch.stack(list(frames(3, 48, 72)))
    assert clip.shape == (3, 48, 72, 3)
    assert clip.min() >= 0
    assert clip.max() <= 1
    assert (clip[1] - clip[0]).abs().mean() > 1e-3
    assert sound()["waveform"].abs().max() > 0.1


def test_strip_lays_made_frames_under_the_gaps():
    before = [torch.full((4, 6, 3), value) for value in (0.1, 0.3, 0.5)]
    between = [torch.full((4, 6, 3), value) for value in (0.2, 0.4)]
    picture = strip(before, between)
    assert picture[8, [8, 20, 32], 0].tolist() == torch.tensor([0.1, 0.3, 0.5]).tolist()
    assert picture[18, [14, 26], 0].tolist() == torch.tensor([0.2, 0.4]).tolist()


def test_strip_command(tmp_path, capsys, clip_file):
    with VideoWriter(tmp_path / "double.mp4", 24) as writer:
        for frame in frames(11, 36, 52):
            writer.write(frame)
    picture = tmp_path / "strip.png"
    arguments = [str(clip_file), str(tmp_path / "double.mp4"), str(picture), "--width", "26"]
    assert main(["strip", *arguments, "--frames", "3"]) == 0
    with av.open(picture) as container:
        image = next(container.decode(video=0))
    assert (image.width, image.height) == (3 * 32 + 6, 2 * 18 + 18)
    assert main(["strip", *arguments, "--start", "9"]) == 1
    assert "at least 2 and 3 are needed" in capsys.readouterr().err
