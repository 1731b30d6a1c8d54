"""Disks that are full and folders that take nothing: one sentence, nothing half, nothing lost."""

import json
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints import fetch
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.training.adapt import Adapted
from support import ASSET, LITE, released

from .odd_values import RAW
from .test_options import LINES, QUICK, filled

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does")

FEW = 20  # bytes that a file may have; a real disk is full at any byte
SUFFIXES = {
    "interpolate": (".mp4", ".mkv", ".gif", ".webp"),
    "sample": (".mp4",),
    "preview": (".png",),
    "strip": (".png",),
    "evaluate --json": (".json",),
    "evaluate --table": (".md",),
    "evaluate --picture": (".svg",),
    "bench --json": (".json",),
    "bench --table": (".md",),
    "bench --picture": (".svg",),
    "adapt": (".safetensors",),
    "export": (".onnx",),
    "convert": (".json",),
}
"""What each command writes."""

WRITERS = [(call, suffix) for call, endings in SUFFIXES.items() for suffix in endings]
NOT_HERE = ("sample", "export") if find_spec("onnx") is None else ("sample",)
"""A sample is painted as a whole before it fails; without onnx nothing is exported."""


@pytest.fixture
def desk(tmp_path, monkeypatch, clip_file, small_weights, network):
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("RIFE_VIDEO_OFFLINE", "1")
    monkeypatch.delenv("RIFE_VIDEO_TRACEBACK", raising=False)
    for name, quick in QUICK.items():
        monkeypatch.setattr(f"rife_video.rife_core.{name}", quick)
    better = Adapted(network, True, 20.0, 30.0, 1)
    monkeypatch.setattr("rife_video.rife_core.cli.adapt.adapt", lambda *_, **__: better)
    filled(desk, clip_file, small_weights)
    (desk / "old.json").unlink()
    (desk / "old.json").write_text('{"1": {"class_type": "RIFE VFI", "inputs": {}}}')
    return desk


def line_of(call, output):
    """The command that writes `output`."""
    command, *option = call.split()
    line = [str(output) if word.startswith(("out.", "new.")) else word for word in LINES[command]]
    return [command, *line, *([option[0], str(output)] if option else [])]


@contextmanager
def full_disk(size=FEW):
    """No file may grow beyond `size` bytes: what is written more is an OSError, as it then is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def told(capsys):
    """What was said: a sentence that a person can do something with."""
    said = capsys.readouterr().err.splitlines()[-1].split("\r")[-1]
    assert said.startswith("rife-video "), said
    assert "RIFE_VIDEO_TRACEBACK" not in said, said
    assert not [words for words in RAW if words in said], said
    assert len(said) < 500, said
    return said


@pytest.mark.parametrize(("call", "suffix"), [each for each in WRITERS if each[0] not in NOT_HERE])
def test_nothing_half_is_left(call, suffix, desk, capsys, tally):
    """And what was there before stays."""
    for old in (None, b'{"runs": []}'):
        with tally.one(f"{call} {suffix}: {old}"):
            output = desk / f"out{suffix}"
            if old:
                output.write_bytes(old)
            with full_disk():
                status = main(line_of(call, output))
            assert status == 1, "everything fits"
            said = told(capsys)
            assert "too large" in said.lower(), said
            assert (output.read_bytes() if output.exists() else None) == old
            assert not list(desk.rglob("*.part"))


@pytest.mark.parametrize(("call", "suffix"), WRITERS)
def test_a_folder_without_permission_is_told_before_the_work(
    call, suffix, desk, capsys, tally, monkeypatch
):
    def begun(*_, **__):
        raise AssertionError("the work was begun")

    monkeypatch.setattr(torch.nn.Module, "__call__", begun)
    monkeypatch.setattr("rife_video.rife_core.cli.bench.measure", begun)
    monkeypatch.setattr("rife_video.rife_core.cli.adapt.adapt", begun)
    for place in ("/sys/kernel", "/proc/none", "/dev/null/below"):  # to root, too
        with tally.one(f"{call} {suffix} in {place}"):
            assert main(line_of(call, Path(place, f"out{suffix}"))) == 1
            said = told(capsys)
            assert place.split("/")[1] in said, said


def test_weights_are_whole(network, tmp_path):
    path = tmp_path / "a.safetensors"
    save_rife(network, path)
    before = path.read_bytes()
    with full_disk(), pytest.raises(OSError, match=r"a\.safetensors|too large"):
        save_rife(network, path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_a_training_that_fills_the_disk_goes_on_when_there_is_room(desk, capsys):
    """The log, the state and the weights of the step before stay as they were."""
    line = ["train", "training.toml", "--out", "out", "--threads", "1"]
    with full_disk(4096):
        assert main(line) == 1
    told(capsys)
    assert not list(desk.rglob("*.part"))
    assert main(line) == 0


def test_a_run_that_fills_the_disk_goes_on_when_there_is_room(desk, capsys):
    """What is finished stays, and the result is that of a run that was not disturbed."""
    line = ["interpolate", "clip.mp4", "out.mp4", "--model", "net.safetensors"]
    assert main(line) == 0
    whole = Path("out.mp4").read_bytes()
    Path("out.mp4").unlink()
    for size in (10, 600, 1500, 3000):
        with full_disk(size):
            if main(line) == 0:
                break
        told(capsys)
        assert not Path("out.mp4").exists()
    assert main(line) == 0
    assert Path("out.mp4").read_bytes() == whole


FULL_WHEN = {
    "fetching": ("download", "in /"),
    "keeping": ("load_release", "a file cannot be kept in"),
    "noting the digest": ("write_whole", "a file cannot be kept in"),
}
"""The function before which the disk is full, and what is said then."""


def test_weights_that_are_fetched_to_a_full_disk(tmp_path, monkeypatch, capsys, tally):
    """The network is not there without its digest, and the last try finds no traces."""
    mirror, kept = tmp_path / "mirror", tmp_path / "kept"
    mirror.mkdir()
    torch.save(released(LITE).state_dict(), mirror / ASSET)
    monkeypatch.setenv("RIFE_VIDEO_MIRRORS", mirror.as_uri())
    monkeypatch.delenv("RIFE_VIDEO_OFFLINE", raising=False)
    monkeypatch.setattr(fetch, "PUBLIC", "file:///none")
    line = ["weights", "get", LITE, "--models", str(kept)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for moment, (name, words) in FULL_WHEN.items():
        then = getattr(fetch, name)

        def fills(*args, then=then, **options):
            resource.setrlimit(resource.RLIMIT_FSIZE, (FEW, before[1]))
            return then(*args, **options)

        with tally.one(moment):
            with full_disk(before[0]), monkeypatch.context() as patch:
                patch.setattr(fetch, name, fills)
                assert main(line) == 1
            said = told(capsys)
            assert words in said, said
            assert "large" in said, said
            assert not kept.exists() or not [*kept.iterdir()]
    assert main(line) == 0
    assert len([*kept.iterdir()]) == 2


def test_results_that_are_downloaded_to_a_full_disk(desk, capsys):
    pytest.importorskip("aiohttp")
    from rife_video.tests.fake_server import GRAPH, FakeServer

    Path("w.api.json").unlink()
    Path("w.api.json").write_text(json.dumps(GRAPH))
    with FakeServer() as server, full_disk():
        line = ["queue", "w.api.json", "--server", server.url, "--output-dir", "out"]
        assert main(line) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "out/made_00001_.mp4 cannot be written: File too large." in said, said
    assert said.endswith("there is still output/video/made_00001_.mp4.")
    assert not [*Path("out").iterdir()]
