"""What a coarser scale does for large motion, and how well it is chosen.

    python tests/benchmarks/scales.py WEIGHTS FOLDER...

Folders hold clips, as videos or as folders of frames. Of each clip the middle of one random
triplet, 3 to 8 frames apart, is made at scale 1, 1/2 and 1/4. The table gives the mean PSNR of
each, of the best of the three, and of the one that the engine's rule chooses for several
values of `scheduler.AGREED`.
"""

import random
import sys
from itertools import islice
from pathlib import Path

import torch
from rife_video.rife_core.checkpoints.rife import find_weights, load_rife
from rife_video.rife_core.engine.scheduler import COARSER
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.training.clips import (
    ClipTriplets,
    clip_frames,
    clip_length,
    is_triplet_cut,
)

GAPS = (3, 4, 6, 8)
SEED = 3


def triplet(clip, chance):
    """Three frames of a clip, 1 3 H W, or None where it has none without a cut."""
    count = clip_length(clip)
    gap = min(chance.choice(GAPS), (count - 1) // 2)
    if gap < 1:
        return None
    start = chance.randrange(count - 2 * gap)
    frames = [f.permute(2, 0, 1)[None] for f in islice(clip_frames(clip, start, gap), 3)]
    return None if is_triplet_cut(*(frame[0] for frame in frames)) else frames


@torch.inference_mode()
def tries(network, img0, gt, img1):
    """PSNR and mean disagreement at each scale."""
    height, width = gt.shape[-2:]
    found = []
    for scale in (1.0, *COARSER):
        sides = (network.prepare(img, scale) for img in (img0, img1))
        made = network.synthesize(*sides, 0.5, scale)
        apart = made.estimate.disagreement()[..., :height, :width].mean()
        found.append((float(psnr(made.image[..., :height, :width], gt)), float(apart)))
    return found


def chosen(found, agreed):
    """PSNR of what the engine would take."""
    return found[0][0] if found[0][1] <= agreed else min(found, key=lambda one: one[1])[0]


def main(weights, *folders):
    network = load_rife(find_weights(weights, []))
    chance = random.Random(SEED)
    clips = ClipTriplets([Path(folder) for folder in folders], 64, SEED).sources
    triplets = filter(None, (triplet(clip, chance) for clip in clips))
    rows = [tries(network, *frames) for frames in triplets]
    policies = {
        "scale 1": lambda found: found[0][0],
        **{f"scale {s}": lambda found, i=i: found[i][0] for i, s in enumerate(COARSER, 1)},
        "the best of them": lambda found: max(found)[0],
        **{
            f"chosen, AGREED {agreed}": lambda found, agreed=agreed: chosen(found, agreed)
            for agreed in (0.0, 0.02, 0.03, 0.04, 0.06)
        },
    }
    print(f"{len(rows)} triplets\n\n| policy | PSNR, dB |\n|---|---|")
    for name, policy in policies.items():
        print(f"| {name} | {sum(map(policy, rows)) / len(rows):.2f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
