"""`rife-video strip`: source frames and the frames interpolated between them, in one picture."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from ..basics.whole_file import room_for, write_whole
from ..charts.strip import resized, strip
from ..video import VideoReader, encode_png
from .values import whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("source", type=Path, help="the clip before")
    parser.add_argument("result", type=Path, help="the clip with twice the frames")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--start", type=whole(0), default=0, help="first source frame (default: 0)")
    parser.add_argument(
        "--frames", type=whole(2), default=4, help="source frames shown (default: 4)"
    )
    parser.add_argument("--width", type=whole(1), default=320, help="of each frame (default: 320)")


def run(args: argparse.Namespace) -> int:
    """Writes the picture."""
    room_for(args.picture)
    before = list(islice(VideoReader(args.source), args.start, args.start + args.frames))
    first = 2 * args.start
    after = list(islice(VideoReader(args.result), first, first + 2 * len(before) - 1))
    if len(before) < 2 or len(after) < 2 * len(before) - 1:
        raise ValueError(
            f"From frame {args.start} on, {args.source.name} has {len(before)} frames and "
            f"{args.result.name} has {len(after)}; at least 2 and 3 are needed."
        )
    picture = strip(*([resized(f, args.width) for f in row] for row in (before, after[1::2])))
    write_whole(args.picture, encode_png(picture))
    print(f"{args.picture}: above {len(before)} source frames, below those between.")  # noqa: T201
    return 0
