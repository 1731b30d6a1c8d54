"""A painted clip from file to file on a device: frames a second of the whole program."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from pathlib import Path

import av
from rife_video.rife_core.cli import main as rife_video
from rife_video.rife_core.video import VideoWriter
from rife_video.rife_core.video.sample_clip import FPS, frames

SIZES = {"cuda": ((1080, 1920), 49), "cpu": ((64, 96), 5)}
ENCODERS = {"libx264": (), "h264_nvenc": ("--encoder", "nvenc")}


def main(device: str, folder: str) -> int:
    """Prints a line for each encoder that this PyAV has."""
    (height, width), count = SIZES["cpu" if device == "cpu" else "cuda"]
    source, target = Path(folder) / "painted.mp4", Path(folder) / "smooth.mp4"
    with VideoWriter(source, Fraction(FPS)) as writer:
        for frame in frames(count, height, width):
            writer.write(frame)
    worst = 0
    for encoder, options in ENCODERS.items():
        if encoder not in av.codecs_available:
            print(f"| {encoder} | not in this PyAV |")
            continue
        target.unlink(missing_ok=True)
        began = time.perf_counter()
        arguments = ["interpolate", str(source), str(target), "--device", device, *options]
        code = rife_video(arguments)
        spent = time.perf_counter() - began
        worst = max(worst, code)
        if code:
            print(f"| {encoder} | ended with {code} |")
            continue
        with av.open(str(target)) as container:
            made = sum(1 for _ in container.decode(video=0))
        print(f"| {encoder} | {made} frames | {made / spent:.1f} frames a second, start included |")
    return worst


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
