"""`rife-video preview`: three interpolated frames of a clip as one picture, before a long run."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from ..basics.whole_file import room_for, write_whole
from ..files.clip import Clip
from ..files.preview import NO_PIPE, PLACES, Preview, preview
from ..files.timing import Timing
from ..video import PIPE, EncoderRequest, encode_png
from .clips import add_source, source_of
from .network import add_network, network_of, options_of
from .timing import add_timing

_AS_IF = "preview.mp4"  # what the clip is read for: without transparency, in display light


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_source(parser)
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument(
        "--places",
        choices=PLACES,
        default=PLACES[0],
        help="where to look: where most moves, or evenly spread (default: motion)",
    )
    parser.add_argument(
        "--width", type=int, default=480, help="of each frame in the picture (default: 480)"
    )
    add_timing(parser)
    add_network(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the picture and says how long the run would take."""
    if args.picture.suffix.lower() != ".png":
        raise ValueError(f"The picture is {args.picture.name}; its name must end in .png.")
    if args.width < 1:
        raise ValueError(f"--width is {args.width}; it must be 1 or more.")
    room_for(args.picture)
    if args.input == PIPE:
        raise ValueError(NO_PIPE)
    asked = Timing.of(args)
    reader = source_of(args, _AS_IF, EncoderRequest(), skip_damaged=asked.finds_frames)
    timeline, scenes = asked.timeline(reader.fps), asked.scenes
    reader.check()
    clip = Clip.of(reader, timeline, scenes.replaced)
    options = options_of(args, scenes)
    made = preview(network_of(args), clip, options, places=args.places, width=args.width)
    write_whole(args.picture, encode_png(made.picture))
    _tell(args.picture, made, clip.total, reader.fps if args.slow_motion else clip.fps)
    return 0


def _tell(picture: Path, made: Preview, total: int | None, fps: Fraction) -> None:
    pairs = ", ".join(f"{first}-{first + 1}" for first in made.pairs)
    print(  # noqa: T201
        f"{picture}: source, interpolated and source frame, a row for each pair of frames: {pairs}."
    )
    if made.seconds is None:
        print(  # noqa: T201
            f"An interpolated frame takes {made.seconds_each:.3g} s; how many the whole run makes "
            "is not known."
        )
        return
    print(  # noqa: T201
        f"The whole run: {total} frames at {float(fps):.6g} fps, at most {made.interpolated} of "
        f"them interpolated at {made.seconds_each:.3g} s each: about {_lasting(made.seconds)} "
        "without reading and writing."
    )


def _lasting(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
