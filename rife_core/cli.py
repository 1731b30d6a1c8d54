"""The `rife-video` command: one table of subcommands, each in a module of its own.

A command's module has `add_arguments(parser)` and `run(args) -> int`; it is
imported only when its command is called.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

_PACKAGE = __package__.rpartition(".")[0] if __package__ else ""
_INTERRUPTED = 130


class Command(NamedTuple):
    """One subcommand."""

    help: str
    module: str


COMMANDS: dict[str, Command] = {
    "interpolate": Command("make a video smoother", ".rife_core.commands.interpolate"),
    "run": Command("run a saved workflow without a server", ".workflows.local"),
    "queue": Command("run a saved workflow on ComfyUI servers", ".workflows.client"),
    "sample": Command("paint a short clip to try things on", ".rife_core.commands.sample"),
    "strip": Command("show source and made frames in one picture", ".rife_core.commands.strip"),
    "models": Command("list the weights that can be loaded", ".rife_core.commands.models"),
    "train": Command("train a network", ".rife_core.commands.train"),
    "evaluate": Command("measure weights on real clips", ".rife_core.commands.evaluate"),
    "bench": Command("time it beside its peers", ".rife_core.commands.bench"),
    "adapt": Command("fine-tune weights on one clip", ".rife_core.commands.adapt"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status.

    Errors that a person can do something about are printed as a sentence.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="rife-video", description="Video frame interpolation with RIFE."
    )
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    called = next((word for word in argv if not word.startswith("-")), None)
    run = None
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        if name == called:
            module = import_module(command.module, _PACKAGE)
            module.add_arguments(subparser)
            run = module.run
    args = parser.parse_args(argv)
    assert run is not None, "argparse accepts the commands of the table only"
    try:
        return run(args)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"rife-video {called}: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
