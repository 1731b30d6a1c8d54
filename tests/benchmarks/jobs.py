"""What a job costs beside the plain command on one clip, and what two local workers bring.

    python tests/benchmarks/jobs.py [--frames 240] [--rounds 3]

The commands take turns: plain, a job of one worker, a job of two. Of each the median is told, in
wall time and in processor time with all processes that it started. On a machine that does other
work, only processor times can be compared; what two workers bring is to be read on an idle one.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from itertools import chain, cycle, islice
from pathlib import Path

from rife_video.rife_core.video import VideoWriter
from rife_video.rife_core.video.sample_clip import frames as sample_frames

PAINTED = 24  # frames; painting takes as long as interpolating


def measure(command):
    """Wall time and processor time of a command, in seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=720)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        with VideoWriter(clip, Fraction(24)) as writer:
            painted = list(sample_frames(min(args.frames, PAINTED), args.height, args.width))
            there_and_back = chain(painted, painted[-2:0:-1])
            for frame in islice(cycle(there_and_back), args.frames):
                writer.write(frame)
        command = [sys.executable, "-m", "rife_video", "interpolate", str(clip)]
        command += ["--device", "cpu"]
        halves = ["--part-frames", str(args.frames // 4)]  # all have something to do to the end
        ways = {
            "plain": lambda out: [*command, f"{out}.mp4"],
            "job": lambda out: [*command, "--output-dir", out],
            "two workers": lambda out: [
                *(*command, "--output-dir", out, *halves, "--workers", "local:2")
            ],
        }
        found = {way: [] for way in ways}
        for number in range(args.rounds):
            for way, words in ways.items():
                found[way].append(measure(words(f"{folder}/{way}{number}".replace(" ", ""))))
                wall, cpu = found[way][-1]
                print(f"{way}: {wall:.1f} s, {cpu:.1f} s of processors", flush=True)
    median = {
        way: [statistics.median(each) for each in zip(*runs, strict=True)]
        for way, runs in found.items()
    }
    print(f"\n{args.frames} frames of {args.width}x{args.height}, {cores} cores\n")
    print("| way | wall, s | beside plain | processors, s | beside plain |")
    print("| --- | --- | --- | --- | --- |")
    for way, both in median.items():
        cells = [
            f"{now:.1f} | {now / plain - 1:+.1%}"
            for now, plain in zip(both, median["plain"], strict=True)
        ]
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
