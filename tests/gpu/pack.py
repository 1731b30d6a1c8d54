"""Packs what a bare machine with an accelerator lacks: clips, teachers, LPIPS, wheels.

    python tests/gpu/pack.py output/gpu-pack --clips CLIPS --teacher 4.0 \
        --teacher 3.8 --lpips lpips_alex_v0.1.pt --wheels WHEELS --most-mib 45

Weights travel in half precision, clips as they are: the most varied first, one of each origin
(the part of a name before its first underscore) in turn, until the pack is full.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import torch
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.cli.weights import load_chosen

MIB = 2**20


def chosen(clips: Sequence[Path], room: int) -> list[Path]:
    """Clips of as many origins as fit into `room` bytes, in turn."""
    origins: dict[str, list[Path]] = defaultdict(list)
    for clip in sorted(clips):
        origins[clip.name.partition("_")[0]].append(clip)
    taken: list[Path] = []
    for turn in zip_longest(*origins.values()):
        for clip in turn:
            if clip is not None and clip.stat().st_size <= room:
                taken.append(clip)
                room -= clip.stat().st_size
    return taken


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pack; says how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument(
        "--teacher", action="append", required=True, help="a model, such as 4.0; may be given again"
    )
    parser.add_argument("--lpips", type=Path, required=True, help="lpips_alex_v0.1.pt")
    parser.add_argument("--wheels", type=Path, help="folder of wheels")
    parser.add_argument("--most-mib", type=float, default=45)
    args = parser.parse_args(arguments)
    shutil.rmtree(args.out, ignore_errors=True)
    (args.out / "clips").mkdir(parents=True)
    (args.out / "teachers").mkdir()
    for name in args.teacher:
        teacher = load_chosen(name, ())
        save_rife(teacher.half(), args.out / "teachers" / f"{teacher.spec.version}.safetensors")
    weights = torch.load(args.lpips, weights_only=True)
    for layer in weights["trunk"]:
        layer["weight"] = layer["weight"].half()
    torch.save(weights, args.out / "lpips_alex_v0.1.pt")
    if args.wheels:
        shutil.copytree(args.wheels, args.out / "wheels")
    room = args.most_mib * MIB - size(args.out)
    clips = chosen(list(args.clips.glob("*.mp4")), int(room))
    if not clips:
        parser.error(
            f"--most-mib {args.most_mib:g} leaves {max(room, 0) / MIB:.1f} MiB for clips, and "
            f"{args.clips} holds no .mp4 that is so small; give more room or smaller clips."
        )
    for clip in clips:
        shutil.copy(clip, args.out / "clips" / clip.name)
    print(f"{args.out}: {len(clips)} clips, {size(args.out) / MIB:.1f} MiB in all.")
    return 0


def size(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
