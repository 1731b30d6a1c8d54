"""Arguments that say which frames are wanted: rate, speed, ends, cuts and repeats."""

from __future__ import annotations

import argparse

from ..engine.scenes import AT_CUT, PACINGS, REPEATS, SceneRules
from ..timeline import ENDS
from ..timeline.shutter import DEFAULT_EXPOSURES

_RULES = SceneRules()


def add_timing(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments for the frames wanted; `Timing.of` reads them."""
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "-m",
        "--multiplier",
        metavar="N",
        help="output frames for each source frame at the same speed, such as 3, 2.5 or 5/2 "
        "(default: 2; 1 with --replace)",
    )
    rate.add_argument(
        "--fps", metavar="RATE", help="the frame rate to reach instead, such as 60 or 24000/1001"
    )
    parser.add_argument(
        "--schedule",
        metavar="TEXT",
        default="",
        help='multipliers of single pairs, counted from 1, such as "1-10:4, 11:1, rest 2"',
    )
    parser.add_argument(
        "--replace",
        metavar="FRAMES",
        default="",
        help='frames that are made anew from their neighbours, counted from 1, such as "120-123, '
        '500", or auto for those that repeat the one before them or are damaged; the others are '
        "copied",
    )
    parser.add_argument(
        "--speed",
        metavar="CURVE",
        help='how fast the clip runs: seconds of the source and speeds, such as "0-2s:1, 2-3s:0.25 '
        'ease, 3s-:1"; see --sound',
    )
    parser.add_argument(
        "--slow-motion",
        action="store_true",
        help="keep the frame rate, so that more frames make the clip slower; see --sound",
    )
    parser.add_argument(
        "--blur",
        type=float,
        metavar="ANGLE",
        help="expose each frame for ANGLE degrees of its duration, up to 360 (180: half of it): it "
        "becomes the mean, in linear light, of frames from there on, source frames too",
    )
    parser.add_argument(
        "--exposures",
        type=int,
        default=DEFAULT_EXPOSURES,
        metavar="N",
        help="how many frames are averaged with --blur; so many times more are interpolated "
        f"(default: {DEFAULT_EXPOSURES})",
    )
    parser.add_argument(
        "--end",
        choices=ENDS,
        default="last_frame",
        help="stop at the last source frame, or repeat it so that the duration stays exact, or "
        "go on to the first one for a loop (default: last_frame)",
    )
    parser.add_argument(
        "--at-cut",
        choices=AT_CUT,
        default="hold",
        help="what to show where the scene changes: the old scene up to the cut, the nearer "
        "frame, a crossfade, the old scene with its motion carried on; or interpolate without "
        "looking for cuts (default: hold)",
    )
    parser.add_argument(
        "--cuts",
        default="",
        metavar="LIST",
        help='frames that begin a new scene, counted from 1, such as "25, 60" (default: find them)',
    )
    parser.add_argument(
        "--repeats",
        choices=REPEATS,
        default="keep",
        help="retime: spread the motion over runs of equal frames (default: keep)",
    )
    parser.add_argument(
        "--pacing",
        choices=PACINGS,
        default=PACINGS[0],
        help="eased: the speed glides from one pair of frames to the next, by how far they are "
        "apart, as in animation on twos and threes (with --repeats retime); even: it is the same "
        "from each frame to the next (default: even)",
    )
    parser.add_argument(
        "--repeat-threshold",
        type=float,
        default=_RULES.repeat_threshold,
        metavar="STEPS",
        help="by how many 255ths, in the mean, a frame may differ from the one before it and still "
        f"repeat it (default: {_RULES.repeat_threshold:g})",
    )
    parser.add_argument(
        "--longest-repeat",
        type=int,
        default=_RULES.longest_repeat,
        metavar="N",
        help="frames; where a picture stands still for longer it is meant to "
        f"(default: {_RULES.longest_repeat})",
    )
