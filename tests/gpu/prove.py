"""Proves and measures everything on an accelerator, in one run that nothing stops.

    python tests/gpu/prove.py --out output/gpu --minutes 7 --wheels output/gpu-pack/wheels \
        --peer vs-rife=output/gpu-pack/vs-rife

Each step is a process with a time limit and a log of its own. The summary is written anew after
every step, so a run that is cut off leaves what it has found so far; a step that cannot run says
why, and the next one begins. `--device cpu --small` tries the script where there is no device.

OUT may come home over a narrow road: it holds the summary, the log of the step that runs, and one
archive of all logs, tables and figures so far. Everything else is written to WORK.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORK = Path(tempfile.gettempdir()) / "rife-video-gpu"
KEPT = (".json", ".log", ".md", ".xml")
WORKERS = 6
"""Processes of the tests, where pytest-xdist is there: most of their time they build kernels."""


@dataclass(frozen=True)
class Step:
    """One thing to prove or to measure.

    Attributes:
        name: of its log and its line in the summary.
        command: arguments of Python.
        seconds: it is stopped after so long.
        missing: says why it cannot run in that environment; None where it can.
    """

    name: str
    command: Sequence[str]
    seconds: int
    missing: Callable[[dict[str, str]], str | None] = lambda _: None


@dataclass
class Outcome:
    """What came of a step."""

    name: str
    state: str
    seconds: float = 0.0
    found: list[str] = field(default_factory=list)


def steps(args: argparse.Namespace) -> list[Step]:
    """All steps, the most telling first: time may run out."""
    out, device = Path(args.work), args.device
    peers = [text for peer in args.peer for text in ("--peer", peer)]
    small = args.small

    def bench(name: str, seconds: int, sizes: str, *options: str, rows: str) -> Step:
        files = ("--json", f"{out}/{name}.json", "--table", f"{out}/{name}.md")
        chosen = ("--rows", "4.6" if small else rows, "--sizes", "96x64" if small else sizes)
        rounds = ("--rounds", "1" if small else "3", "--frames", "3" if small else "9")
        command = ("-m", "rife_video.rife_core.cli", "bench", "--device", device)
        return Step(name, (*command, *chosen, *rounds, *options, *files), seconds)

    backends = "eager" if device == "cpu" else "eager,cudagraphs"
    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", "--tb=short")
    tests = (*tests, "--continue-on-collection-errors", "--maxfail=200", "--durations=8")
    if find_spec("xdist") and not small:
        tests = (*tests, "-n", str(WORKERS))
    chosen = ("tests/gpu", "-k", "any_size or timesteps") if small else marked_files()
    backend = ("--backends", backends)
    resident = ("--resident", *backend)
    profiled = (str(HERE / "profile_step.py"), device, "96x64" if small else "1080p")
    files = (str(HERE / "file_to_file.py"), device, str(out))
    # Each of the benchmark's steps is short: its figures are written at its end.
    every = [
        Step("machine", (str(HERE / "machine.py"), device), 60),
        Step("tests", (*tests, f"--junitxml={out}/tests.xml", *chosen), 150),
        bench("resident", 60, "1080p", *resident, rows="4.26,deep"),
        bench("image-path", 80, "1080p", *backend, *peers, rows="4.26"),
        Step("profile", profiled, 60),
        Step("files", files, 60, _no_av),
        bench("resident-more", 60, "1080p", *resident, rows="4.6,rife"),
        bench("image-path-more", 80, "1080p", *backend, *peers, rows="4.6"),
        bench("720p", 60, "720p", *resident, rows="4.26,deep"),
        bench("compile", 90, "1080p", "--resident", "--backends", "compile", rows="4.26"),
        bench("precisions", 60, "720p", "--resident", "--precisions", "fp32,bf16", rows="4.26"),
        bench("4k", 60, "4k", "--resident", "--multipliers", "2,4", rows="4.26"),
    ]
    return [step for step in every if not args.only or step.name in args.only]


def marked_files() -> list[str]:
    """Those with tests for a device: to collect all others takes longer than these run."""
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in files if "mark.gpu" in (ROOT / path).read_text()]


def _no_av(environment: dict[str, str]) -> str | None:
    command = [sys.executable, "-c", "import av"]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    return "PyAV is not installed: give its wheel in --wheels" if done.returncode else None


def run(step: Step, seconds: float, out: Path, work: Path, environment: dict[str, str]) -> Outcome:
    """Runs a step for at most so long; its output is the log, in `out` until the step ends."""
    reason = step.missing(environment)
    if reason:
        return Outcome(step.name, f"skipped: {reason}")
    began = time.monotonic()
    path = out / f"{step.name}.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *step.command],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment,
        )
        try:
            code = process.wait(timeout=min(step.seconds, seconds))
            state = "ran" if code == 0 else f"failed with {code}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            state = "stopped: out of time"
    path = Path(shutil.move(path, work / path.name))
    return Outcome(step.name, state, time.monotonic() - began, telling(path))


def telling(log: Path, most: int = 40) -> list[str]:
    """The lines of a log that go into the summary: tables, failures, and the last one."""
    lines = log.read_text(errors="replace").splitlines()
    picked = [line for line in lines if re.match(r"\||FAILED|ERROR|.*(passed|failed)", line)]
    if lines and lines[-1] not in picked:
        picked.append(lines[-1])
    return picked[:most]


def write_summary(outcomes: Sequence[Outcome], out: Path) -> None:
    """summary.json and summary.md, each whole at any moment."""
    text = ["# What ran", ""]
    for each in outcomes:
        text += [f"## {each.name}: {each.state} ({each.seconds:.0f} s)", "", *each.found, ""]
    contents = {
        "summary.json": json.dumps([asdict(each) for each in outcomes], indent=1) + "\n",
        "summary.md": "\n".join(text),
    }
    for name, content in contents.items():
        part = out / f"{name}.part"
        part.write_text(content)
        os.replace(part, out / name)


def write_archive(work: Path, out: Path) -> None:
    """logs.tar.gz: all logs, tables and figures, whole at any moment."""
    part = out / "logs.tar.gz.part"
    with tarfile.open(part, "w:gz") as archive:
        for path in sorted(work.iterdir()):
            if path.suffix in KEPT:
                archive.add(path, path.name)
    os.replace(part, out / "logs.tar.gz")


def prepare(work: Path, wheels: Path | None) -> dict[str, str]:
    """The environment of the steps: the package under its name, and the wheels."""
    site = work / "site"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    (site / "rife_video").symlink_to(ROOT, target_is_directory=True)
    if wheels:
        files = [str(path) for path in sorted(wheels.glob("*.whl"))]
        pip = ("-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile")
        subprocess.run([sys.executable, *pip, "--target", str(site), *files], check=False)
    path = os.pathsep.join(filter(None, (str(site.resolve()), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of the command line."""
    shape = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    parser.add_argument("--out", type=Path, required=True, help="folder for logs and figures")
    parser.add_argument("--work", type=Path, default=WORK, help="everything else; it is emptied")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=7.0, help="of all steps together")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install first")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--small", action="store_true", help="one small size: tries the script")
    parser.add_argument("--only", action="append", default=[], metavar="STEP", help="leave others")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all steps; 1 where one of them failed."""
    args = parse(arguments)
    args.out, args.work = args.out.resolve(), args.work.resolve()
    shutil.rmtree(args.work, ignore_errors=True)
    for folder in (args.out, args.work):
        folder.mkdir(parents=True, exist_ok=True)
    environment = prepare(args.work, args.wheels)
    environment["RIFE_VIDEO_TEST_DEVICE"] = args.device
    end = time.monotonic() + 60 * args.minutes
    outcomes: list[Outcome] = []
    for step in steps(args):
        left = end - time.monotonic()
        if left < 5:
            outcomes.append(Outcome(step.name, "not begun: out of time"))
        else:
            outcomes.append(run(step, left, args.out, args.work, environment))
        write_summary(outcomes, args.out)
        write_archive(args.work, args.out)
        print(f"{step.name}: {outcomes[-1].state} ({outcomes[-1].seconds:.0f} s)", flush=True)
    print((args.out / "summary.md").read_text())
    return int(any(each.state.startswith("failed") for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
