"""Makes the weighted mean of several sets of weights, in half precision, as the bundled ones are.

    python tests/gpu/average.py MEAN.safetensors weights-0.safetensors weights-1.safetensors*2

A file that came home in shards (see `train.py`) is named without their numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rife_video.rife_core.basics.shards import files_of
from rife_video.rife_core.checkpoints.rife import load_rife, save_rife
from rife_video.rife_core.inference.rife import RIFE


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("weights", nargs="+", metavar="FILE[*WEIGHT]")
    args = parser.parse_args(arguments)
    named = [text.partition("*")[::2] for text in args.weights]
    networks = [(joined(Path(path)), float(weight or 1)) for path, weight in named]
    total = sum(weight for _, weight in networks)
    mean = networks[0][0]
    with torch.no_grad():
        for name, parameter in mean.named_parameters():
            parts = [weight * network.get_parameter(name) for network, weight in networks]
            parameter.copy_(torch.stack(parts).sum(0) / total)
    save_rife(mean.half(), args.out)
    return 0


def joined(path: Path) -> RIFE:
    """The network in a file, or in the shards of one."""
    if not path.exists():
        path.write_bytes(b"".join(shard.read_bytes() for shard in files_of(path)))
    return load_rife(path)


if __name__ == "__main__":
    sys.exit(main())
