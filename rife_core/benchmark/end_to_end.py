"""Times whole programs: from file to file, and from the start to the first frame."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..checkpoints.rife import save_rife
from ..engine.memory_plan import MIB
from ..video import VideoReader
from .cases import network_of
from .contenders import Contender, Visitor
from .harness import interleave, ratio, rounded
from .workers import ContenderError, one_line, resident

_ROOT = __name__.removesuffix(".rife_core.benchmark.end_to_end")
_PUBLISHED = "published way"
_SCRIPT = "inference_video.py"
_POLL = 0.01  # seconds

_READER = '''"""Stands in for scikit-video's reader where that is not installed."""
import av

def vreader(path):
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
'''

_FIRST_FRAME = """
import json, sys, time
root, began = sys.argv[1], float(sys.argv[2])
stages = {}
def done(stage):
    stages[stage] = time.time() - began
done("python")
import torch
done("torch")
from importlib import import_module
engine = import_module(root + ".rife_core.engine")
checkpoints = import_module(root + ".rife_core.checkpoints")
precision = import_module(root + ".rife_core.inference.precision")
timeline = import_module(root + ".rife_core.timeline")
done("pack")
network = checkpoints.load_rife(checkpoints.find_weights("default"))
precision.set_precision(network, precision.resolve_precision("auto", sys.argv[3]))
network.to(sys.argv[3])
done("weights")
engine.interpolate(network, torch.rand(2, 480, 720, 3), timeline.Timeline.multiply(2))
done("frame")
print(json.dumps(stages))
"""


@dataclass(frozen=True)
class Program:
    """One way to make the file.

    Attributes:
        name: as the table shows it.
        command: what to run.
        output: the file that it writes.
        folder: to run it in.
        extra: a folder where it looks for modules first.
    """

    name: str
    command: Sequence[str]
    output: Path
    folder: Path | None = None
    extra: Path | None = None


def end_to_end(
    rows: Sequence[str],
    clip: Path,
    contenders: Sequence[Contender],
    multiplier: int,
    rounds: int,
    device: str,
    threads: int,
    weights: Mapping[str, str],
    tell: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Seconds of each program from file to file, start included; the baseline comes first."""
    results: list[dict[str, Any]] = []
    published = [c for c in contenders if isinstance(c, Visitor) and c.name == "rife"]
    count = _count(clip)
    for row in rows:
        tell(f"{row}: {clip.name} end to end")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            programs = _programs(
                row, weights.get(row), clip.resolve(), folder, published, multiplier, device
            )
            peaks: dict[str, int] = {}
            runs = {p.name: partial(_timed, p, threads, peaks) for p in programs}
            times, errors = interleave(runs, rounds)
            written = {p.name: _count(p.output) for p in programs if p.name in times}
        baseline = times.get(programs[0].name)
        for program in programs:
            found: dict[str, Any] = {"row": row, "clip": clip.name, "multiplier": multiplier}
            found |= {"source_frames": count, "program": program.name}
            if program.name in errors:
                results.append({**found, "error": errors[program.name]})
                continue
            took = times[program.name]
            found |= {"frames": written[program.name], "seconds": rounded(median(took))}
            found |= {"ratio": rounded(ratio(baseline, took))} if baseline else {}
            results.append({**found, "peak_mib": rounded(peaks[program.name] / MIB)})
    return results


def _count(clip: Path) -> int:
    return sum(1 for _ in VideoReader(clip))


def _programs(
    row: str,
    weights: str | None,
    clip: Path,
    folder: Path,
    published: Sequence[Visitor],
    multiplier: int,
    device: str,
) -> list[Program]:
    network = network_of(row, weights)
    file = folder / "weights.safetensors"
    save_rife(network, file)
    module = [sys.executable, "-m", f"{_ROOT}.rife_core"]
    count = str(multiplier)
    programs: list[Program] = []
    halving = multiplier & (multiplier - 1) == 0
    if published and halving and row == "rife":
        torch.save(
            {f"module.{name}": value for name, value in network.state_dict().items()},
            folder / "flownet.pkl",
        )
        if importlib.util.find_spec("skvideo") is None:
            (folder / "skvideo").mkdir()
            (folder / "skvideo" / "__init__.py").touch()
            (folder / "skvideo" / "io.py").write_text(_READER)
        script = [sys.executable, _SCRIPT, "--video", str(clip), "--model", str(folder)]
        script += ["--exp", str(multiplier.bit_length() - 1)]
        # A rate is named so that it leaves the sound out.
        script += ["--fps", str(round(VideoReader(clip).fps * multiplier))]
        output = folder / "script.mp4"
        script += ["--output", str(output)]
        programs.append(Program(_SCRIPT, script, output, published[0].path, folder))
    plain, own = folder / "published.mp4", folder / "own.mp4"
    way = [*module[:2], f"{module[2]}.benchmark.script", str(clip), str(plain), str(file), count]
    cli = [*module[:2], f"{module[2]}.cli", "interpolate", str(clip), str(own)]
    cli += ["--model", str(file), "--multiplier", count, "--device", device]
    programs.append(Program(_PUBLISHED, way, plain))
    cli += ["--scale", "1"]  # random weights agree on nothing, and auto would try it all
    programs.append(Program("rife-video interpolate", cli, own))
    return programs


def _timed(program: Program, threads: int, peaks: dict[str, int]) -> float:
    """Runs a program in a process of its own; notes its peak memory."""
    environment = dict(os.environ)
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    if program.extra:
        environment["PYTHONPATH"] = str(program.extra)
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            program.command, cwd=program.folder, env=environment, stdout=said, stderr=said
        )
        peak = 0
        while process.poll() is None:
            peak = resident("VmHWM", str(process.pid)) or peak
            time.sleep(_POLL)
        took = time.perf_counter() - began
        said.seek(0)
        words = said.read().decode(errors="replace").strip().splitlines()
    if process.returncode:
        reason = one_line(RuntimeError(words[-1] if words else ""))
        raise ContenderError(f"exit code {process.returncode}, {reason}")
    peaks[program.name] = max(peak, peaks.get(program.name, 0))
    return took


def start_up(rounds: int, device: str) -> dict[str, float]:
    """Seconds that a fresh process takes for each stage up to the first frame at 480p.

    Returns:
        python, torch, pack (the import of this project), weights, frame; and total.
    """
    runs: list[dict[str, float]] = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _FIRST_FRAME, _ROOT, str(time.time()), device]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    ends = {stage: median(run[stage] for run in runs) for stage in runs[0]}
    starts = (0.0, *ends.values())
    spent = {
        stage: rounded(end - start)
        for (stage, end), start in zip(ends.items(), starts, strict=False)
    }
    return {**spent, "total": rounded(ends["frame"])}
