"""The command line, started and stopped in odd ways: one sentence, a sane status, no traceback."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module

import pytest
import torch
from rife_video.__main__ import commands, main
from rife_video.rife_core.video import VideoReader
from support import no_thread_left

from .odd_values import RAW

COMMANDS = commands()

ARGUMENTS = {
    "interpolate": ("none.mp4", "out.mp4"),
    "work": ("none",),
    "join": ("none",),
    "status": ("none",),
    "sample": ("none.txt",),
    "preview": ("none.mp4", "out.png"),
    "strip": ("none.mp4", "none.mp4", "out.png"),
    "models": ("--models", "none"),
    "weights": ("verify", "4.0", "--models", "none"),
    "doctor": (),
    "train": ("none.toml",),
    "evaluate": ("default", "none.mp4", "--no-baselines", "--fast"),
    "bench": ("--rows", "none"),
    "adapt": ("none.mp4", "out.safetensors"),
    "export": ("none", "out.onnx"),
    "crops": ("none.mp4", "--out", "out", "--teacher", "none"),
    "run": ("none.api.json",),
    "convert": ("none.json", "out.json"),
    "queue": ("none.api.json",),
}
"""A call of each command, in a folder where there is nothing."""

SUCCEED = ("models", "doctor")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIFE_VIDEO_OFFLINE", "1")
    monkeypatch.setenv("RIFE_VIDEO_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.delenv("RIFE_VIDEO_TRACEBACK", raising=False)
    return tmp_path


@pytest.fixture
def weights(small_weights):
    return small_weights


def test_every_command_is_tried():
    assert ARGUMENTS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", [name for name in ARGUMENTS if name not in SUCCEED])
def test_what_is_not_there_is_told_in_a_sentence(command, desk, capsys):
    assert main([command, *ARGUMENTS[command]]) == 1
    out, err = capsys.readouterr()
    assert "none" in out + err or "4.0" in out
    assert "Traceback" not in err
    assert "RIFE_VIDEO_TRACEBACK" not in err, "nobody foresaw this"
    assert not list(desk.rglob("*.mp4"))


SPELLINGS = {
    ("interpolate", "none.mp4", "out.mp4", "--start=--"): "--start: found '--'",
    ("interpolate", "none.mp4", "out.mp4", "-m=--"): "-m: found '--'",
    ("interpolate", "none.mp4", "out.mp4", "-m--"): "-m: found '--'",
    ("models", "--models=--"): "--models: found '--'",
    ("strip", "a.mp4", "b.mp4", "out.png", "--start", "x" * 10**5): "found 'xxx",
    ("strip", "a.mp4", "b.mp4", "out.png", "--width", "0"): "expected a whole number of 1",
    ("bench", "--rows", "none", "--threads", "-1"): "expected a whole number of 0",
    ("crops", "a", "--out", "b", "--teacher", "c", "--seed", "9" * 19): "at most 2147483647",
    ("interpolate", "none.mp4", "out.mp4", "--batch-size", "9" * 30): "and at most 1024",
    ("interpolate", "none.mp4", "out.mp4", "--batch-size", "-1"): "found '-1'",
    ("interpolate", "none.mp4", "out.mp4", "--max-memory", "inf"): "expected a finite number",
    ("interpolate", "none.mp4", "out.mp4", "--max-memory", "nan"): "expected a finite number",
    ("adapt", "none.mp4", "out.safetensors", "--steps", "0"): "expected a whole number of 1",
    ("adapt", "none.mp4", "out.safetensors", "--seconds", "nan"): "expected a number above 0",
    ("adapt", "none.mp4", "out.safetensors", "--frames", "-1"): "expected a whole number of 3",
}
"""Values that an option takes for none, or the parser for something else."""


@pytest.mark.parametrize("line", SPELLINGS, ids=lambda line: " ".join(line)[:60])
def test_values_that_are_none(line, desk, capsys):
    with pytest.raises(SystemExit) as left:
        main(list(line))
    told = capsys.readouterr().err.splitlines()[-1]
    assert left.value.code == 2
    assert SPELLINGS[line] in told
    assert len(told) < 500


@pytest.mark.parametrize("line", [("interpolate", "ODD.mp4", "a.mp4"), ("models", "--ODD")])
def test_names_give_no_orders_to_a_terminal(line, desk, capsys):
    """A clip from elsewhere may be called so: it clears the screen, and is read from the right."""
    with suppress(SystemExit):
        main([word.replace("ODD", "\x1b[2J\u202e\x07\udcff") for word in line])
    told = capsys.readouterr().err
    assert r"\x1b[2J\u202e\x07\udcff" in told
    assert not set(told) & set("\x1b\u202e\x07\udcff")


@pytest.mark.parametrize("word", ["\0", "a\0.mp4", "\ud800.mp4"])
def test_words_that_no_system_hands_on(word, desk, capsys):
    for line in (("interpolate", word, "a.mp4"), ("crops", "--models", word), ("join", word)):
        with pytest.raises(SystemExit):
            main([*line])
        assert "which holds what no name or value does" in capsys.readouterr().err


def test_what_stands_behind_two_hyphens_is_a_name(desk, capsys):
    assert main(["convert", "--", "--old=--", "new.json"]) == 1
    assert "--old=--" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--size", "x"), ("--raw", "rgb24", "--size", "8x8")])
def test_options_of_raw_frames_are_not_passed_over(options, desk, clip_file, capsys):
    assert main(["interpolate", str(clip_file), "a.mp4", *options]) == 1
    assert "--raw and --size say together" in capsys.readouterr().err


def test_a_device_of_another_machine(desk, clip_file, weights, capsys):
    line = ["interpolate", str(clip_file), "a.mp4", "--model", str(weights), "--device", "cuda:99"]
    assert main(line) == 1
    assert "finds no device 'cuda:99' on this machine" in capsys.readouterr().err


ERRORS = {
    RuntimeError("mat1 and mat2 cannot be multiplied\nat frame #3"): "mat1 and mat2 cannot be",
    torch.OutOfMemoryError("not enough memory"): "not enough memory",
    MemoryError(): "There is not enough memory.",
    RuntimeError("DefaultCPUAllocator: can't allocate memory"): "There is not enough memory: Def",
    RuntimeError("can't start new thread"): "There is not enough memory: can't start new thread.",
    RecursionError("maximum recursion depth exceeded"): "maximum recursion depth",
    KeyError("flow"): "flow",
    AssertionError(): "AssertionError",
    NotImplementedError("aten::x"): "aten::x",
    PermissionError(13, "Permission denied", "a.mp4"): "a.mp4: Permission denied",
    IsADirectoryError(21, "Is a directory", "a.mp4"): "a.mp4: Is a directory",
    OSError(28, "No space left on device"): "No space left on device",
    OSError(36, "File name too long", "x" * 10**5): "xxx...: File name too long",
    ModuleNotFoundError("No module named 'av'"): "No module named 'av'",
    ValueError(): "ValueError",
    UnicodeEncodeError("ascii", "\udcff", 0, 1, "ordinal not in range"): "ascii",
}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_every_error_is_one_sentence(command, desk, capsys, monkeypatch):
    """The network runs out of memory, a module is missing, or somebody made a mistake."""
    module = import_module(COMMANDS[command].module)
    for error, words in ERRORS.items():
        monkeypatch.setattr(module, "run", lambda args, error=error: raises(error))
        assert main([command, *ARGUMENTS[command]]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        assert len(err) < 1000
        assert err.startswith(f"rife-video {command}: ")
        assert words in err
    monkeypatch.setattr(module, "run", lambda args: raises(KeyboardInterrupt()))
    assert main([command, *ARGUMENTS[command]]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def raises(error):
    raise error


def test_the_place_of_an_error_is_shown_to_those_who_ask(desk, monkeypatch):
    monkeypatch.setattr(import_module(COMMANDS["models"].module), "run", lambda _: raises(KeyError))
    monkeypatch.setenv("RIFE_VIDEO_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["models"])


# --- Paths that are no files

INPUTS = {
    "interpolate": ("ODD.mp4", "out.mp4"),
    "interpolate with weights": ("GOOD.mp4", "out.mp4", "--model", "ODD.pth"),
    "interpolate a list": ("ODD.txt", "--output-dir", "out"),
    "work": ("ODD",),
    "join": ("ODD",),
    "status": ("ODD",),
    "preview": ("ODD.mp4", "out.png"),
    "strip": ("ODD.mp4", "GOOD.mp4", "out.png"),
    "strip, second": ("GOOD.mp4", "ODD.mp4", "out.png"),
    "train": ("ODD.toml",),
    "evaluate": ("WEIGHTS", "ODD.mp4", "--no-baselines", "--fast"),
    "bench": ("--rows", "4.6", "--json", "ODD.json", "--append"),
    "bench of a clip": ("--rows", "4.6", "--clip", "ODD.mp4"),
    "adapt": ("ODD.mp4", "out.safetensors", "--model", "WEIGHTS"),
    "export": ("ODD.pth", "out.onnx"),
    "crops": ("ODD.mp4", "--out", "out", "--teacher", "WEIGHTS"),
    "run": ("ODD.api.json",),
    "convert": ("ODD.json", "out.json"),
    "queue": ("ODD.api.json",),
}
"""A call for each file that a command reads: ODD is none, GOOD is a clip."""

OUTPUTS = {
    "interpolate": ("GOOD.mp4", "ODD.mp4", "--model", "WEIGHTS"),
    "sample": ("ODD.mp4",),
    "preview": ("GOOD.mp4", "ODD.png"),
    "strip": ("GOOD.mp4", "GOOD.mp4", "ODD.png"),
    "evaluate": ("WEIGHTS", "GOOD.mp4", "--json", "ODD.json"),
    "evaluate's table": ("WEIGHTS", "GOOD.mp4", "--table", "ODD.md"),
    "bench": ("--rows", "4.6", "--picture", "ODD.svg"),
    "adapt": ("GOOD.mp4", "ODD.safetensors", "--model", "WEIGHTS"),
    "export": ("WEIGHTS", "ODD.onnx"),
    "convert": ("GOOD.json", "ODD.json"),
}
"""A call for each file that a command writes."""


def folder(path):
    path.mkdir()


def text(path):
    path.write_text("hello " * 100)


_TOML, _JSON = "a = " + "9" * 5000, '{"runs": [' + "9" * 5000 + "]}"

KINDS = {
    "folder": folder,
    "pipe": os.mkfifo if hasattr(os, "mkfifo") else folder,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "text": text,
    "empty": lambda path: path.touch(),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\0junk" * 9),  # as if it were UTF-16
    "latin": lambda path: path.write_bytes(b'{"caf\xe9": 1}'),
    "digits": lambda path: path.write_text(_TOML if path.suffix == ".toml" else _JSON),
    "itself": lambda path: path.symlink_to(path),
    "nowhere": lambda path: path.symlink_to(path.with_name("none")),
    os.fsdecode(b"\xff"): text,
    "x" * 300: lambda path: None,
}


def _try_paths(calls, kinds, desk, clip_file, weights, tally, capsys):
    (desk / "GOOD.mp4").symlink_to(clip_file)
    (desk / "GOOD.json").write_text('{"1": {"class_type": "RIFE VFI", "inputs": {}}}')
    for name, words in calls.items():
        for kind in kinds:
            at = f"{name}: {kind[:20]!r}"
            command = re.split(r"[' ,]", name)[0]
            for number, word in enumerate(words):
                if word.startswith("ODD"):
                    path = desk / f"{command} {number} {kind}{word[3:]}"
                    with suppress(OSError):
                        KINDS[kind](path)
            line = [
                str(weights) if word == "WEIGHTS"
                else f"{command} {number} {kind}{word[3:]}" if word.startswith("ODD")
                else word
                for number, word in enumerate(words)
            ]  # fmt: skip
            with tally.one(at):
                assert main([command, *line]) == 1, at
                err = capsys.readouterr().err.splitlines()[-1].split("\r")[-1]
                assert err.startswith(f"rife-video {command}: "), at
                assert "RIFE_VIDEO_TRACEBACK" not in err, err
                assert not [words for words in RAW if words in err], err
                assert len(err) < 700, at


def test_what_is_read_is_no_file(desk, clip_file, weights, tally, capsys):
    _try_paths(INPUTS, KINDS, desk, clip_file, weights, tally, capsys)


def test_what_is_written_is_no_file(desk, clip_file, weights, tally, capsys):
    """It is told before the work, not after it."""
    _try_paths(OUTPUTS, ("folder", "pipe", "device"), desk, clip_file, weights, tally, capsys)
    assert stat.S_ISFIFO((desk / "sample 0 pipe.mp4").stat().st_mode)


# --- Streams that are closed, full or narrow


def shell(line, *args, cwd, **options):
    """`rife-video ARGS` in a process of its own, started by a shell as `line` says."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "rife_video", *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, **options)


_ALL = """
import json, sys
from pathlib import Path
from rife_video.__main__ import _process, main
with _process():
    status = {name: main([name, *args]) for name, args in json.loads(sys.argv[1]).items()}
Path("status.json").write_text(json.dumps(status))
"""


def test_every_command_without_standard_streams(desk):
    """In one process, as importing takes longer than the commands."""
    command = [sys.executable, "-c", _ALL, json.dumps(ARGUMENTS)]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], cwd=desk, timeout=300, check=False
    )
    assert done.returncode == 0
    status = json.loads((desk / "status.json").read_text())
    assert status == {name: int(name not in SUCCEED) for name in ARGUMENTS}


def test_no_file_takes_the_place_of_a_closed_stream(desk, clip_file, weights):
    """What FFmpeg or a warning writes to descriptor 2 would else land in the result."""
    command = ("interpolate", clip_file, "a.mp4", "--model", weights)
    done = shell('exec "$@" >&- 2>&-', *command, cwd=desk)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(VideoReader(desk / "a.mp4"))) == 11


def test_frames_are_not_lost_in_a_closed_output(desk, clip_file):
    done = shell('exec "$@" >&-', "interpolate", clip_file, "-", cwd=desk)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "rife-video interpolate: Standard output is closed; give a file, or connect the pipe."
    )
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_output_is_told(desk):
    done = shell('exec "$@" > /dev/full', "weights", "list", cwd=desk)
    assert done.returncode == 1
    assert done.stderr == "rife-video weights: No space left on device\n"


def test_a_reader_that_leaves_is_no_error(desk):
    done = shell('"$@" | true; exit ${PIPESTATUS:-0}', "weights", "list", cwd=desk)
    assert done.stderr == ""


def test_names_that_an_output_cannot_hold(desk):
    folder = desk / "m\u00f6dels\u2603"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.pth")).write_bytes(b"x")
    done = shell('PYTHONIOENCODING=ascii exec "$@"', "models", "--models", folder, cwd=desk)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot be loaded" in done.stdout


def test_closed_input_is_told(desk, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["interpolate", "-", "a.mp4"]) == 1
    assert "Standard input is closed" in capsys.readouterr().err


# --- Ctrl-C

_AT_IMPORT = """
import os, runpy, signal, sys
where = sys.argv.pop(1)

class Interrupts:
    def find_spec(self, name, *_):
        if name == where:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us without it
sys.argv[0] = "rife-video"
runpy.run_module("rife_video", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "module",
    ["rife_video.rife_core", "torch", "torch.nn", "rife_video.workflows.commands", "av", "tqdm"],
)
def test_ctrl_c_while_importing(module, desk):
    command = [sys.executable, "-c", _AT_IMPORT, module, "interpolate", "none.mp4", "a.mp4"]
    done = subprocess.run(
        command, cwd=desk, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped.\n")


_NO_MEMORY = """
import runpy, sys

class Refuses:
    def find_spec(self, name, *_):
        if name == "torch.nn":
            raise ERROR

sys.meta_path.insert(0, Refuses())
sys.argv = ["rife-video", "models"]
runpy.run_module("rife_video", run_name="__main__", alter_sys=True)
"""


_LOAD_ERRORS = {
    "MemoryError": "There is not enough memory to load PyTorch.",
    "ImportError('Read this:\\n\\n  libblas.so: failed to map segment from shared object\\n')": (
        "There is not enough memory to load PyTorch."
    ),
    "ImportError('Read this:\\n\\n  libblas.so is gone')": (
        "Read this: libblas.so is gone. Is all of it installed? pip install rife-video"
    ),
}


@pytest.mark.parametrize("error", _LOAD_ERRORS)
def test_too_little_memory_while_importing(desk, error):
    program = _NO_MEMORY.replace("ERROR", error)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=desk, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"rife-video: {_LOAD_ERRORS[error]}\n"


_AT_EXIT = """
import atexit, os, signal, sys
from rife_video.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["rife-video", "models", "--models", "none"]
status = main()
atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.exit(status)
"""


def test_ctrl_c_while_ending(desk):
    done = subprocess.run(
        [sys.executable, "-c", _AT_EXIT], cwd=desk, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "Stopped.\n")


STAGES = (
    "cli.interpolate.source_of",
    "cli.interpolate.check_destination",
    "cli.network.load_chosen",
    "cli.network.set_backend",
    "files.frames.frames_of",
    "inference.rife.RIFE.prepare",
    "inference.rife.RIFE.synthesize",
    "video.writer.VideoWriter.write",
    "video.writer.VideoWriter.append",
    "cli.interpolate._summary",
)


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_while_interpolating(stage, desk, clip_file, weights, monkeypatch, capsys):
    """At every stage: nothing half done stays, no thread is left, and the next run is whole."""
    where, name = stage.rsplit(".", 1)
    owner, _, class_name = f"rife_video.rife_core.{where}".rpartition(".")
    owner = (
        getattr(import_module(owner), class_name)
        if class_name[0].isupper()
        else import_module(f"{owner}.{class_name}")
    )
    original, reached = getattr(owner, name), threading.Event()

    def interrupts(*args, **options):
        if not reached.is_set():
            reached.set()
            os.kill(os.getpid(), signal.SIGINT)
        return original(*args, **options)

    monkeypatch.setattr(owner, name, interrupts)
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = ["interpolate", str(clip_file), "smooth.mp4", "--model", str(weights)]
    try:
        with no_thread_left():
            assert main(command) == 130
    finally:
        signal.signal(signal.SIGINT, was)
    assert reached.is_set()
    assert capsys.readouterr().err.endswith("Stopped.\n")
    assert (desk / "smooth.mp4").exists() == (name == "_summary")
    assert main(command) == 0
    assert len(list(VideoReader(desk / "smooth.mp4"))) == 11
    assert [path.name for path in desk.iterdir()] == ["smooth.mp4"]
