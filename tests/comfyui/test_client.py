"""The headless client against a real server."""

import shutil
from fractions import Fraction

import pytest
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.conftest import ROOT
from rife_video.workflows.client import queue_workflow
from rife_video.workflows.graph import WorkflowError

WEIGHTS = "Load RIFE.model_name=small.safetensors"


@pytest.fixture
def run(server, tmp_path):
    def run(name, files=(), settings=(), **options):
        run.lines = []
        return queue_workflow(
            ROOT / f"workflows/api/{name}.api.json",
            files,
            servers=[server.url],
            settings=[WEIGHTS, *settings],
            output_dir=tmp_path / "out",
            say=run.lines.append,
            **options,
        )

    return run


@pytest.mark.parametrize("name", ["interpolate_clip", "interpolate_video"])
def test_files_go_up_and_results_come_down(run, clip_file, tmp_path, name):
    files = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for file in files:
        shutil.copy(clip_file, file)
    outcomes = run(name, files, ["3.target_fps=36" if "video" in name else "4.multiplier=3"])
    for outcome, file in zip(outcomes, files, strict=True):
        assert outcome.error == ""
        (path,) = outcome.files
        assert path.name.startswith(f"{file.stem}_interpolated_")
        video = VideoReader(path)
        assert (video.fps, len(list(video))) == (Fraction(36), 16)
        assert any("6 frames at 12 fps" in text for text in outcome.texts)


def test_an_error_in_a_node(run, clip_file):
    (outcome,) = run("interpolate_clip", [clip_file], ["Interpolate Frames.ensemble=true"])
    assert outcome.error.startswith("Interpolate Frames (node 4) failed: ")
    assert "without an ensemble mode" in outcome.error


def test_a_refusal(run, clip_file):
    with pytest.raises(WorkflowError, match=r"Interpolate Frames \(node 4\): Value 99 bigger"):
        run("interpolate_clip", [clip_file], ["4.multiplier=99"])


def test_dry_run(run, server, clip_file):
    before = server.request("/history")
    run("interpolate_clip", [clip_file], dry_run=True)
    with pytest.raises(WorkflowError, match="the largest allowed is 64"):
        run("interpolate_clip", [clip_file], ["4.multiplier=99"], dry_run=True)
    with pytest.raises(WorkflowError, match="CogVideoSampler"):
        run("cogvideox_interpolate", dry_run=True)
    assert server.request("/history") == before
