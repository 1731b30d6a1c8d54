"""Trains the default weights on an accelerator, unattended, from a pack (see `pack.py`).

    python tests/gpu/train.py output/gpu-pack --out OUT --minutes 9

Crops with the teacher's flow are written first, for at most a fifth of the time (OpenCV reads
the clips, so that PyAV need not travel); then
`weights/default.gpu.toml` is trained from the bundled weights, with everything on the device.
The state is written in shards of 15 MiB at the end and every two minutes before it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from prove import ROOT, prepare

CONFIG = ROOT / "weights" / "default.gpu.toml"
SHARD_MIB = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs both commands; the exit code is that of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--files", type=int, default=80, help="files of crops")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--until", type=int, help="stop after this step")
    args = parser.parse_args(arguments)
    began, pack, out = time.monotonic(), args.pack.resolve(), args.out.resolve()
    wheels = pack / "wheels"
    environment = prepare(out, wheels if wheels.is_dir() else None)

    def run(*options: object, seconds: float | None = None) -> int:
        command = [sys.executable, *map(str, options)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.wait()

    crops = (Path(__file__).with_name("write_crops.py"), pack, out / "crops", args.device)
    run(*crops, args.files, seconds=12 * args.minutes)
    config = out / args.config.name
    text = args.config.read_text()
    lpips = (pack / "lpips_alex_v0.1.pt").as_posix()
    config.write_text(text.replace('lpips = ""', f'lpips = "{lpips}"'))
    left = args.minutes - (time.monotonic() - began) / 60
    ending = ("--until", args.until) if args.until else ()
    shards = ("--shard-mib", SHARD_MIB)
    return run(
        *("-m", "rife_video.rife_core.cli", "train", config, "--out", out / "run"),
        *("--device", args.device, "--minutes", f"{left:.2f}"),
        *("--start", ROOT / "weights" / "default.safetensors", *shards, *ending),
    )


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
