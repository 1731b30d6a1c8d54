"""Scores by workers are those of one process, and a clip that fails is named."""

import pytest
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.files.jobs import DebugWorkers
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.job import JobError
from rife_video.rife_core.training.evaluation import evaluate
from rife_video.rife_core.training.evaluation_job import Setup, evaluate_with


@pytest.fixture
def setup(network, clip_file, tmp_path):
    save_rife(network, tmp_path / "small.safetensors")
    weights = (("small", str(tmp_path / "small.safetensors"), ""),)
    return Setup(weights, (str(clip_file),), precision="fp32", baselines=False, fast=True)


def test_scores_of_workers_are_those_of_one_process(setup, clip_file, tmp_path):
    told = []
    table = evaluate_with(
        DebugWorkers("cpu"), Folder(tmp_path / "job"), setup, lambda *done: told.append(done)
    )
    assert told == [(1, 1)]
    assert table == evaluate(setup.methods("cpu"), [clip_file], by=setup.measures("cpu"))


def test_a_clip_that_cannot_be_measured_is_named(setup, tmp_path):
    missing = Setup(setup.weights, (*setup.clips, "none.mp4"), fast=True, baselines=False)
    with pytest.raises(JobError, match=r"none\.mp4: .*none\.mp4"):
        evaluate_with(DebugWorkers("cpu"), Folder(tmp_path / "job"), missing)
    assert Folder(tmp_path / "job").names("scores") == {"000000.json"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 3}', b'{"a": {"PSNR": "x"}}'])
def test_what_lies_broken_in_the_folder_is_named(setup, tmp_path, content):
    folder = Folder(tmp_path / "job")
    evaluate_with(DebugWorkers("cpu"), folder, setup)
    (tmp_path / "job/scores/000000.json").write_bytes(content)
    with pytest.raises(JobError, match=r"000000\.json cannot be read"):
        evaluate_with(DebugWorkers("cpu"), folder, setup)
