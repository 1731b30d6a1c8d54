"""`rife-video models`: which weights can be loaded, from where, and what they hold."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..checkpoints.rife import list_weights, load_rife
from ..checkpoints.tensor_files import CheckpointError
from ..networks.specs import releases_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_models_folder(parser)


def add_models_folder(parser: argparse.ArgumentParser) -> None:
    """The argument that names the folder of further weights."""
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder of weights files, such as ComfyUI/models/rife; may be given again",
    )


def run(args: argparse.Namespace) -> int:
    """Prints one line for each file: name, network, path."""
    weights = list_weights(args.models)
    for name, path in weights.items():
        shown = _printable(name)
        try:
            spec = load_rife(path).spec
            releases = releases_of(spec) or (f"{spec.version} {spec.channels}",)
            print(f"{shown}\t{', '.join(releases)}\t{_printable(str(path))}")  # noqa: T201
        except (CheckpointError, OSError) as error:  # one bad file does not end the list
            print(f"{shown}\tcannot be loaded: {_printable(str(error))}")  # noqa: T201
    if not weights:
        print("No weights found. Name a folder with --models.")  # noqa: T201
    return 0


def _printable(text: str) -> str:
    """On one line, whatever bytes a file's name holds."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
