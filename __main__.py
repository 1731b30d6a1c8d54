"""The `rife-video` command: the subcommands of `rife_core`, and those that run workflows."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .rife_core import cli
from .workflows import commands

COMMANDS = {**cli.COMMANDS, **commands.COMMANDS}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    return cli.main(argv, COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
