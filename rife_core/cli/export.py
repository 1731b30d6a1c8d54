"""`rife-video export`: a network as an ONNX file, for programs that have no PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..basics.whole_file import room_for
from ..inference.export import export_onnx
from .weights import add_model, load_chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_model(parser, "model")
    parser.add_argument("output", type=Path, help="the file to write: .onnx")


def run(args: argparse.Namespace) -> int:
    """Writes the file and says how near its frames are."""
    if args.output.suffix != ".onnx":
        raise ValueError(f"{args.output.name} does not end in .onnx, the format that is written.")
    room_for(args.output)
    network = load_chosen(args.model, args.models).eval()
    psnr = export_onnx(network, args.output)
    spec = network.spec
    checked = "not compared: onnxruntime is not installed" if psnr is None else f"{psnr:.0f} dB"
    print(  # noqa: T201
        f"{args.output}: RIFE {spec.version}, frames 1 3 H W in [0, 1], H and W multiples of "
        f"{spec.align}; ONNX Runtime beside PyTorch: {checked}."
    )
    return 0
