"""The command, with workers that hold the parts they make: python -m cluster.held_driver."""

import sys

from cluster.held import open_held
from rife_video.__main__ import main
from rife_video.rife_core.files.jobs import drive

if __name__ == "__main__":
    drive.open_maker = open_held
    sys.exit(main(sys.argv[1:]))
