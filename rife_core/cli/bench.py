"""`rife-video bench`: this project and its peers, timed side by side."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from ..basics.whole_file import content_of, room_for, text_of, unread, write_whole
from ..benchmark.cases import ROWS, SIZES, cases, network_of
from ..benchmark.contenders import Contender, Reference, own, parse_peer
from ..benchmark.end_to_end import end_to_end, start_up
from ..benchmark.harness import (
    BenchSettings,
    Result,
    as_json,
    machine,
    measure,
    measure_rates,
    public_command,
    with_shares,
)
from ..benchmark.peers import PEERS
from ..benchmark.tables import keeping_hand_written, markdown, picture
from ..benchmark.workers import ContenderError
from ..inference.backends import EAGER
from ..inference.precision import PRECISIONS, default_device, precision_name, resolve_precision
from ..video import VideoReader
from .values import MOST_THREADS, device_here, whole
from .weights import add_model, chosen_file

_MAX_BYTES = 64 * 2**20  # of the file of earlier runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""

    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    def numbers(text: str) -> list[int]:
        return [int(number) for number in names(text)]

    def listed(option: str, default: str, text: str, kind: Any = names) -> None:
        shown = f"{text} (default: {default})"
        parser.add_argument(option, type=kind, default=default, metavar="A,B", help=shown)

    listed("--rows", ",".join(ROWS), "networks; default means the bundled weights")
    listed("--sizes", "480p", f"{', '.join(SIZES)} or WIDTHxHEIGHT")
    listed("--multipliers", "2", "output frames for each source frame", numbers)
    listed("--precisions", "auto", f"of this project: {', '.join(PRECISIONS)}")
    listed("--backends", EAGER, "of this project")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help=f"a checkout to time too: {', '.join(PEERS)}; may be given again",
    )
    add_model(
        parser,
        "--weights",
        action="append",
        default=[],
        metavar="ROW=MODEL",
        help="weights of a row (default: random ones); may be given again",
    )
    parser.add_argument("--frames", type=int, default=5, help="source frames (default: 5)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--clip", type=Path, help="take the frames from this video")
    parser.add_argument(
        "--end-to-end", type=Path, metavar="CLIP", help="time whole programs on this video too"
    )
    parser.add_argument("--start-up", action="store_true", help="time the way to the first frame")
    parser.add_argument(
        "--device", type=device_here, default=str(default_device()), help="cpu, cuda or mps"
    )
    parser.add_argument(
        "--resident", action="store_true", help="frames lie on the device before the clock starts"
    )
    parser.add_argument(
        "--threads",
        type=whole(0, MOST_THREADS),
        default=0,
        help="for PyTorch (default: its choice)",
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--table", type=Path, help="write tables to this file (Markdown)")
    parser.add_argument("--picture", type=Path, help="write a bar chart to this file (SVG)")
    parser.add_argument(
        "--append", action="store_true", help="keep the runs that the JSON file holds"
    )
    parser.set_defaults(command_line=sys.argv[1:])


def run(args: argparse.Namespace) -> int:
    """Prints the tables, and writes what was asked for."""
    if args.frames < 2 or args.rounds < 1:
        raise ValueError("--frames must be 2 or more, --rounds 1 or more.")
    if args.append and not args.json:
        raise ValueError("--append needs --json, the file that holds the earlier runs.")
    for written in filter(None, (args.json, args.table, args.picture)):
        room_for(written)
    if args.clip:
        VideoReader(args.clip)  # one that cannot be read is told before the long run
    if args.threads:
        torch.set_num_threads(args.threads)
    before = _runs_of(args.json) if args.append else []
    old_table = _text_of(args.table) if args.table else ""
    runs = [*before, _run(args)]
    if args.json:
        write_whole(args.json, json.dumps({"runs": runs}, indent=1) + "\n")
    text = markdown(runs)
    if args.table:
        write_whole(args.table, keeping_hand_written(text, old_table))
    if args.picture:
        write_whole(args.picture, picture([entry for each in runs for entry in each["results"]]))
    print(text if not before else markdown(runs[-1:]), end="")  # noqa: T201
    return 0


def _runs_of(path: Path) -> list[dict[str, Any]]:
    """The runs in a file that an earlier call wrote."""
    try:
        runs = json.loads(content_of(path, _MAX_BYTES))["runs"]
        markdown(runs)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} holds no runs of this command ({unread(error)}).") from None
    return runs


def _text_of(path: Path) -> str:
    """What an earlier call wrote, and hands below it; empty where there is no such file."""
    return text_of(path, _MAX_BYTES) if path.is_file() else ""


def _run(args: argparse.Namespace) -> dict[str, Any]:
    table = cases(args.rows, args.sizes, args.multipliers)
    contenders = _contenders(args)
    weights = _weights(args)
    for row in args.rows:
        network_of(row, weights.get(row))  # an unknown row or file is told before the long run
    settings = BenchSettings(
        args.frames, args.rounds, args.device, args.threads, args.resident, args.clip, weights
    )
    found: dict[str, Any] = {
        "command": public_command(args.command_line),
        "machine": machine(args.device),
        "rates": {"gflops": {}, "gbytes": 0},
        "results": [],
        "end_to_end": [],
        "start_up": {},
    }
    precisions = sorted({contender.precision for contender in contenders})
    rates, results = None, list[Result]()
    for case in table:
        # Before every case: what else the machine does may hide what it can do.
        measured = measure_rates(precisions, args.device)
        rates = rates.better(measured) if rates else measured
        try:
            results += measure(case, contenders, settings, _tell)
        except ContenderError as error:
            raise ValueError(f"{case}: the reference cannot run: {error}") from None
    if rates:
        found["results"] = as_json(with_shares(results, rates))
        found["rates"] = {
            "gflops": {name: round(rate / 1e9, 1) for name, rate in rates.flop.items()},
            "gbytes": round(rates.bytes / 1e9, 1),
        }
    if args.end_to_end:
        whole = (args.rows, args.end_to_end, contenders, args.multipliers[0], args.rounds)
        place = (args.device, args.threads)
        found["end_to_end"] = end_to_end(*whole, *place, weights, _tell)
    if args.start_up:
        _tell("start-up")
        found["start_up"] = start_up(args.rounds, args.device)
    return found


def _contenders(args: argparse.Namespace) -> list[Contender]:
    """The reference, this project in every backend and precision, the peers."""
    precisions = dict.fromkeys(_named(name, args.device) for name in args.precisions)
    ours = [own(backend, name) for backend in args.backends for name in precisions]
    return [Reference("reference"), *ours, *map(parse_peer, args.peer)]


def _named(precision: str, device: str) -> str:
    """The name of the format that "auto" means here."""
    return precision_name(resolve_precision(precision, device))


def _weights(args: argparse.Namespace) -> dict[str, str]:
    for text in args.weights:
        if not all(text.partition("=")):
            raise ValueError(f"--weights is {text!r}; it must be ROW=MODEL.")
    chosen = dict(text.split("=", 1) for text in args.weights)
    return {row: chosen_file(name, args.models)[0] for row, name in chosen.items()}


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)  # noqa: T201
