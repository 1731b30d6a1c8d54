"""`rife-video interpolate`: from one video file to a smoother one, in memory that stays small."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from ..files.clip import Clip
from ..files.convert import SOUNDS, FileReport, interpolate_file
from ..files.destination import check_destination, is_written_one_by_one
from ..files.resume import parts_folder
from ..files.timing import Timing
from ..video import FILE_TYPES, PIPE
from . import jobs
from .clips import add_encoding, add_source, request_of, source_of
from .network import add_network, network_of, options_of
from .timing import add_timing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_source(
        parser,
        and_output=f"and the video to write ({', '.join(FILE_TYPES)}), a folder or pattern of "
        "numbered pictures such as out/f_%%04d.png, or - for frames on standard output; with "
        "--output-dir any number of videos, folders of them and lists",
    )
    add_timing(parser)
    add_network(parser)
    add_encoding(parser)
    parser.add_argument(
        "--sound",
        choices=SOUNDS,
        default=SOUNDS[0],
        help="stretch: at another speed sound follows the picture and keeps its pitch; tape: its "
        "pitch goes with the speed; none: leave it out, and subtitles and chapters (default: auto, "
        "which stretches it with --speed and leaves it out with --slow-motion)",
    )
    parser.add_argument(
        "--no-resume",
        dest="resume",
        action="store_false",
        help="begin anew, and keep no finished parts if the run is stopped",
    )
    jobs.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Reads, interpolates and writes, a few frames at a time."""
    if args.output_dir:
        return jobs.run(args)
    args.input, args.output = _source_and_destination(args.input)
    request, asked = request_of(args), Timing.of(args)
    reader = source_of(args, args.output, request, skip_damaged=asked.finds_frames)
    is_pipe = args.output == PIPE
    if not is_written_one_by_one(args.output):
        check_destination(args.output, reader)
    timeline, scenes = asked.timeline(reader.fps), asked.scenes
    reader.check()
    # Both refuse what does not fit, before the network is loaded.
    Clip.of(reader, timeline, scenes.replaced)
    options = options_of(args, scenes)
    network = network_of(args)
    with tqdm(unit="frame", desc=Path(args.input).name) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            report = interpolate_file(
                network,
                reader,
                args.output,
                timeline,
                fps=reader.fps if args.slow_motion else None,
                encoder=request,
                pipe_format=args.pipe_format,
                first_number=args.first_number,
                sound=args.sound,
                resume=args.resume,
                progress=progress,
                **vars(options),
            )
        except BaseException:
            bar.close()
            _tell_of_parts(Path(args.output))
            raise
    for note in report.notes:
        print(note, file=sys.stderr)  # noqa: T201
    said = sys.stderr if is_pipe else sys.stdout  # nothing but frames goes to a pipe
    print(f"{args.output}: {_summary(report)}.", file=said)
    for remark in report.engine.remarks():
        print(remark, file=said)
    return 0


def _source_and_destination(names: list[str]) -> list[str]:
    if len(names) != 2:
        raise ValueError(
            f"{len(names)} files were given; give a clip and the file to write, or --output-dir "
            "for more than one clip."
        )
    return names


def _summary(report: FileReport) -> str:
    kinds = {"made": report.made, "copied": report.frames - report.made}
    if report.engine.shutter:
        kinds = {"exposures made": report.made}
    if report.resumed:
        kinds = {"made": report.made, "kept from an earlier run": report.resumed}
    shares = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{report.frames} frames at {_rate(report.fps)} fps ({shares}) in {report.seconds:.1f} s"


def _tell_of_parts(output: Path) -> None:
    if (folder := parts_folder(output)).exists():
        print(  # noqa: T201
            f"What is finished is kept in {folder}: the same command goes on from there. "
            "Delete that folder if you do not want it.",
            file=sys.stderr,
        )


def _rate(fps: Fraction) -> str:
    return str(fps) if fps.denominator == 1 else f"{fps} ({float(fps):.3f})"
