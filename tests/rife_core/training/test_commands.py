"""The commands train, evaluate and adapt, from the command line to their files."""

import json
from fractions import Fraction

import pytest
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.cli import main
from rife_video.rife_core.training.ladder import demo_rung
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


def test_evaluate_prints_and_writes_the_tables(clip, weights, tmp_path, capsys):
    table, picture, numbers = (tmp_path / f"table.{ending}" for ending in ("md", "svg", "json"))
    arguments = [str(weights), "default", str(clip), "--frames", "5", "--table", str(table)]
    arguments += ["--picture", str(picture), "--json", str(numbers), "--device", "cpu"]
    assert main(["evaluate", *arguments]) == 0
    printed = capsys.readouterr().out
    assert printed == table.read_text()
    assert "PSNR in dB (higher is better)\n\n| clip | small | default |" in printed
    assert "| square.mp4 |" in printed
    assert "| mean |" in printed
    assert picture.read_text().startswith("<svg")
    scores = json.loads(numbers.read_text())["clips"]["square.mp4"]
    assert list(scores)[:2] == ["small", "default"]
    assert scores["average"]["PSNR"] > 0


def test_evaluate_climbs_the_ladder_without_clips(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rife_video.rife_core.training.ladder.HEIGHT", 120)
    monkeypatch.setattr("rife_video.rife_core.training.ladder.WIDTH", 160)
    monkeypatch.setattr(
        "rife_video.rife_core.cli.evaluate.demo_rung", lambda: demo_rung(2, 120, 180)
    )
    chart = tmp_path / "ladder.svg"
    options = ["--kinds", "pan,turn", "--speeds", "8,16", "--fast", "--no-baselines"]
    arguments = [str(weights), "--ladder", *options, "--ladder-picture", str(chart)]
    assert main(["evaluate", *arguments, "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "| motion | method | 8 px | 16 px |" in printed
    for kind in ("pan", "turn", "demo", "mean"):
        assert f"| {kind} | small |" in printed
        assert f">{kind}</text>" in chart.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{weights}"], "Name clips, or give --ladder"),
        (["--no-baselines", "{clip}"], "Name weights, such as default"),
        (["{weights}", "--ladder", "--kinds", "fly"], "has no 'fly'; it has disc, legs"),
        (["5.0", "{clip}"], "no weights '5.0'"),
    ],
)
def test_evaluate_says_what_is_missing(clip, weights, capsys, arguments, message):
    given = [argument.format(weights=weights, clip=clip) for argument in arguments]
    assert main(["evaluate", *given, "--device", "cpu"]) == 1
    assert message in capsys.readouterr().err


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
