"""Trains the default weights on an accelerator, unattended, from a pack (see `pack.py`).

    python tests/gpu/train.py output/gpu-pack --out OUT --minutes 9

Crops with the teacher's flow are written first, for at most a fifth of the time (OpenCV reads
the clips, so that PyAV need not travel); then
`tests/gpu/train.toml` is trained from the bundled weights, with everything on the device.

OUT may come home over a narrow road, and the run may be cut off: from the first save on it holds
the weights of every save in half precision, in shards of 15 MiB (`cat weights-0.safetensors.*`
joins them; `average.py` makes the mean of several, which may be better than the last), the log,
the curve and a preview. Crops, and the state in such shards, are written to WORK; a second call
with the same WORK resumes there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from prove import ROOT, prepare
from safetensors import safe_open
from safetensors.torch import save

CONFIG = Path(__file__).with_suffix(".toml")
WORK = Path(tempfile.gettempdir()) / "rife-video-gpu-train"
SHARD_MIB = 15
WEIGHTS, OTHERS = "weights.safetensors", ("log.csv", "curve.svg", "preview.png")
LOOK_SECONDS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs both commands; the exit code is that of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--files", type=int, default=80, help="files of crops")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--until", type=int, help="stop after this step")
    args = parser.parse_args(arguments)
    began, pack = time.monotonic(), args.pack.resolve()
    out, work = args.out.resolve(), args.work.resolve()
    out.mkdir(parents=True, exist_ok=True)
    wheels = pack / "wheels"
    environment = prepare(work, wheels if wheels.is_dir() else None)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)

    def start(*options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, *map(str, options)]
        return subprocess.Popen(command, cwd=ROOT, env=environment)

    crops = (Path(__file__).with_name("write_crops.py"), pack, work / "crops", args.device)
    process = start(*crops, args.files)
    try:
        process.wait(timeout=12 * args.minutes)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    if not any((work / "crops").glob("*.safetensors")):
        sys.exit("No file of crops was written, so there is nothing to train on; see above why.")
    config = work / args.config.name
    text = args.config.read_text()
    lpips = (pack / "lpips_alex_v0.1.pt").as_posix()
    config.write_text(text.replace('lpips = ""', f'lpips = "{lpips}"'))
    left = args.minutes - (time.monotonic() - began) / 60
    ending = ("--until", args.until) if args.until else ()
    shards = ("--shard-mib", SHARD_MIB)
    process = start(
        *("-m", "rife_video.rife_core.cli", "train", config, "--out", work / "run"),
        *("--device", args.device, "--minutes", f"{left:.2f}", "--fit"),
        *("--start", ROOT / "weights" / "default.safetensors", *shards, *ending),
    )
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=LOOK_SECONDS)
        bring_home(work / "run", out)
    return process.returncode


def bring_home(run: Path, out: Path) -> None:
    """Copies what is worth the road, where the run has written it anew; each file is whole."""
    # The package has its name only once `prepare` has given it.
    from rife_video.rife_core.basics.shards import write_shards
    from rife_video.rife_core.basics.whole_file import whole_file

    saves = len(list(out.glob("weights-*.000")))
    latest, new = (f"weights-{number}.safetensors" for number in (saves - 1, saves))
    if written := newer(run / WEIGHTS, out / f"{latest}.000"):
        first, *_ = write_shards(out / new, in_half(run / WEIGHTS), SHARD_MIB * 2**20)
        os.utime(first, ns=(written, written))
    for name in OTHERS:
        if written := newer(run / name, out / name):
            with whole_file(out / name) as part:
                part.write_bytes((run / name).read_bytes())
                os.utime(part, ns=(written, written))


def newer(source: Path, copy: Path) -> int:
    """When `source` was written, ns; 0 where there is none, or `copy` is as old."""
    written = source.stat().st_mtime_ns if source.exists() else 0
    return 0 if copy.exists() and copy.stat().st_mtime_ns == written else written


def in_half(path: Path) -> bytes:
    """Weights in half precision; what is no number in floating point stays as it is."""
    with safe_open(path, "pt") as weights:
        tensors = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118
        half = {
            name: each.half() if torch.is_floating_point(each) else each
            for name, each in tensors.items()
        }
        return save(half, weights.metadata())


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
