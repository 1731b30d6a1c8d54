"""A painted clip from file to file on a device: frames a second of the whole program."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from pathlib import Path

import av
from rife_video.rife_core.cli import main as rife_video
from rife_video.rife_core.cli.doctor import state_of
from rife_video.rife_core.video import VideoWriter
from rife_video.rife_core.video.encoders import ENCODER_TABLE
from rife_video.rife_core.video.sample_clip import FPS, frames

SIZES = {"cuda": ((1080, 1920), 49), "cpu": ((96, 160), 5)}
ENCODERS = ("x264", "h264_nvenc")


def main(device: str, folder: str) -> int:
    """Prints a line for each encoder: how fast it is, or why it cannot be."""
    (height, width), count = SIZES["cpu" if device == "cpu" else "cuda"]
    source, target = Path(folder) / "painted.mp4", Path(folder) / "smooth.mp4"
    with VideoWriter(source, Fraction(FPS)) as writer:
        for frame in frames(count, height, width):
            writer.write(frame)
    worst = 0
    for encoder in ENCODERS:
        state = state_of(ENCODER_TABLE[encoder])
        if state != "works":  # the command would take another one, with a note
            print(f"| {encoder} | {state} |")
            continue
        target.unlink(missing_ok=True)
        began = time.perf_counter()
        options = ("--device", device, "--encoder", encoder)
        arguments = ["interpolate", str(source), str(target), *options]
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
