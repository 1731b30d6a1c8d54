"""Folders of jobs in which somebody else has written: a sentence, and nothing outside them."""

import dataclasses
import json
import math
import shutil
import time
from fractions import Fraction

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints.stored import stored
from rife_video.rife_core.files.jobs import Recipe

from .bad_server import mutated

BROKEN = ("", "null", "[]", "{}", "3", '"x"', "[1]", '{"a":', "NaN", "[" * 100_000, "\0")
NOTE = {"part": 1, "worker": "x/1/cpu", "since": 0.0, "frames": 3, "at": 5.0}
FAILURE = {"task": 1, "worker": "x", "what": "failed", "error": "e", "trace": "t"}


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    """The current folder, in which nothing may be written, nor in those that it lies in."""
    here = tmp_path / "one/two/three"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    yield
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["one", "two", "three"]


@pytest.fixture(scope="module")
def started(clip_file, small_weights, tmp_path_factory):
    """The folder of a job: one of two parts is done, one has failed and is in the making."""
    folder = tmp_path_factory.mktemp("started")
    job = folder / "job"
    (folder / "in").mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clip_file, folder / "in" / name)
    plan = ["interpolate", folder / "in", "--output-dir", folder / "out", "--job", job]
    plan += ["--plan-only", "--model", small_weights, "--precision", "fp32", "--scale", 1]
    assert main([*map(str, plan), "--device", "cpu"]) == 0
    assert main(["work", str(job), "--shard", "1/2", "--device", "cpu"]) == 0
    for name, content in (("working/000001-a.json", NOTE), ("failed/000001.json", [FAILURE])):
        (job / name).parent.mkdir(exist_ok=True)
        (job / name).write_text(json.dumps(content))
    return folder


def _try(started, tally, capsys, changes):
    job = started / "tried"
    calls = (["status", str(job), "--json"], ["join", str(job)])
    for name, content in changes:
        shutil.rmtree(job, ignore_errors=True)
        shutil.copytree(started / "job", job)
        (job / name).write_text(content)
        (job / "working/000001-b.json").write_text(json.dumps({**NOTE, "at": time.time()}))
        for call in calls:
            with tally.one(f"{call[0]}: {name} is {content[:60]!r}"):
                assert main(call) in (0, 1)
                told = capsys.readouterr().err
                assert "RIFE_VIDEO_TRACEBACK" not in told, told
                assert len(told) < 1000
    assert {path.name for path in started.iterdir()} <= {"in", "job", "tried", "out"}


def _files(started):
    return sorted(path for path in (started / "job").rglob("*.json"))


def test_files_that_are_broken(started, tally, capsys):
    job = started / "job"
    assert len(_files(started)) == 4
    names = [path.relative_to(job) for path in _files(started)]
    _try(started, tally, capsys, ((name, text) for name in names for text in BROKEN))


def _mutations(started, seeds):
    for path in _files(started):
        for seed in seeds:
            changed = mutated(json.loads(path.read_text()), f"{path.name} {seed}")
            yield path.relative_to(started / "job"), json.dumps(changed)


def test_values_that_were_changed(started, tally, capsys):
    _try(started, tally, capsys, _mutations(started, range(25)))


@pytest.mark.slow
def test_many_values_that_were_changed(started, tally, capsys):
    _try(started, tally, capsys, _mutations(started, range(25, 1000)))


NUMBERS = (0, -1, 2.5, 1e308, math.nan, math.inf, -math.inf, 10**9, 2**62, 1e-300, True, None)
TEXTS = ("", "x", "0", "-1", "1/0", "1e400", "nan", "9" * 400, "9" * 5000, "\0", "\u00b2", "\ud800")
TEXTS += ("1-999999999", "0-9s:0.001", "0-1s:" + "9" * 5000, "1:" + "9" * 5000, "0-0.1s:100 ease")
RAW_WORDS = ("Exceeds the limit", "invalid literal", "cannot convert", "could not convert")


def test_recipes_that_cannot_be_followed(tally):
    """Every field with every value: what is no recipe is refused before a network is loaded."""
    for field in dataclasses.fields(Recipe):
        for value in (*NUMBERS, *TEXTS, [], {}):
            with tally.one(f"{field.name} = {str(value)[:40]!r}"):
                try:
                    recipe = stored({"weights": "w", field.name: value}, Recipe)
                    recipe.options()
                    recipe.timing.timeline(Fraction(24)).output_count(10, 0)
                except ValueError as error:
                    words = str(error)
                    assert not any(raw in words for raw in RAW_WORDS), words


@pytest.mark.parametrize("output", ["", "x", "../../x"])
def test_results_go_to_no_folder_that_depends_on_where_one_stands(started, output, capsys):
    job = started / "tried"
    shutil.rmtree(job, ignore_errors=True)
    shutil.copytree(started / "job", job)
    content = json.loads((job / "job.json").read_text())
    content["parts"] = [part for part in content["parts"] if part["film"] == 0]
    content["films"] = content["films"][:1]
    (job / "job.json").write_text(json.dumps({**content, "output": output}))
    for call in ("join", "status", "work"):
        assert main([call, str(job)]) == 1
        assert f"{output!r}, is no absolute path" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["../evil.mp4", "/tmp/evil.mp4", "a/../../evil.mp4", "..", "", "x" * 10**5]
)
def test_names_that_lead_out_of_the_folders(started, name, capsys):
    job = started / "tried"
    plan, record = ("job.json", "parts/000000.json")
    for file, change in (
        (plan, lambda content: content["films"][0].update(destination=name)),
        (plan, lambda content: content["films"][0].update(clock=name)),
        (plan, lambda content: content["weights"].update(file=name)),
        (record, lambda content: content.update(files=[name])),
    ):
        shutil.rmtree(job, ignore_errors=True)
        shutil.copytree(started / "job", job)
        content = json.loads((job / file).read_text())
        change(content)
        (job / file).write_text(json.dumps(content))
        for call in ("status", "join", "work")[: 3 if file == plan else 2]:  # it is made already
            assert main([call, str(job)]) == 1
            told = capsys.readouterr().err
            assert "cannot be read" in told
            assert len(told) < 1000


@pytest.mark.parametrize("name", ["x", "a.txt", "a.mp4.", "a/.mp4"])
def test_results_of_no_file_type(started, name, capsys):
    job = started / "tried"
    shutil.rmtree(job, ignore_errors=True)
    shutil.copytree(started / "job", job)
    content = json.loads((job / "job.json").read_text())
    content["films"][0]["destination"] = name
    (job / "job.json").write_text(json.dumps(content))
    for call in ("status", "join", "work"):
        assert main([call, str(job)]) == 1
        assert "the name must end in .mp4" in capsys.readouterr().err


def test_a_long_text_for_a_frame_rate_is_told_in_short(started, capsys):
    job = started / "tried"
    shutil.rmtree(job, ignore_errors=True)
    shutil.copytree(started / "job", job)
    content = json.loads((job / "job.json").read_text())
    content["recipe"]["source_fps"] = "x" * 10**5
    (job / "job.json").write_text(json.dumps(content))
    assert main(["join", str(job)]) == 1
    told = capsys.readouterr().err
    assert "The frame rate is 'xxx" in told
    assert len(told) < 1000
