"""rife-video preview: the picture, the estimate, and what is refused."""

import re

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.video.images import read_image


@pytest.fixture(scope="module")
def weights(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    save_rife(network, path)
    return path


def test_a_picture_and_the_time(tmp_path, capsys, clip_file, weights):
    picture = tmp_path / "shown" / "look.png"
    command = ["preview", str(clip_file), str(picture), "--model", str(weights), "-m", "5/2"]
    assert main([*command, "--width", "40", "--scale", "1"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"a row for each pair of frames: \d-\d, \d-\d, \d-\d\.", said)
    assert "13 frames at 30 fps, at most 10 of them interpolated" in said
    assert "without reading and writing" in said
    height = round(36 * 40 / 52)
    assert read_image(picture).pixels.shape == (3 * (height + 6) + 6, 3 * 46 + 6, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{clip}", "out.jpg"], "must end in .png"),
        (["{clip}", "out.png", "--width", "0"], "--width is 0"),
        (["-", "out.png"], "give a file"),
        (["missing.mp4", "out.png"], "no file 'missing.mp4'"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, capsys, clip_file, weights, arguments, message):
    monkeypatch.chdir(tmp_path)
    words = [word.format(clip=clip_file) for word in arguments]
    assert main(["preview", *words, "--model", str(weights)]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
