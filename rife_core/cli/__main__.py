"""`python -m rife_video.rife_core.cli`: the subcommands of `rife_core` alone."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
