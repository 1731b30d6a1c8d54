"""Jobs whose clips, folder and results lie on object storage."""

import json
import os
import platform
import subprocess
import sys
import time

import fsspec
import pytest
from rife_video.rife_core.files.jobs import DebugWorkers, interpolate_files, remote
from rife_video.rife_core.files.jobs.drive import driving
from rife_video.rife_core.files.jobs.job import Job, JobError
from rife_video.rife_core.files.jobs.progress import Progress
from rife_video.rife_core.files.jobs.remote import folder_at, local_copy, state_of
from rife_video.rife_core.files.jobs.sources import find_clips

PART = 16
NAMES = ("long.mp4", "more/short.mkv")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where copies of sources lie."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(remote, "_cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def bucket(clips, cache, request):
    """Storage in memory with the clips in it."""
    url = f"memory://{request.node.name}"
    system, path = fsspec.core.url_to_fs(url)
    for name in NAMES:
        system.pipe_file(f"{path}/clips/{name}", (clips / name).read_bytes())
    yield url
    system.rm(path, recursive=True)


def make(url, recipe, **options):
    return interpolate_files(
        [f"{url}/clips"],
        f"{url}/out",
        recipe,
        workers=DebugWorkers("cpu"),
        part_frames=PART,
        **options,
    )


def fetched(url, folder):
    """The results, on this machine."""
    system, path = fsspec.core.url_to_fs(url)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        system.get_file(f"{path}/out/{name}", str(folder / name))
    return folder


def test_a_job_on_storage_makes_what_one_here_makes(
    bucket, recipe, reference, digests, tmp_path, cache
):
    with pytest.raises(ZeroDivisionError):
        make(bucket, recipe, progress=lambda now: 1 / (now.parts < 2))
    folder = folder_at(f"{bucket}/out/.rife-job")
    job = Job.read(folder)
    assert job.finished() | job.joined()
    assert Progress.of(job).parts_total == 4
    report = make(bucket, recipe)
    assert report.is_complete
    assert [film.path for film in report.films] == [f"{bucket}/out/{name}" for name in NAMES]
    assert digests(fetched(bucket, tmp_path / "got")) == reference
    assert folder.names("parts") == folder.names("working") == set()
    assert sorted(path.name for path in cache.glob("*/*.m*")) == ["long.mp4", "short.mkv"]


def test_a_source_is_copied_once_and_again_when_it_has_changed(bucket):
    url = f"{bucket}/clips/long.mp4"
    first = local_copy(url)
    stamp = first.stat().st_mtime_ns
    assert local_copy(url) == first
    assert first.stat().st_mtime_ns == stamp
    state = state_of(url)
    system, path = fsspec.core.url_to_fs(url)
    system.pipe_file(path, b"other")
    assert state_of(url) != state
    os.utime(first.parent / "lock", (0, 0))  # nobody has used it for long
    assert local_copy(url).read_bytes() == b"other"
    assert not first.exists()


def test_clips_and_lists_of_urls(bucket, tmp_path):
    long, short = (f"{bucket}/clips/{name}" for name in NAMES)
    assert find_clips([f"{bucket}/clips/"], f"{bucket}/out") == {long: NAMES[0], short: NAMES[1]}
    (tmp_path / "list.txt").write_text(f"{long}\n")
    assert find_clips([tmp_path / "list.txt"], "out", "mkv") == {long: "long.mkv"}
    assert find_clips([f"{bucket}/clips"], f"{bucket}/clips/more") == {long: "long.mp4"}
    with pytest.raises(FileNotFoundError, match="no video in memory"):
        find_clips([f"{bucket}/none"], "out")


def test_places_that_cannot_be_reached_are_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ValueError, match=r"s3://bucket/job cannot be reached: .*s3fs"):
        folder_at("s3://bucket/job")
    with pytest.raises(ValueError, match="Protocol not known"):
        folder_at("nowhere://bucket")


def test_one_driver_at_a_time_and_the_next_one_after_its_death(bucket):
    folder = folder_at(f"{bucket}/job")
    with driving(folder), pytest.raises(BlockingIOError):
        folder.lock()
    folder.lock().release()
    now = time.time()
    for host, at, alive in (
        (platform.node(), now, False),
        ("elsewhere", now, True),
        ("elsewhere", now - 1000, False),
    ):
        note = {"host": host, "pid": 2**22 + 1, "key": "", "at": at}
        folder.write("driver.json", json.dumps(note).encode())
        if alive:
            with pytest.raises(JobError, match="driven by another process"), driving(folder):
                pass
        else:
            folder.lock().release()
    for broken in (b"", b"{", b"[]", b'{"host": 3}'):
        folder.write("driver.json", broken)
        folder.lock().release()


@pytest.mark.slow
def test_on_s3(s3, clips, recipe, reference, digests, tmp_path):
    system, _ = fsspec.core.url_to_fs("s3://films")
    for name in NAMES:
        system.put_file(str(clips / name), f"films/clips/{name}")
    folder = folder_at("s3://films/race")
    assert [folder.create("x.json", b"1"), folder.create("x.json", b"2")] == [True, False]
    assert folder.read("x.json") == b"1"
    command = [sys.executable, "-m", "rife_video", "interpolate", "s3://films/clips"]
    command += ["--output-dir", "s3://films/out", "--model", recipe.weights]
    command += ["--precision", "fp32", "--scale", "1", "--device", "cpu", "--quality", "0"]
    command += ["--part-frames", str(PART), "--workers", "local:2"]
    subprocess.run(command, check=True, timeout=600)
    assert digests(fetched("s3://films", tmp_path / "got")) == reference
