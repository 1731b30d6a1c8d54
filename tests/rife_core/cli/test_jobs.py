"""Many clips on the command line: interpolate --output-dir, work, join, status."""

import json
import sys

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.cli import jobs as command
from rife_video.rife_core.cli.work import shard
from rife_video.rife_core.files.jobs import DebugWorkers
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.job import Job, JobError
from rife_video.rife_core.files.jobs.local_workers import LocalWorkers, local_devices
from rife_video.rife_core.files.jobs.part_maker import PartMaker
from rife_video.rife_core.video import VideoError


@pytest.fixture
def weights(network, tmp_path):
    from rife_video.rife_core.checkpoints.rife import save_rife

    save_rife(network, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.fixture
def call(weights, clip_file, tmp_path, monkeypatch):
    """Calls the command on a clip; its workers are this process."""
    monkeypatch.setattr(command, "workers_of", lambda where, device: DebugWorkers("cpu"))
    usual = ["--model", str(weights), "--precision", "fp32", "--scale", "1", "--device", "cpu"]

    def run(*words):
        return main(
            ["interpolate", str(clip_file), "--output-dir", str(tmp_path / "out"), *usual, *words]
        )

    return run


def test_many_clips_become_a_folder(call, tmp_path, capsys):
    assert call() == 0
    told = capsys.readouterr()
    assert f"{tmp_path}/out/square.mp4: 11 frames at 24 fps (5 made)." in told.out
    assert "1 file in" in told.out
    assert call("--multiplier", "3", "--file-type", "mkv") == 0
    assert (tmp_path / "out/square.mkv").is_file()


def test_options_of_time_reach_the_job(call, tmp_path, capsys):
    assert call("--speed", "0-0.25s:0.5", "--sound", "none", "--fps", "24") == 0
    told = capsys.readouterr().out
    assert "square.mp4: 17 frames at 24 fps" in told
    assert "Left out, as asked for: audio (aac)." in told
    assert call("--blur", "180", "--exposures", "2") == 0
    told = capsys.readouterr().out
    assert "11 frames at 24 fps (15 exposures made)." in told
    assert "each frame, source frames too, is the mean of 2 exposures" in told
    assert call("--replace", "3, 5") == 0
    assert "6 frames at 12 fps (2 made)." in capsys.readouterr().out
    assert call("--replace", "3, 5", "-m", "1", "--repeats", "retime", "--pacing", "eased") == 0
    recipe = Job.read(Folder(tmp_path / "out/.rife-job")).recipe
    assert (recipe.replace, recipe.multiplier, recipe.pacing) == ("3, 5", 1, "eased")


def test_sampling_reaches_the_job(call, tmp_path):
    assert call() == 0
    plain = (tmp_path / "out/square.mp4").read_bytes()
    assert call("--sampling", "bicubic", "--job", str(tmp_path / "job")) == 0
    assert Job.read(Folder(tmp_path / "job")).recipe.sampling == "bicubic"
    assert (tmp_path / "out/square.mp4").read_bytes() != plain


@pytest.mark.parametrize(
    "words", [("--start", "1"), ("--frames", "3"), ("--hwaccel", "auto"), ("--gaps", "keep")]
)
def test_options_of_one_clip_are_refused(call, capsys, words):
    assert call(*words) == 1
    assert f"{words[0]}" in (told := capsys.readouterr().err)
    assert "cannot be had together with --output-dir." in told


def test_a_job_is_planned_shared_and_joined(call, tmp_path, capsys):
    job = str(tmp_path / "job")
    assert call("--plan-only", "--job", job) == 0
    assert "1 files, 1 parts, 11 frames" in capsys.readouterr().out
    assert main(["status", job, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 0
    assert main(["join", job]) == 1
    assert "square.mp4 lacks 1 of 1 parts" in capsys.readouterr().err
    assert main(["work", job, "--shard", "2/2", "--device", "cpu"]) == 0
    assert not Job.read(Folder(job)).finished()
    assert main(["work", job, "--shard", "1/2", "--device", "cpu"]) == 0
    assert f"All parts are done: rife-video join {job}" in capsys.readouterr().out
    assert main(["join", job]) == 0
    assert "11 frames at 24 fps" in capsys.readouterr().out
    assert main(["status", job, "--prometheus"]) == 0
    assert "rife_job_frames 11\n" in capsys.readouterr().out
    assert main(["status", job]) == 0
    assert capsys.readouterr().out.startswith("11 of 11 frames, 1 of 1 parts, 1 of 1 files")


def test_what_fails_is_told_with_what_to_do(call, tmp_path, capsys, monkeypatch):
    def fail(self, number, progress=None):
        raise VideoError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(PartMaker, "make", fail)
        assert call() == 1
    job = str(tmp_path / "out/.rife-job")
    told = capsys.readouterr().err
    assert "square.mp4, part 1: the disk is full" in told
    assert f"rife-video status {job} --retry-failed" in told
    assert main(["status", job]) == 1
    assert "part 1 (square.mp4) failed: the disk is full" in capsys.readouterr().out
    assert main(["status", job, "--retry-failed"]) == 0
    assert "1 part will be tried again" in capsys.readouterr().out
    assert call() == 0


def test_arguments_that_mean_nothing_are_refused(call, clip_file, tmp_path, capsys):
    assert main(["interpolate", str(clip_file)]) == 1
    assert "1 files were given; give a clip and the file to write" in capsys.readouterr().err
    assert main(["status", str(tmp_path)]) == 1
    assert "There is no job in" in capsys.readouterr().err
    for text in ("0/4", "5/4", "1", "a/b"):
        with pytest.raises(ValueError, match="--shard is"):
            shard(text)


def test_workers_by_name(monkeypatch):
    monkeypatch.undo()
    assert isinstance(command.workers_of("local:2", "cpu"), LocalWorkers)
    assert local_devices("cpu", 3) == ["cpu"] * 3
    assert local_devices("cuda:1") == ["cuda:1"]
    assert command.workers_of("ray:4", "cpu").device == "cpu"
    assert command.workers_of("ray", "cuda").device == "cuda"
    for text in ("slurm", "local:0", "local:x", "ray:", "ray:0"):
        with pytest.raises(ValueError, match="it must be local"):
            command.workers_of(text, "cpu")
    for many in ("99999", "9" * 15):  # a list of so many would take all memory
        with pytest.raises(ValueError, match="99,999 workers are too many"):
            command.workers_of(f"local:{many}", None)
    with pytest.raises(ValueError, match="on a cluster it must be cuda or cpu"):
        command.workers_of("ray", "mps")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(JobError, match=r'need Ray: pip install "rife-video\[cluster\]"'):
        command.workers_of("ray", None).device.upper()
