"""Arguments that say which network makes the frames, and how it is run."""

from __future__ import annotations

import argparse

from ..checkpoints.rife import DEFAULT
from ..engine.memory_plan import GIB
from ..engine.options import AUTO as AUTO_SCALE
from ..engine.options import MOST_AT_ONCE, SCALES, UNSURE, Options, Scale
from ..engine.scenes import SceneRules
from ..inference.backends import AUTO, BACKEND_NAMES, set_backend
from ..inference.precision import (
    PRECISIONS,
    default_device,
    find_device,
    resolve_precision,
    set_precision,
)
from ..inference.rife import RIFE
from ..inference.sampling import SAMPLINGS, set_sampling
from .values import at_least, device, whole
from .weights import add_model, load_chosen


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which network, where, and at what price."""
    add_model(parser, "--model", default=DEFAULT, help="the network (default: default)")
    add_scale(parser)
    parser.add_argument(
        "--ensemble", action="store_true", help="average two estimates: slower, a little better"
    )
    add_sampling(parser)
    parser.add_argument(
        "--unsure",
        choices=UNSURE,
        default="blend",
        help="what to show where the motion was not understood: blend, what the network makes "
        "of both frames; hold, the earlier source frame; nearest, the nearer one (default: blend)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="in what numbers the network computes (default: auto, bf16 where that is faster)",
    )
    parser.add_argument(
        "--backend",
        choices=BACKEND_NAMES,
        default=AUTO,
        help="what runs the network; all but auto and eager compile first (default: CUDA graphs "
        "on CUDA, plain PyTorch elsewhere)",
    )
    parser.add_argument(
        "--batch-size",
        type=whole(0, MOST_AT_ONCE),
        default=0,
        help="frames made at once (default: automatic)",
    )
    parser.add_argument(
        "--max-memory",
        type=at_least(0),
        default=0,
        metavar="GIB",
        help="memory that making frames may take; smaller tiles are used below it "
        "(default: no limit)",
    )
    parser.add_argument("--device", type=device, help="cpu, cuda or mps (default: the best)")


def add_scale(parser: argparse.ArgumentParser) -> None:
    """The argument that says at which size motion is estimated."""

    def scale(text: str) -> Scale:
        return AUTO_SCALE if text == AUTO_SCALE else float(text)

    parser.add_argument(
        "--scale",
        type=scale,
        choices=SCALES,
        default=AUTO_SCALE,
        help="size at which motion is estimated: 0.5 for 4K or fast motion, 2 for small frames "
        "(default: auto, which is 1, and less for pairs with motion too large for that)",
    )


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """The argument that says how frames are sampled for the blend."""
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default=AUTO,
        help="how the two frames are sampled for the blend: bicubic makes frames of published "
        "networks without refinement sharper (default: auto, as each was published; the bundled "
        "one is bicubic)",
    )


def network_of(args: argparse.Namespace) -> RIFE:
    """The network that the arguments of `add_network` name, ready on its device."""
    network = load_chosen(args.model, args.models)
    set_sampling(network, args.sampling)
    device = args.device or str(default_device())
    find_device(device)
    set_precision(network, resolve_precision(args.precision, device))
    set_backend(network.to(device), args.backend)
    return network


def options_of(args: argparse.Namespace, scenes: SceneRules) -> Options:
    """The engine's options, with the rules for cuts and repeats."""
    return Options(
        scenes=scenes,
        scale=args.scale,
        ensemble=args.ensemble,
        batch_size=args.batch_size,
        max_memory=int(args.max_memory * GIB),
        unsure=args.unsure,
    )
