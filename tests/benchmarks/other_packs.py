"""The same weights in ComfyUI-Frame-Interpolation: how far apart the frames are, and why.

    python tests/benchmarks/other_packs.py CHECKOUT WEIGHTS CLIP...

CHECKOUT is one of Fannovel16/ComfyUI-Frame-Interpolation, WEIGHTS a file of RIFE 4.0. Of each
clip frame 9 is made of frames 8 and 10 by both, in float32 on one thread, and compared: as they
come, then with one cause of the difference taken away after the other.
"""

import sys
import time
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType

import torch
import torch.nn.functional as F
from rife_video.rife_core.benchmark.peers import importable
from rife_video.rife_core.checkpoints.rife import load_rife
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.video import VideoReader

THEIR_SIDE = 64
"""What ComfyUI-Frame-Interpolation fills frames up to, with black."""


def their_network(checkout, state):
    host, management = ModuleType("comfy"), ModuleType("comfy.model_management")
    management.get_torch_device = lambda: torch.device("cpu")
    management.soft_empty_cache = lambda: None
    host.model_management = management
    with importable(checkout, **{module.__name__: module for module in (host, management)}):
        network = import_module("vfi_models.rife.rife_arch").IFNet("4.0")
    network.load_state_dict(state, strict=False)
    network.eval()

    def between(img0, img1, *, starts_again):
        half = torch.full((1, 1, 1, 1), 0.5)
        # Its node passes (fast_mode, ensemble), which are read as (training, fast_mode) here:
        # while training, 4.0 does not start again at a coarser scale.
        return network(img0, img1, half, [8, 4, 2, 1], not starts_again, True).clamp(0, 1)

    return between


def timed(work, *arguments, **options):
    began = time.process_time()
    return work(*arguments, **options), time.process_time() - began


def main():
    checkout, weights, *clips = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    ours = load_rife(weights).eval()
    theirs = their_network(checkout, ours.state_dict())
    ours.inference(*torch.rand(2, 1, 3, 64, 64))  # fast forms are chosen in the first run
    print(
        "| clip | as they come | both start again | the same padding | no padding | ours | theirs |"
    )
    print("|---|---|---|---|---|---|---|")
    for clip in clips:
        frames = [f[None, ..., :3].movedim(-1, 1) for f in islice(VideoReader(clip), 11)]
        img0, truth, img1 = frames[8:11]
        height, width = img0.shape[-2:]
        made, seconds = timed(ours.inference, img0, img1)
        default, their_seconds = timed(theirs, img0, img1, starts_again=False)
        again = theirs(img0, img1, starts_again=True)
        filled = [F.pad(i, (0, -width % THEIR_SIDE, 0, -height % THEIR_SIDE)) for i in (img0, img1)]
        padded = ours.inference(*filled)[..., :height, :width]
        fitting = [
            i[..., : height // THEIR_SIDE * THEIR_SIDE, : width // THEIR_SIDE * THEIR_SIDE]
            for i in (img0, img1)
        ]
        fits = psnr(ours.inference(*fitting), theirs(*fitting, starts_again=True))
        apart = [psnr(made, default), psnr(made, again), psnr(padded, again), fits]
        shown = " | ".join(f"{float(db):.0f} dB" for db in apart)
        to_truth = [
            f"{float(psnr(each, truth)):.1f} dB, {t:.2f} s"
            for each, t in ((made, seconds), (default, their_seconds))
        ]
        print(f"| {clip.stem} | {shown} | {' | '.join(to_truth)} |")


if __name__ == "__main__":
    main()
