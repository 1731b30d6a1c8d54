"""`rife-video train CONFIG.toml`: trains a network from a configuration, or goes on with it.

Where several processes are started by torchrun, they share the work.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist

from ..basics.environment import whole_number
from ..inference.precision import find_device
from ..training.batches import clips_of
from ..training.config import load_config
from ..training.trainer import Trainer
from .values import MOST_THREADS, above, device_here, whole
from .weights import add_model, load_chosen

_MOST = 2**20  # processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("config", type=Path, help="the training, a TOML file")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for state, weights, log and curve; a state there is gone on with "
        "(default: runs/NAME-OF-CONFIG)",
    )
    parser.add_argument("--device", type=device_here, help="cpu, cuda or mps (default: the best)")
    parser.add_argument(
        "--threads", type=whole(1, MOST_THREADS), help="threads of the network on a CPU"
    )
    add_model(parser, "--start", help="where to start")
    parser.add_argument("--until", type=whole(0), help="stop after this step")
    parser.add_argument(
        "--minutes", type=above(0), default=float("inf"), help="stop after this time"
    )
    parser.add_argument(
        "--fit",
        action="store_true",
        help="give the last stage as many steps as --minutes allows, so that its learning rate "
        "has fallen at the end",
    )
    parser.add_argument(
        "--shard-mib",
        type=whole(0),
        default=0,
        help="write the state in files of at most this size, for places that take no larger ones",
    )


def run(args: argparse.Namespace) -> int:
    """Trains until the end, the step or the time that was asked for."""
    config = load_config(args.config)
    if args.fit and args.minutes == float("inf"):
        raise ValueError("--fit needs --minutes: the time that the steps are to fit into.")
    if args.threads:
        torch.set_num_threads(args.threads)
    processes = whole_number("WORLD_SIZE", 1, _MOST, 1)
    rank = whole_number("LOCAL_RANK", 0, _MOST, 0)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda":
        device = f"cuda:{rank}"
        find_device(device)
        torch.cuda.set_device(rank)
        torch.backends.cudnn.benchmark = True
    if processes > 1:
        _check_meeting_place(processes)
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    out = args.out or Path("runs") / args.config.stem
    trainer = Trainer(
        config,
        out,
        device,
        clips=clips_of(config, args.config.parent, device),
        start=load_chosen(args.start, args.models) if args.start else None,
        shard_bytes=args.shard_mib << 20,
    )
    trainer.run(args.until, args.minutes * 60, fit=args.fit)
    if dist.is_initialized():
        dist.destroy_process_group()
    return 0


def _check_meeting_place(processes: int) -> None:
    """Raises ValueError unless torchrun's variables say where the processes meet."""
    whole_number("RANK", 0, processes - 1)
    whole_number("MASTER_PORT", 1, 65535)
    if not os.environ.get("MASTER_ADDR"):
        raise ValueError(
            f"The environment variable MASTER_ADDR is not set, but WORLD_SIZE is {processes}; "
            "start several processes by torchrun, which sets both."
        )
