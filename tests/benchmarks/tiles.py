"""How far made frames in tiles are from whole ones, for several overlaps.

python tests/benchmarks/tiles.py CLIP... [--model NAME_OR_FILE]
"""

import argparse
from itertools import islice
from pathlib import Path

import torch
from rife_video.rife_core.checkpoints.rife import find_weights, load_rife
from rife_video.rife_core.engine import loop as engine
from rife_video.rife_core.engine import tiling
from rife_video.rife_core.engine.memory_plan import Plan
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import VideoReader

OVERLAPS = (128, 192, 256, 320)
BEYOND_OVERLAP = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    network = load_rife(find_weights(args.model))
    double = Timeline.multiply(2)
    print("| clip | overlap | largest difference of 255 | pixels above 1 of 255 |")
    print("|---|---|---|---|")
    for clip in args.clips:
        frames = torch.stack(list(islice(VideoReader(clip), 2)))
        whole = engine.interpolate(network, frames, double)[1]
        for overlap in OVERLAPS:
            tiling.OVERLAP = overlap
            plan = Plan(torch.device("cpu"), *frames.shape[1:3], 1, overlap + BEYOND_OVERLAP)
            tiled = engine.interpolate(network, frames, double, plan=plan)[1]
            apart = (tiled - whole).abs().amax(-1) * 255
            share = (apart > 1).float().mean()
            print(f"| {clip.stem} | {overlap} | {apart.max():.2f} | {share:.3%} |")


if __name__ == "__main__":
    main()
