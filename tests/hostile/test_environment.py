"""Environment variables that hold what nobody can read: named in a sentence, or without harm."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints.download import FetchError
from rife_video.rife_core.checkpoints.fetch import fetch_release
from rife_video.rife_core.checkpoints.published import weights_folder
from rife_video.rife_core.engine.allocator import kept_memory
from rife_video.rife_core.files.jobs.ray_workers import RayWorkers

from .odd_values import RAW
from .test_options import TRAINING

ROOT = Path(__file__).parents[2]
ODD = (
    "x",
    "-1",
    "nan",
    "1.5",
    "9" * 5000,
    "\u00b2",
    "\udcff",
    "/dev/null",
    "a b",
    "http://[",
    "\n",
)

READ = {
    "RIFE_VIDEO_OFFLINE RIFE_VIDEO_PLAIN_OPS RIFE_VIDEO_TRACEBACK": "switches: any word is one",
    "RIFE_VIDEO_MIRRORS RIFE_VIDEO_WEIGHTS": "tried below: fetching",
    "RIFE_VIDEO_ONNX_PROVIDER": "tests/rife_core/inference/backends/test_onnx_runtime.py",
    "RAY_ADDRESS": "tried below: clusters",
    "RANK LOCAL_RANK WORLD_SIZE MASTER_ADDR MASTER_PORT": "tried below: torchrun",
    "MALLOC_MMAP_MAX_ MALLOC_TRIM_THRESHOLD_ MALLOC_TOP_PAD_ MALLOC_MMAP_THRESHOLD_": "below",
    "MALLOC_ARENA_MAX": "tried below: glibc's, which passes over what is none",
    "SVT_LOG": "handed on to an encoder, which passes over what is none",
}
"""Every variable that the project asks for."""


def asked_for():
    """The names in the code that look like variables: capital letters, in a text by itself."""
    reads = re.compile(r"\benviron\b|\bis_on\(|\bwhole_number\(")
    for folder in ("rife_core", "nodes", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if reads.search(source):
                for node in ast.walk(ast.parse(source)):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield from re.findall(r"\A(?:[A-Z]+_[A-Z_]+|RANK)\Z", node.value)


def test_every_variable_is_tried():
    known = {name for names in READ for name in names.split()}
    assert known <= set(asked_for())
    assert set(asked_for()) - known <= {"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONPATH"}


@pytest.fixture
def training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "t.toml").write_text(TRAINING)
    return ["train", "t.toml", "--threads", "1"]


@pytest.mark.parametrize("name", ["LOCAL_RANK", "WORLD_SIZE", "RANK", "MASTER_PORT"])
def test_torchrun_says_nonsense(name, training, monkeypatch, capsys, tally):
    good = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "29400", "MASTER_ADDR": "localhost"}
    for value in (*filter(str.strip, ODD), "70000" if name == "MASTER_PORT" else "-0"):
        with tally.one(f"{name}={value[:20]!r}"):
            for each in (good | {name: value}).items():
                monkeypatch.setenv(*each)
            assert main(training) == 1
            told = capsys.readouterr().err
            assert f"The environment variable {name} is " in told, told
            assert "it must be a whole number" in told
            assert len(told) < 300


@pytest.mark.parametrize("name", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_torchrun_does_not_say(name, training, monkeypatch, capsys):
    good = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "29400", "MASTER_ADDR": "localhost"}
    for each in (good | {name: ""}).items():
        monkeypatch.setenv(*each)
    assert main(training) == 1
    assert f"The environment variable {name} is not set" in capsys.readouterr().err


def test_mirrors_and_folders(tmp_path, monkeypatch, tally):
    monkeypatch.delenv("RIFE_VIDEO_OFFLINE", raising=False)
    for value in ODD:
        with tally.one(f"mirrors {value[:20]!r}"):
            monkeypatch.setenv("RIFE_VIDEO_MIRRORS", value if value.strip() else "a")
            with pytest.raises(FetchError, match="variable RIFE_VIDEO_MIRRORS names '"):
                fetch_release("4.6", tmp_path)
    monkeypatch.setenv("RIFE_VIDEO_MIRRORS", "file:///none")
    for value in ("/dev/null", "/proc/none", "x" * 300, "x/" * 3000, __file__):
        with tally.one(f"folder {value[:20]!r}"):
            monkeypatch.setenv("RIFE_VIDEO_WEIGHTS", value)
            with pytest.raises(FetchError, match=r"cannot be kept in .*RIFE_VIDEO_WEIGHTS"):
                fetch_release("4.6", weights_folder())
    assert not list(tmp_path.iterdir())


def test_clusters(monkeypatch, tally):
    pytest.importorskip("ray")
    for value in ("x:99999", "127.0.0.1:1", "ray://127.0.0.1:1", "[::1:1", "\u00ff..:1"):
        with tally.one(f"RAY_ADDRESS={value[:20]!r}"):
            monkeypatch.setenv("RAY_ADDRESS", value)
            with pytest.raises(ValueError, match=r"There is no Ray cluster at .*RAY_ADDRESS"):
                RayWorkers()._connect()


def test_options_of_glibc(monkeypatch, tally):
    for value in ODD:
        with tally.one(value[:20]):
            for name in re.findall(r"MALLOC_\w+", " ".join(READ)):
                monkeypatch.setenv(name, value)
            with kept_memory():
                pass


def listed(desk, **variables):
    """`rife-video models`, with these variables; None: not set."""
    surroundings = {k: v for k, v in {**os.environ, **variables}.items() if v is not None}
    command = [sys.executable, "-m", "rife_video", "models"]
    return subprocess.run(
        command, cwd=desk, env=surroundings, capture_output=True, text=True, timeout=300
    )


def check_listed(done):
    if done.returncode:
        assert done.returncode == 1
        assert "A package did not load: " in done.stderr, done.stderr
        assert "Is the environment variable " in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert not [words for words in RAW if words in done.stdout]


def test_variables_of_packages(tmp_path, tally):
    """Some of them end an import with whatever error they like."""
    tally.limit = 300  # a process of its own, on a busy machine
    with tally.one("tqdm"):
        done = listed(tmp_path, TQDM_MININTERVAL="soon")
        check_listed(done)
        assert "Is the environment variable TQDM_MININTERVAL right?" in done.stderr


OTHERS = {
    **{"TORCH_LOGS": "x", "TORCH_TRACE": "/dev/full", "PYTORCH_JIT": "x", "TQDM_NCOLS": "x"},
    **{"TORCH_HOME": "/dev/null", "TORCH_CPP_LOG_LEVEL": "x", "ATEN_CPU_CAPABILITY": "x"},
    **{"OMP_NUM_THREADS": "-1", "MKL_NUM_THREADS": "x", "CUDA_VISIBLE_DEVICES": "x"},
    **{"HOME": None, "TMPDIR": "/none", "XDG_CACHE_HOME": "/dev/null", "COLUMNS": "-1"},
    **{"LC_ALL": "xx_YY", "LANG": "\udcff", "TERM": "none", "PYTHONIOENCODING": "ascii"},
    **{"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "TORCHINDUCTOR_CACHE_DIR": "/dev/null/x"},
    **{"PYTORCH_CUDA_ALLOC_CONF": "x", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "x", "PATH": ""},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_other_variables(name, tmp_path, tally):
    tally.limit = 300  # a process of its own, on a busy machine
    with tally.one(name):
        check_listed(listed(tmp_path, **{name: OTHERS[name]}))


@pytest.mark.slow
def test_a_locale_of_plain_letters(tmp_path, clip_file, small_weights, tally):
    """Names and tables hold letters that it lacks; files are UTF-8 all the same."""
    tally.limit = 300
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    surroundings = {**os.environ, **narrow, "RIFE_VIDEO_OFFLINE": "1"}
    clip = tmp_path / "f\u00fcchse\u2603.mp4"
    clip.symlink_to(clip_file)
    for number, words in enumerate(
        (
            ("evaluate", small_weights, clip, "--fast", "--no-baselines", "--table", "t.md"),
            ("interpolate", clip, "\u2603.mp4", "--model", small_weights),
            ("preview", clip, "\u00e4.png", "--model", small_weights),
        )
    ):
        with tally.one(words[0]):
            command = [sys.executable, "-m", "rife_video", *map(str, words)]
            done = subprocess.run(
                command, cwd=tmp_path, env=surroundings, capture_output=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            assert b"Traceback" not in done.stderr
            if number == 0:
                assert "\u2603" in (tmp_path / "t.md").read_text("utf-8")
