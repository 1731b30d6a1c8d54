"""rife-video evaluate."""

import json
import shutil

import pytest
from rife_video.rife_core.cli import main
from rife_video.rife_core.files.jobs import DebugWorkers
from rife_video.rife_core.training.ladder import demo_rung
from rife_video.rife_core.video import VideoReader


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


def test_workers_measure_what_this_process_measures(clip, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "rife_video.rife_core.cli.evaluate.workers_of", lambda where, device: DebugWorkers("cpu")
    )
    other = tmp_path / "more" / clip.name
    other.parent.mkdir()
    shutil.copy(clip, other)
    arguments = [str(weights), str(clip), str(other), "--frames", "5", "--fast", "--device", "cpu"]
    assert main(["evaluate", *arguments]) == 0
    alone = capsys.readouterr().out
    assert "| square.mp4 1 |" in alone
    shared = [*arguments, "--workers", "local:2", "--job", str(tmp_path / "job")]
    assert main(["evaluate", *shared]) == 0
    assert capsys.readouterr().out == alone
    monkeypatch.setattr("rife_video.rife_core.training.evaluation_job.evaluate", None)
    assert main(["evaluate", *shared]) == 0  # nothing is measured twice
    assert capsys.readouterr().out == alone
    assert main(["evaluate", *shared, "--frames", "4"]) == 1
    assert "holds another evaluation" in capsys.readouterr().err
    (tmp_path / "job/scores/000001.json").unlink()
    assert main(["evaluate", *shared]) == 1
    assert f"{other}: TypeError" in capsys.readouterr().err


def test_evaluate_climbs_the_ladder_without_clips(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rife_video.rife_core.training.ladder.HEIGHT", 120)
    monkeypatch.setattr("rife_video.rife_core.training.ladder.WIDTH", 160)
    monkeypatch.setattr(
        "rife_video.rife_core.cli.evaluate.demo_rung", lambda: demo_rung(2, 120, 180)
    )
    chart = tmp_path / "ladder.svg"
    options = ["--kinds", "pan,turn", "--speeds", "8,16", "--fast", "--no-baselines"]
    sheet = tmp_path / "ladder.png"
    written = ["--ladder-picture", str(chart), "--ladder-frames", str(sheet)]
    arguments = [str(weights), "--ladder", *options, *written]
    assert main(["evaluate", *arguments, "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "| motion | method | 8 px | 16 px |" in printed
    for kind in ("pan", "turn", "demo", "mean"):
        assert f"| {kind} | small |" in printed
        assert f">{kind}</text>" in chart.read_text()
    (frame,) = VideoReader(sheet)
    assert frame.shape == (5 * 120, 2 * 120, 3)  # five rungs; the truth and one network


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
