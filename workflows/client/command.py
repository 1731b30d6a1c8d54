"""`rife-video queue`: the command line of the client."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .spread import LOCAL, PATIENCE, queue_workflow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `rife-video queue` takes."""
    parser.add_argument("workflow", type=Path, help="an API-format file, NAME.api.json")
    parser.add_argument("files", type=Path, nargs="*", help="one prompt is queued for each")
    parser.add_argument(
        "--server",
        action="append",
        metavar="URL",
        help=f"a ComfyUI server; give it again for more of them (default: {LOCAL})",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="change an input; NODE is an id, a title or a class",
    )
    parser.add_argument(
        "--file-input", metavar="NODE.INPUT", help="which input takes the files, if several could"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path("output"), help="for downloads (default: output)"
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="sent with every request, for servers behind a login",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="for which a server may be silent before its file goes elsewhere "
        f"(default: {PATIENCE:.0f})",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="that one prompt may take on a server (default: as long as the server is at it)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only check against the nodes the servers have"
    )


def run(args: argparse.Namespace) -> int:
    """Queues what the command line asks for, and prints what came of it."""
    headers = [header.partition(":") for header in args.header]
    outcomes = queue_workflow(
        args.workflow,
        args.files,
        servers=args.server or [LOCAL],
        settings=args.set,
        file_input=args.file_input,
        output_dir=args.output_dir,
        headers={name.strip(): value.strip() for name, _, value in headers},
        patience=args.patience,
        time_limit=args.time_limit,
        dry_run=args.dry_run,
        say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
    )
    for outcome in outcomes:
        for line in [*outcome.texts, *map(str, outcome.files)]:
            print(line)  # noqa: T201
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        print(f"{outcome.name} failed: {outcome.error}", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0
