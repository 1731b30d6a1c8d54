"""How well cuts are told from motion on real clips.

    python tests/benchmarks/cuts.py CLIP CLIP...

Every clip is played alone (no cut must be found) and joined to each other one (one cut).
"""

import argparse
import time
from fractions import Fraction
from itertools import pairwise, permutations
from pathlib import Path
from types import SimpleNamespace

import torch
from rife_video.rife_core.engine.cuts import likeness, small_picture
from rife_video.rife_core.engine.scenes import SceneReport, SceneRules, spans
from rife_video.rife_core.video import VideoReader

LOOKED_AT = 12


def found(frames):
    report = SceneReport()
    sources = ((Fraction(k), SimpleNamespace(frame=frame)) for k, frame in enumerate(frames))
    for _ in spans(sources, SceneRules(at_cut="hold"), report):
        pass
    return report.cuts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    clips = {path.stem: list(VideoReader(path)) for path in parser.parse_args().clips}
    torch.set_num_threads(1)
    print("| clip | frames | cuts found | least likeness |")
    print("|---|---|---|---|")
    for name, frames in clips.items():
        small = [small_picture(frame) for frame in frames]
        least = min(likeness(*two) for two in pairwise(small))
        started = time.perf_counter()
        cuts = found(frames)
        seconds = time.perf_counter() - started
        print(f"| {name} | {len(frames)} | {cuts or 'none'} | {least:.2f} |")
    right = 0
    joins = list(permutations(clips.values(), 2))
    for first, second in joins:
        right += found(first[-LOOKED_AT:] + second[:LOOKED_AT]) == [LOOKED_AT + 1]
    print(f"\nJoined clips: {right} of {len(joins)} cuts found, and nothing else.")
    print(f"Time: {1000 * seconds / len(frames):.1f} ms a frame (last clip).")


if __name__ == "__main__":
    main()
