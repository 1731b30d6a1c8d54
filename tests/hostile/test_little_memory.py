"""Real limits of memory, as `ulimit -v` sets them: a result, or a sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_LIMITED = """
import json, re, resource
from dataclasses import replace
from pathlib import Path
import torch
from rife_video.rife_core import RIFE, Timeline, get_spec, interpolate
from rife_video.rife_core.engine.report import Report

torch.manual_seed(0)
torch.set_num_threads(1)
network = RIFE(replace(get_spec("4.6"), channels=(8, 8, 8, 8)), teacher=False).eval()
clip = torch.rand(2, 720, 1280, 3)
megabytes, answer = 1000, {}
interpolate(network, clip[:, :64, :64], Timeline.multiply(2))  # what is made once is made now
while "error" not in answer:
    now = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 2**20, resource.RLIM_INFINITY))
    report, answer = Report(), {"megabytes": megabytes}
    try:
        made = interpolate(network, clip, Timeline.multiply(2), report=report)
        answer["sources"] = bool(torch.equal(made[::2], clip))
        answer["finite"] = bool(made.isfinite().all())
        del made
    except torch.OutOfMemoryError as error:
        answer["error"] = str(error)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(json.dumps({**answer, "plans": report.plans}))
    megabytes = 420 if megabytes == 1000 else int(megabytes * 0.92)
"""


@pytest.mark.slow  # beside other tests it met no limit at which tiles fit and whole frames do not
@pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does")
def test_a_real_limit_of_memory(tally):
    """As `ulimit -v` sets it: frames are made whole, in tiles, or there is one sentence."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    tally.limit = 1500  # far from what it takes on a busy machine
    with tally.one("limits"):
        output = subprocess.run(
            [sys.executable, "-c", _LIMITED],
            capture_output=True,
            text=True,
            env=environment,
            timeout=1500,
        )
        assert output.returncode == 0, output.stderr
        answers = [json.loads(line) for line in output.stdout.splitlines()]
        for answer in answers:
            if "error" in answer:
                assert "not enough memory" in answer["error"]
            else:
                assert answer["sources"]
                assert answer["finite"]
        assert len(answers[0]["plans"]) == 1
        assert any("tiles" in a["plans"][-1] and "error" not in a for a in answers), answers


_LOADERS = ("memory for thread-local data", "OpenBLAS error: Memory")
"""How the C library and OpenBLAS end a process in which libraries are being loaded."""


_EXAMPLE = Path(__file__).parents[2] / "workflows/api/interpolate_clip.api.json"
_COMMANDS = {
    "interpolate": ("{clip}", "a.mp4", "--model", "{weights}"),
    "preview": ("{clip}", "a.png", "--model", "{weights}"),
    "strip": ("{clip}", "{clip}", "a.png", "--frames", "2"),
    "evaluate": ("{weights}", "{clip}", "--fast", "--no-baselines", "--frames", "3"),
    "run": (
        *(str(_EXAMPLE), "--models", "{folder}", "--input-dir", "{clips}"),
        *("--set", "Load Video.file={clip}", "--set", "Load RIFE.model_name={weights}"),
    ),
    "models": ("--models", "{folder}"),
    "weights list": (),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does")
@pytest.mark.parametrize("name", _COMMANDS)
def test_a_command_in_little_memory(name, clip_file, small_weights, tmp_path, tally):
    """From less than PyTorch takes to enough: the file, or a sentence, unless C++ gives up."""
    places = {"clip": clip_file, "weights": small_weights}
    places |= {"folder": small_weights.parent, "clips": clip_file.parent}
    if name == "run":  # whose files are named, not placed
        places |= {"clip": clip_file.name, "weights": small_weights.name}
    line = [*name.split(), *(word.format_map(places) for word in _COMMANDS[name])]
    result = next((tmp_path / word for word in line if word.startswith("a.")), None)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RIFE_VIDEO_OFFLINE": "1"}
    tally.limit, outcomes = 300, set()
    for megabytes in range(300, 1300, 50 if name == "interpolate" else 150):
        with tally.one(f"{megabytes} MB"):
            limited = ["sh", "-c", f'ulimit -v {megabytes * 1024}; exec "$@"', "sh"]
            done = subprocess.run(
                [*limited, sys.executable, "-m", "rife_video", *line],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            outcomes.add(done.returncode)
            assert result is None or result.exists() == (done.returncode == 0)
            if done.returncode < 0 or any(words in done.stderr for words in _LOADERS):
                continue
            assert done.returncode in (0, 1), done.stderr
            if done.returncode:
                last = done.stderr.splitlines()[-1].split("\r")[-1]
                assert last.startswith("rife-video"), last
            assert "Traceback" not in done.stderr, done.stderr
            assert "RIFE_VIDEO_TRACEBACK" not in done.stderr, done.stderr
            if result is not None:
                result.unlink(missing_ok=True)
    assert outcomes >= {0, 1}
