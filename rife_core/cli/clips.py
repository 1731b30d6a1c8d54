"""Arguments that several commands share: where a clip comes from, and how one is encoded."""

from __future__ import annotations

import argparse
import os

from ..files.sources import open_source
from ..video import (
    DEFAULT_CRF,
    ENCODER_TABLE,
    GAPS,
    PIPE_FORMATS,
    EncoderRequest,
    FrameSource,
    Part,
)


def add_source(parser: argparse.ArgumentParser, *, and_output: str = "") -> None:
    """What is read, and which part of it; `and_output` says what files may be given besides."""
    parser.add_argument(
        "input",
        nargs="+" if and_output else None,
        help="the video to read; a folder, a pattern such as shot_%%04d.png or a glob of numbered "
        "pictures; or - for frames from standard input" + (and_output and f"; {and_output}"),
    )
    parser.add_argument(
        "--source-fps",
        metavar="RATE",
        help="the frame rate of the input, for files that do not say it or say it wrongly: all "
        "frames follow each other at this rate (default: as the file says; 24 for pictures)",
    )
    parser.add_argument(
        "--start",
        metavar="WHEN",
        help="where the part to use begins: seconds, 1:02:12.5, or a frame such as 300f, counted "
        "from 1 (default: the beginning)",
    )
    parser.add_argument(
        "--stop",
        metavar="WHEN",
        help="the moment before which it ends, or its last frame (default: the end)",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="how many source frames it has")
    parser.add_argument(
        "--gaps",
        choices=GAPS,
        default="refuse",
        help="numbers missing among pictures: refuse them, close the gap, or keep their time, so "
        "that they are made (default: refuse)",
    )
    parser.add_argument(
        "--raw",
        choices=PIPE_FORMATS[1:],
        help="what comes from standard input where it is not y4m",
    )
    parser.add_argument("--size", metavar="WxH", help="of raw frames, such as 1920x1080")
    parser.add_argument(
        "--hwaccel",
        metavar="KIND",
        help="hardware that is to decode: auto, or one that `rife-video doctor` lists, such as "
        "cuda; where it cannot, software does (default: software)",
    )
    parser.add_argument(
        "--deinterlace",
        action="store_true",
        help="make whole frames of an interlaced input first (bwdif)",
    )
    parser.add_argument(
        "--allow-damaged",
        action="store_true",
        help="keep what can be read of a damaged or incomplete input",
    )


def source_of(
    args: argparse.Namespace,
    destination: str | os.PathLike[str],
    encoder: EncoderRequest,
    *,
    skip_damaged: bool = False,
) -> FrameSource:
    """Opens the source that the arguments of `add_source` name; see `open_source`."""
    return open_source(
        args.input,
        destination,
        encoder=encoder,
        fps=args.source_fps,
        allow_damaged=args.allow_damaged,
        skip_damaged=skip_damaged,
        hwaccel=args.hwaccel,
        deinterlace=args.deinterlace,
        gaps=args.gaps,
        raw=args.raw,
        size=args.size,
        part=Part(args.start, args.stop, args.frames),
    )


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """How the result is encoded."""
    parser.add_argument(
        "--encoder",
        choices=tuple(ENCODER_TABLE),
        metavar="NAME",
        help=f"what encodes: {', '.join(ENCODER_TABLE)} (default: by the file type)",
    )
    parser.add_argument(
        "--quality",
        "--crf",
        type=int,
        metavar="N",
        help="in the numbers of the encoder; for x264, x265, svt-av1 and vp9 lower is better "
        f"(default: of these {DEFAULT_CRF})",
    )
    parser.add_argument(
        "--preset", metavar="NAME", help="the speed of the encoder, in its own words"
    )
    parser.add_argument(
        "--pixel-format",
        metavar="NAME",
        help="the layout of pixels by its name in FFmpeg, such as yuv444p10le (default: what loses "
        "least)",
    )
    parser.add_argument(
        "--pipe-format",
        choices=PIPE_FORMATS,
        default=PIPE_FORMATS[0],
        help=f"of frames on standard output (default: {PIPE_FORMATS[0]})",
    )
    parser.add_argument(
        "--first-number",
        type=int,
        default=1,
        metavar="N",
        help="of the numbered pictures that are written (default: 1)",
    )


def request_of(args: argparse.Namespace) -> EncoderRequest:
    """The request that the arguments of `add_encoding` make."""
    return EncoderRequest(args.encoder, args.quality, args.preset, args.pixel_format)
