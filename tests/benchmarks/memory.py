"""Peak memory of interpolating a clip in memory, beyond the clip itself.

    python tests/benchmarks/memory.py [--model NAME_OR_FILE] [--json FILE]

Clips of several lengths are interpolated, each in a process of its own. A straight
line through (size of the output, peak beyond input) tells what is paid per byte of
output, and what the network needs whatever the length.
"""

import argparse
import ctypes
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from rife_video.rife_core.checkpoints.rife import find_weights, load_rife
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from rife_video.rife_core.timeline import Timeline

HEIGHT, WIDTH = 480, 720
LENGTHS = (9, 25, 49, 97)
MIB = 2**20


def measure(model, count):
    """One clip in this process: bytes of its output, and peak beyond input."""
    network = load_rife(find_weights(model))
    set_precision(network, resolve_precision("auto", "cpu"))
    frames = torch.rand(count, HEIGHT, WIDTH, 3)
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = peak_rss()
    output = interpolate(network, frames, Timeline.multiply(2))
    return output.numel() * output.element_size(), peak_rss() - before


def peak_rss():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.count:
        print(json.dumps(measure(args.model, args.count)))
        return
    points = []
    print(f"| frames {WIDTH}x{HEIGHT} | output MiB | peak beyond input MiB | ratio |")
    print("|---|---|---|---|")
    for count in LENGTHS:
        command = [sys.executable, __file__, "--model", args.model, "--count", str(count)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        size, peak = json.loads(printed)
        points.append((size, peak))
        print(f"| {count} | {size / MIB:.0f} | {peak / MIB:.0f} | {peak / size:.2f} |")
    slope, rest = np.polyfit(*zip(*points, strict=True), 1)
    print(f"\nPer byte of output: {slope:.3f}. Whatever the length: {rest / MIB:.0f} MiB.")
    if args.json:
        result = {"model": args.model, "points": points, "per_byte": slope, "fixed": rest}
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
