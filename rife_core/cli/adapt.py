"""`rife-video adapt CLIP OUTPUT`: fine-tunes weights on one clip, if that makes them better."""

from __future__ import annotations

import argparse
import math
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..basics.whole_file import room_for
from ..checkpoints.rife import DEFAULT, save_rife
from ..inference.precision import default_device
from ..training.adapt import adapt
from ..training.clips import clip_frames
from .values import above, device_here, whole
from .weights import add_model, load_chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("clip", type=Path, help="the video, or a folder of frames")
    parser.add_argument("output", type=Path, help="the weights to write: .safetensors")
    add_model(parser, "--model", default=DEFAULT, help="where to start (default: default)")
    parser.add_argument(
        "--steps", type=whole(1), default=200, help="at most so many (default: 200)"
    )
    parser.add_argument("--seconds", type=above(0), default=math.inf, help="at most so long")
    parser.add_argument("--lr", type=above(0), default=5e-5, help="learning rate (default: 5e-5)")
    parser.add_argument(
        "--frames", type=whole(3), default=200, help="read at most so many (default 200)"
    )
    parser.add_argument(
        "--device", type=device_here, default=str(default_device()), help="cpu, cuda or mps"
    )


def advance(bar: tqdm[Any], done: int) -> None:
    """Moves a progress bar to `done`."""
    bar.update(done - bar.n)


def run(args: argparse.Namespace) -> int:
    """Writes the adapted weights, or says that the original ones stay."""
    if args.output.suffix != ".safetensors":
        raise ValueError(f"{args.output.name} must end in .safetensors.")
    room_for(args.output)
    network = load_chosen(args.model, args.models).to(args.device)
    frames = list(islice(clip_frames(args.clip), args.frames))
    with tqdm(total=args.steps, unit="step", leave=False) as bar:
        outcome = adapt(
            network,
            frames,
            steps=args.steps,
            seconds=args.seconds,
            lr=args.lr,
            report=lambda done, _: advance(bar, done),
        )
    print(outcome)  # noqa: T201
    if outcome.kept:
        save_rife(outcome.network.cpu(), args.output)
        print(f"Written to {args.output}.")  # noqa: T201
    else:
        print("Nothing was written.")  # noqa: T201
    return 0
