"""Peak memory of interpolating a file, for a short clip and a long one.

    python tests/benchmarks/streaming.py [--seconds 2 600] [--size 320x180] [--fps 10]

Clips are painted, then doubled by a tiny network, each in a process of its own. The
peaks are to be the same: a file's length must not cost memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from rife_video.rife_core.files.convert import interpolate_file
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import get_spec
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import VideoWriter

MIB = 2**20
RATE = 16000  # hertz
PIECE = 2  # seconds
CHANNELS = (4, 4, 4, 4)


def paint(path, seconds, width, height, fps):
    """A clip of drifting waves, with sound; two seconds of it again and again."""
    x = torch.linspace(0, 12, width)[None, :, None]
    y = torch.linspace(0, 7, height)[:, None, None]
    phase = torch.tensor([0.0, 2.0, 4.0])
    sound = {"waveform": 0.1 * torch.randn(1, 2, RATE * seconds), "sample_rate": RATE}
    piece = path.with_name("piece.mp4")
    with VideoWriter(piece, fps) as writer:
        for index in range(PIECE * fps):
            writer.write(0.5 + 0.5 * torch.sin(x + y * 0.5 + phase + index / 9))
    with VideoWriter(path, fps, audio=sound) as writer:
        for _ in range(seconds // PIECE):
            writer.append(piece)


def measure(source, result):
    """Doubles one clip in this process."""
    torch.manual_seed(0)
    network = RIFE(replace(get_spec("4.22.lite"), channels=CHANNELS), teacher=False).eval()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    began = time.perf_counter()
    report = interpolate_file(network, source, result, Timeline.multiply(2))
    return report.frames, peak_rss(), time.perf_counter() - began


def peak_rss():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell the peak of a process")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, nargs="+", default=[2, 600])
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--measure", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return
    width, height = map(int, args.size.split("x"))
    print(f"| clip {args.size}, {args.fps} fps | frames written | seconds | peak MiB |")
    print("|---|---|---|---|")
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in args.seconds:
            source, result = Path(folder, "in.mp4"), Path(folder, "out.mp4")
            paint(source, seconds, width, height, args.fps)
            command = [sys.executable, __file__, "--measure", str(source), str(result)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            printed = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            ).stdout
            frames, peak, took = json.loads(printed)
            peaks.append(peak)
            print(f"| {seconds} s | {frames} | {took:.0f} | {peak / MIB:.0f} |", flush=True)
    print(f"\nThe longest takes {(peaks[-1] - peaks[0]) / MIB:+.1f} MiB.")


if __name__ == "__main__":
    main()
