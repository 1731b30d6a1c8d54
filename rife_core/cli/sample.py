"""`rife-video sample`: paints a short clip to try things on, with sound."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..basics.whole_file import room_for
from ..video import VideoWriter
from ..video.sample_clip import FPS, FRAMES, HEIGHT, WIDTH, frames, sound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("output", type=Path, help="the video to write")


def run(args: argparse.Namespace) -> int:
    """Paints the clip: as long, as large and as fast as a video generator's usual one."""
    with VideoWriter(room_for(args.output), FPS, audio=sound()) as writer:
        for frame in frames():
            writer.write(frame)
    print(f"{args.output}: {FRAMES} frames of {WIDTH}x{HEIGHT} at {FPS} fps.")  # noqa: T201
    return 0
