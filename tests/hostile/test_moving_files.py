"""Files and folders that change while they are worked on: the result is right, or one sentence."""

import json
import os
import shutil
from contextlib import suppress
from fractions import Fraction

import pytest
import torch
from rife_video.__main__ import main
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.training.clips import ClipTriplets
from rife_video.rife_core.training.synthetic import SceneGenerator
from rife_video.rife_core.video import VideoReader, VideoWriter

from .odd_values import RAW
from .test_options import QUICK, TRAINING

FRAMES = 60  # more than are read ahead

CHANGES = {
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "grown": lambda path: path.write_bytes(path.read_bytes() + bytes(10**6)),
    "blank": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "deleted": lambda path: path.unlink(),
    "replaced": lambda path: os.replace(shutil.copy(path.with_name("other.mp4"), "new"), path),
    "written over": lambda path: shutil.copyfile(path.with_name("other.mp4"), path),
    "a folder": lambda path: path.unlink() or path.mkdir(),
    "a pipe": lambda path: path.unlink() or os.mkfifo(path),
    "itself": lambda path: path.unlink() or path.symlink_to(path),
}
"""What somebody else does to a file."""


def clip(path, count, seed):
    generator = torch.Generator().manual_seed(seed)
    with VideoWriter(path, Fraction(12), crf=20) as writer:
        for _ in range(count):
            writer.write(torch.rand(32, 48, 3, generator=generator))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    return clip(folder / "clip.mp4", FRAMES, 0), clip(folder / "other.mp4", 20, 1)


@pytest.fixture
def desk(tmp_path, monkeypatch, clips, small_weights):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIFE_VIDEO_OFFLINE", "1")
    monkeypatch.delenv("RIFE_VIDEO_TRACEBACK", raising=False)
    for name, quick in QUICK.items():
        monkeypatch.setattr(f"rife_video.rife_core.{name}", quick)
    shutil.copy(small_weights, "net.safetensors")
    return tmp_path


def laid_out(desk, clips):
    for path in desk.iterdir():
        if path.name != "net.safetensors":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (desk / "in").mkdir()
    for source in clips:
        shutil.copy(source, desk / "in")
    real = TRAINING.replace("lr = 1e-4", "lr = 1e-4\nreal = 1.0").replace("steps = 1", "steps = 3")
    (desk / "training.toml").write_text('clips = ["in"]\n' + real)
    return desk / "in/clip.mp4"


def meanwhile(monkeypatch, owner, name, change, after=1):
    """Makes a change when a method is called for the `after`th time."""
    method, calls = getattr(owner, name), []

    def changed(self, *args, **options):
        calls.append(0)
        if len(calls) == after:
            change()
        return method(self, *args, **options)

    monkeypatch.setattr(owner, name, changed)


def attempted(line, capsys):
    """The status; what is said is a sentence, and nothing half is there."""
    status = main(line)
    out, err = capsys.readouterr()
    assert status in (0, 1)
    assert "RIFE_VIDEO_TRACEBACK" not in err, err[-500:]
    assert not [words for words in RAW if words in err], err[-500:]
    if status:
        said = (err or out).splitlines()[-1].split("\r")[-1]
        assert 10 < len(said) < 1000, said
    return status


MODEL = ("--model", "net.safetensors")
READERS = {
    "interpolate": (("interpolate", "in/clip.mp4", "out.mp4", *MODEL), RIFE, "synthesize"),
    "to pictures": (("interpolate", "in/clip.mp4", "out/%03d.png", *MODEL), RIFE, "synthesize"),
    "preview": (("preview", "in/clip.mp4", "out.png", *MODEL), RIFE, "synthesize"),
    "adapt": (
        ("adapt", "in/clip.mp4", "out.safetensors", *MODEL, "--steps", "1", "--frames", "9"),
        *(RIFE, "forward"),
    ),
    "evaluate": (
        ("evaluate", "net.safetensors", "in/clip.mp4", "--fast", "--no-baselines", "--frames", "9"),
        *(RIFE, "synthesize"),
    ),
    "train": (("train", "training.toml", "--out", "out", "--threads", "1"), ClipTriplets, "batch"),
}
"""What reads clips, and what it does between two readings."""


def _try_sources(names, changes, desk, clips, monkeypatch, capsys, tally):
    tally.limit = 120
    for name in names:
        line, owner, method = READERS[name]
        for change in changes:
            source = laid_out(desk, clips)
            with tally.one(f"{name}: {change}"), monkeypatch.context() as patch:
                meanwhile(patch, owner, method, lambda s=source, c=change: CHANGES[c](s))
                status = attempted([*line], capsys)
                assert not list(desk.rglob("*.part"))
                if status:
                    assert not (desk / "out.mp4").exists()
                elif name == "interpolate":
                    assert len(list(VideoReader(desk / "out.mp4"))) == 2 * FRAMES - 1


def test_sources_that_change(desk, clips, monkeypatch, capsys, tally):
    _try_sources(("interpolate", "adapt"), ("emptied",), desk, clips, monkeypatch, capsys, tally)


@pytest.mark.slow
def test_sources_that_change_in_every_way(desk, clips, monkeypatch, capsys, tally):
    _try_sources(READERS, CHANGES, desk, clips, monkeypatch, capsys, tally)


GONE = {
    "deleted": shutil.rmtree,
    "emptied": lambda path: [
        shutil.rmtree(each) if each.is_dir() else each.unlink() for each in path.iterdir()
    ],
    "a file": lambda path: shutil.rmtree(path) or path.write_text("x"),
    "elsewhere": lambda path: path.rename(path.with_name("elsewhere")),
    "nowhere": lambda path: shutil.rmtree(path) or path.symlink_to("none"),
}
"""What somebody else does to a folder."""

WRITERS = {
    "interpolate": (("interpolate", "in/clip.mp4", "out/a.mp4", *MODEL), RIFE, "synthesize"),
    "to pictures": (("interpolate", "in/clip.mp4", "out/%03d.png", *MODEL), RIFE, "synthesize"),
    "to an animation": (("interpolate", "in/other.mp4", "out/a.gif", *MODEL), RIFE, "synthesize"),
    "preview": (("preview", "in/clip.mp4", "out/a.png", *MODEL), RIFE, "synthesize"),
    "train": (
        ("train", "scenes.toml", "--out", "out", "--threads", "1"),
        *(SceneGenerator, "batch"),
    ),
}


def _try_results(names, changes, desk, clips, monkeypatch, capsys, tally):
    tally.limit = 120
    for name in names:
        line, owner, method = WRITERS[name]
        for change in changes:
            laid_out(desk, clips)
            (desk / "scenes.toml").write_text(TRAINING)
            (desk / "out").mkdir()
            with tally.one(f"{name}: {change}"), monkeypatch.context() as patch:
                meanwhile(patch, owner, method, lambda c=change: GONE[c](desk / "out"), 2)
                status = attempted([*line], capsys)
                made = [each for each in desk.rglob("a.*") if each.is_file()]
                assert not list(desk.rglob("*.part")), "half"
                assert not (status and made), "made, and refused"
                if status == 0 and name in ("interpolate", "to an animation", "preview"):
                    assert made, "neither made nor refused"
                if status == 0 and name == "to pictures":
                    assert len([*desk.rglob("*.png")]) == 2 * FRAMES - 1, "pictures are lost"


def test_folders_of_results_that_vanish(desk, clips, monkeypatch, capsys, tally):
    _try_results(("interpolate", "preview"), ("deleted",), desk, clips, monkeypatch, capsys, tally)


@pytest.mark.slow
def test_folders_of_results_that_change(desk, clips, monkeypatch, capsys, tally):
    _try_results(WRITERS, GONE, desk, clips, monkeypatch, capsys, tally)


PLACES = (
    "job",
    "job/parts",
    "job/working",
    "job/job.json",
    "out",
    "in/clip.mp4",
    "net.safetensors",
)


def _try_jobs(places, ways, desk, clips, monkeypatch, capsys, tally):
    """Then the job is done again, where it still can be."""
    tally.limit = 120
    weights = (desk / "net.safetensors").read_bytes()
    plan = ["interpolate", "in", "--output-dir", "out", "--job", "job", "--plan-only", *MODEL]
    for place in places:
        for way in ways:
            laid_out(desk, clips)
            (desk / "net.safetensors").write_bytes(weights)
            assert main([*plan, "--device", "cpu", "--part-frames", "60"]) == 0
            capsys.readouterr()

            def change(path=desk / place, way=way):
                with suppress(FileNotFoundError, NotADirectoryError):
                    if path.is_dir():
                        GONE[way](path)
                    else:
                        CHANGES[way if way in CHANGES else "emptied"](path)

            with tally.one(f"{place}: {way}"):
                with monkeypatch.context() as patch:
                    meanwhile(patch, RIFE, "synthesize", change, 5)
                    attempted(["work", "job", "--device", "cpu"], capsys)
                for call in ("status", "join"):
                    status = attempted([call, "job"], capsys)
                made = [*(desk / "out").glob("*.mp4")] if (desk / "out").is_dir() else []
                if status == 0:
                    assert [len(list(VideoReader(each))) for each in sorted(made)] == [
                        2 * FRAMES - 1,
                        2 * 20 - 1,
                    ]
                assert not list(desk.rglob("*.mp4.part"))


def test_jobs_whose_files_vanish(desk, clips, monkeypatch, capsys, tally):
    _try_jobs(("job",), ("deleted",), desk, clips, monkeypatch, capsys, tally)


@pytest.mark.slow
def test_jobs_whose_files_change(desk, clips, monkeypatch, capsys, tally):
    _try_jobs(PLACES, GONE, desk, clips, monkeypatch, capsys, tally)


@pytest.mark.parametrize(
    "change",
    ["cut in half", *(pytest.param(c, marks=pytest.mark.slow) for c in ("emptied", "blank"))],
)
def test_pictures_of_a_clip_that_cannot_be_read(change, desk, clips, capsys, tally):
    """A folder of pictures as a clip, one of which is broken."""
    laid_out(desk, clips)
    frames = desk / "frames"
    line = ["interpolate", "in/clip.mp4", "frames/%03d.png", *MODEL, "--frames", "6", "-m1"]
    assert main(line) == 0
    CHANGES[change](sorted(frames.iterdir())[3])
    for line in (
        ["evaluate", "net.safetensors", "frames", "--fast", "--no-baselines"],
        ["adapt", "frames", "out.safetensors", *MODEL, "--steps", "1"],
        ["interpolate", "frames", "out.mp4", *MODEL, "--source-fps", "8"],
        ["preview", "frames", "out.png", *MODEL, "--source-fps", "8"],
    ):
        with tally.one(f"{line[0]}: {change}"):
            assert attempted(line, capsys) in (0, 1)
            assert not (desk / "out.safetensors").exists() or line[0] != "adapt"


# --- What is sent to servers, and what comes from them


@pytest.fixture
def server(desk, clips, monkeypatch):
    """A good server that makes two files of each clip, and the desk laid out for it."""
    pytest.importorskip("aiohttp")
    from aiohttp import web
    from rife_video.tests.fake_server import GRAPH, FakeServer

    class TwoFiles(FakeServer):
        async def finish(self, prompt_id, **_):
            images = [{"filename": f"{n}.mp4", "type": "output"} for n in range(2)]
            await super().finish(prompt_id, outputs={"3": {"images": images}})

        async def _view(self, request):
            return web.Response(body=MADE)

    laid_out(desk, clips)
    (desk / "w.api.json").write_text(json.dumps(GRAPH))
    monkeypatch.setattr("rife_video.workflows.client.connection.PAUSE", 0.05)
    with TwoFiles(*[TwoFiles.finish] * 1000) as server:
        yield server


MADE = bytes(range(256)) * 1000  # some chunks
SENT = {f"in/{name}.mp4": name.encode() * 200_000 for name in ("clip", "other")}


def queued(server, capsys):
    """The status and what was said, after all that holds whatever happened meanwhile."""
    line = ["queue", "w.api.json", *SENT, "--server", server.url, "--output-dir", "out"]
    status = main([*line, "--patience", "20"])
    said = capsys.readouterr().err
    assert status in (0, 1)
    assert "left out" not in said, "the server is blamed"
    assert "queued again" not in said, said
    assert "RIFE_VIDEO_TRACEBACK" not in said, said
    assert not [words for words in RAW if words in said], said
    return status, said


def _try_uploads(changes, server, desk, monkeypatch, capsys, tally):
    from rife_video.workflows.client.connection import _WatchedFile
    from rife_video.workflows.client.server import Server

    moments = {"before": (Server, "upload", 1), "meanwhile": (_WatchedFile, "read", 2)}
    for moment, change in changes:
        for path, content in SENT.items():
            if (there := desk / path).is_dir():
                there.rmdir()
            there.unlink(missing_ok=True)
            there.write_bytes(content)
        shutil.rmtree("out", ignore_errors=True)
        server.uploads.clear()
        server.prompts.clear()
        with tally.one(f"{moment}: {change}"), monkeypatch.context() as patch:
            owner, name, after = moments[moment]
            meanwhile(patch, owner, name, lambda c=change: CHANGES[c](desk / "in/clip.mp4"), after)
            status, said = queued(server, capsys)
            loaded = [prompt["1"]["inputs"]["file"] for prompt in server.prompts]
            assert "other.mp4" in loaded, "the clip that did not change"
            assert len([*(desk / "out").iterdir()]) == 2 * len(loaded)
            if moment == "meanwhile":
                for name in loaded:
                    assert server.uploads[name] == SENT[f"in/{name}"], "half of it"
            if status:
                assert loaded == ["other.mp4"]
                assert said.splitlines()[-1].startswith("clip.mp4 failed: ")
                assert "in/clip.mp4" in said or "does not take a file of this size" in said
            if moment == "meanwhile" and change in ("cut in half", "grown", "blank"):
                assert "has changed while it was sent" in said


def test_clips_that_change_before_they_are_sent(server, desk, monkeypatch, capsys, tally):
    changes = [("meanwhile", "cut in half"), ("meanwhile", "deleted"), ("before", "a pipe")]
    _try_uploads(changes, server, desk, monkeypatch, capsys, tally)


@pytest.mark.slow
def test_clips_that_change_in_every_way_while_they_are_sent(
    server, desk, monkeypatch, capsys, tally
):
    changes = [(moment, change) for moment in ("before", "meanwhile") for change in CHANGES]
    _try_uploads(changes, server, desk, monkeypatch, capsys, tally)


def part_of(desk, change):
    """Changes a file that is being downloaded."""
    parts = sorted((desk / "out").glob(".*.part"))
    shutil.copy(desk / "in/other.mp4", desk / "out/other.mp4")
    CHANGES[change](parts[0])
    with suppress(OSError):
        (desk / "out/other.mp4").unlink()


DOWNLOADED = {
    **{f"the folder: {name}": lambda desk, g=gone: g(desk / "out") for name, gone in GONE.items()},
    **{
        f"the file: {name}": lambda desk, c=name: part_of(desk, c)
        for name in CHANGES
        if name not in ("blank", "a folder", "itself")
    },
}
"""What somebody else does to results while they are downloaded."""


def _try_downloads(changes, server, desk, monkeypatch, capsys, tally):
    from rife_video.workflows.client.downloads import Download

    for change in changes:
        out = desk / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)
        shutil.rmtree(desk / "elsewhere", ignore_errors=True)
        with tally.one(change), monkeypatch.context() as patch:
            meanwhile(patch, Download, "write", lambda c=change: DOWNLOADED[c](desk), 5)
            _, said = queued(server, capsys)
            failed = [line for line in said.splitlines() if " failed: " in line]
            assert failed, "a download is lost without a word"
            for line in failed:
                assert "out" in line, line
                assert line.endswith("there is still output/0.mp4, output/1.mp4."), line
            made = [*out.iterdir()] if out.is_dir() else []
            assert len(made) == 2 * (2 - len(failed)), made
            assert all(path.read_bytes() == MADE for path in made)


def test_results_that_vanish_while_they_are_downloaded(server, desk, monkeypatch, capsys, tally):
    changes = ("the folder: deleted", "the file: cut in half")
    _try_downloads(changes, server, desk, monkeypatch, capsys, tally)


@pytest.mark.slow
def test_results_that_change_in_every_way_while_they_are_downloaded(
    server, desk, monkeypatch, capsys, tally
):
    _try_downloads(DOWNLOADED, server, desk, monkeypatch, capsys, tally)


def test_a_folder_for_downloads_that_is_none_is_told_before_the_work(server, desk, capsys):
    (desk / "out").write_text("x")
    line = ["queue", "w.api.json", *SENT, "--server", server.url, "--output-dir"]
    (desk / "nowhere").symlink_to("none")
    for folder, named in {
        "out": "out",
        "out/deep": "out",
        "nowhere": "nowhere",
        "/proc/x": "/proc",
    }.items():
        assert main([*line, folder]) == 1
        assert named in capsys.readouterr().err
    assert not server.uploads
