"""`rife-video evaluate WEIGHTS CLIP...`: scores on frames left out, beside baselines."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..checkpoints.rife import find_weights, load_rife
from ..inference.precision import PRECISIONS, default_device, resolve_precision, set_precision
from ..losses.lpips import LPIPS
from ..losses.pretrained import MissingWeightsError
from ..training.evaluation import baselines, evaluate, markdown, network_method, picture
from .adapt import advance
from .interpolate import add_scale
from .models import add_models_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("weights", help="name of the weights, or path of a file")
    parser.add_argument("clips", type=Path, nargs="+", help="videos or folders of frames")
    add_models_folder(parser)
    parser.add_argument("--frames", type=int, default=200, help="read at most so many of each clip")
    parser.add_argument("--no-baselines", action="store_true", help="measure the weights alone")
    parser.add_argument("--table", type=Path, help="also write the table to this file (Markdown)")
    parser.add_argument("--picture", type=Path, help="write a bar chart to this file (SVG)")
    add_scale(parser)
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument("--device", default=str(default_device()), help="cpu, cuda or mps")


def run(args: argparse.Namespace) -> int:
    """Prints the table: PSNR, SSIM and, where its weights are there, LPIPS."""
    network = load_rife(find_weights(args.weights, args.models))
    set_precision(network, resolve_precision(args.precision, args.device))
    network.to(args.device)
    methods = {"RIFE": network_method(network, args.scale)} | (
        {} if args.no_baselines else baselines()
    )
    try:
        distance = LPIPS().eval()
    except MissingWeightsError:
        distance = None
    with tqdm(total=len(args.clips) * len(methods), unit="run", leave=False) as bar:
        table = evaluate(
            methods, args.clips, args.frames, distance, lambda done, _: advance(bar, done)
        )
    text = markdown(table)
    print(text, end="")  # noqa: T201
    if args.table:
        args.table.write_text(text)
    if args.picture:
        args.picture.write_text(picture(table))
    return 0
