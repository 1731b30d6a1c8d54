"""`rife-video crops`: crops of real clips beside the flow of teacher networks, to train on."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..inference.precision import default_device, resolve_precision, set_precision
from ..training.taught import PER_FILE, Teacher, write_crops
from .values import device_here, whole
from .weights import add_model, load_chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("clips", type=Path, nargs="+", help="videos, or folders that hold some")
    parser.add_argument("--out", type=Path, required=True, help="folder for the crops")
    add_model(
        parser,
        "--teacher",
        action="append",
        required=True,
        metavar="MODEL[@SCALE]",
        help="a network, and the scale at which it looks; may be given again: each pixel keeps "
        "the flow of the one that interpolates it best",
    )
    parser.add_argument(
        "--files", type=whole(1), default=60, help=f"of {PER_FILE} crops each (default: 60)"
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**31 - 1), default=0, help="decides which crops are taken"
    )
    parser.add_argument(
        "--device", type=device_here, default=str(default_device()), help="cpu, cuda or mps"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the crops that are not there yet."""
    teachers = [_teacher(text, args) for text in args.teacher]
    with tqdm(total=args.files, unit="file") as bar:

        def report(done: int, _: int) -> None:
            bar.update(done - bar.n)

        write_crops(args.out, args.clips, teachers, args.files, args.seed, report)
    return 0


def _teacher(text: str, args: argparse.Namespace) -> Teacher:
    name, _, scale = text.partition("@")
    network = load_chosen(name, args.models).eval().to(args.device)
    set_precision(network, resolve_precision("auto", args.device))
    return Teacher(network, float(scale or 1))
