"""The commands train, evaluate and adapt, from the command line to their files."""

from fractions import Fraction

import pytest
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.cli import main
from rife_video.rife_core.video import VideoWriter
from support import moving_square


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    with VideoWriter(path, Fraction(8), crf=1) as writer:
        for frame in moving_square(14, 64, 80):
            writer.write(frame)
    return path


@pytest.fixture
def weights(network, tmp_path):
    save_rife(network, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_evaluate_prints_and_writes_the_table(clip, weights, tmp_path, capsys):
    table, picture = tmp_path / "table.md", tmp_path / "table.svg"
    arguments = [str(weights), str(clip), "--frames", "5", "--table", str(table)]
    assert main(["evaluate", *arguments, "--picture", str(picture), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert printed == table.read_text()
    assert printed.startswith("| clip | RIFE | average |")
    assert "| square |" in printed
    assert "| mean |" in printed
    assert picture.read_text().startswith("<svg")


def test_evaluate_names_a_clip_that_is_not_there(weights, capsys):
    assert main(["evaluate", str(weights), "gone.mp4", "--device", "cpu"]) == 1
    assert "gone.mp4" in capsys.readouterr().err


def test_adapt_writes_only_what_is_better(clip, weights, tmp_path, capsys, monkeypatch):
    out = tmp_path / "adapted.safetensors"
    arguments = ["adapt", str(clip), str(out), "--model", str(weights), "--steps", "2"]
    monkeypatch.setattr("rife_video.rife_core.training.adapt.WORTH", 100.0)
    assert main([*arguments, "--device", "cpu"]) == 0
    assert not out.exists()
    assert "Nothing was written" in capsys.readouterr().out
    monkeypatch.setattr("rife_video.rife_core.training.adapt.WORTH", -100.0)
    assert main([*arguments, "--device", "cpu"]) == 0
    assert load_rife(out).spec == load_rife(weights).spec


def test_train_mixes_real_clips_in_and_goes_on(clip, tmp_path):
    config = tmp_path / "real.toml"
    config.write_text(
        f"""
        row = "4.6"
        channels = [8, 8, 8, 8]
        clips = ["{clip.parent.as_posix()}"]
        log_every = 1
        [scenes]
        size = 64
        layers = 1
        textures = 2
        texture_size = 64
        [[stages]]
        steps = 4
        batch = 2
        lr = 1e-3
        real = 0.5
        weights = {{ flow = 0.1, frame = 1.0 }}
        """
    )
    arguments = ["train", str(config), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*arguments, "--until", "2"]) == 0
    assert main(arguments) == 0
    rows = [line.split(",") for line in (tmp_path / "out/log.csv").read_text().splitlines()]
    flow = rows[0].index("flow")
    assert [bool(row[flow]) for row in rows[1:]] == [True, False, True, False]


def test_train_names_a_mistake(tmp_path, capsys):
    (tmp_path / "bad.toml").write_text('row = "4.6"')
    assert main(["train", str(tmp_path / "bad.toml")]) == 1
    assert "needs at least one" in capsys.readouterr().err
