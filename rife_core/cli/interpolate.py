"""`rife-video interpolate`: from one video file to a smoother one, in memory that stays small."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from ..checkpoints.rife import DEFAULT
from ..engine.memory_plan import GIB
from ..engine.options import AUTO as AUTO_SCALE
from ..engine.options import SCALES, Scale
from ..engine.scenes import AT_CUT, REPEATS, SceneRules, parse_cuts
from ..files.clip import Clip, parse_replaced
from ..files.convert import FileReport, interpolate_file
from ..files.destination import check_destination, is_written_one_by_one
from ..files.resume import parts_folder
from ..inference.backends import AUTO, BACKEND_NAMES, set_backend
from ..inference.precision import PRECISIONS, default_device, resolve_precision, set_precision
from ..timeline import ENDS, Timeline
from ..timeline.speed_curve import SpeedCurve
from ..video import FILE_TYPES, PIPE
from . import jobs
from .clips import add_encoding, add_source, request_of, source_of
from .models import add_models_folder
from .weights import load_chosen

_AUTO = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_source(
        parser,
        and_output=f"and the video to write ({', '.join(FILE_TYPES)}), a folder or pattern of "
        "numbered pictures such as out/f_%%04d.png, or - for frames on standard output; with "
        "--output-dir any number of videos, folders of them and lists",
    )
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "-m",
        "--multiplier",
        type=int,
        help="output frames for each source frame at the same speed (default: 2; 1 with --replace)",
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
        '500", or auto for those that repeat the one before them; the others are copied',
    )
    parser.add_argument(
        "--speed",
        metavar="CURVE",
        help='how fast the clip runs: seconds of the source and speeds, such as "0-2s:1, 2-3s:0.25 '
        'ease, 3s-:1"; without sound',
    )
    parser.add_argument(
        "--slow-motion",
        action="store_true",
        help="keep the frame rate, so that more frames make the clip slower; without sound",
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
        "frame, a crossfade; or interpolate without looking for cuts (default: hold)",
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
        "--model",
        default=DEFAULT,
        help="name of the weights, number of a published release such as 4.0 (fetched once), or "
        "path of a file (default: default)",
    )
    add_models_folder(parser)
    add_scale(parser)
    parser.add_argument(
        "--ensemble", action="store_true", help="average two estimates: slower, a little better"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument(
        "--backend",
        choices=BACKEND_NAMES,
        default=AUTO,
        help="what runs the network; all but auto and eager compile first (default: CUDA graphs "
        "on CUDA, plain PyTorch elsewhere)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=0, help="frames made at once (default: automatic)"
    )
    parser.add_argument(
        "--max-memory",
        type=float,
        default=0,
        metavar="GIB",
        help="memory that making frames may take; smaller tiles are used below it "
        "(default: no limit)",
    )
    parser.add_argument(
        "--device", default=str(default_device()), help="cpu, cuda or mps (default: the best)"
    )
    add_encoding(parser)
    parser.add_argument(
        "--no-resume",
        dest="resume",
        action="store_false",
        help="begin anew, and keep no finished parts if the run is stopped",
    )
    jobs.add_arguments(parser)


def add_scale(parser: argparse.ArgumentParser) -> None:
    """The argument that says at which size motion is estimated."""

    def scale(text: str) -> Scale:
        return AUTO_SCALE if text == AUTO_SCALE else float(text)

    parser.add_argument(
        "--scale",
        type=scale,
        choices=SCALES,
        default=AUTO_SCALE,
        help="size at which motion is estimated: 0.5 for 4K or fast motion, 2 for small frames "
        "(default: auto, which is 1, and less for pairs with motion too large for that)",
    )


def run(args: argparse.Namespace) -> int:
    """Reads, interpolates and writes, a few frames at a time."""
    if args.output_dir:
        return jobs.run(args)
    args.input, args.output = _source_and_destination(args.input)
    if args.fps and (args.schedule or args.slow_motion):
        raise ValueError(
            "--fps goes with neither --schedule nor --slow-motion; give --multiplier instead."
        )
    if args.speed and args.slow_motion:
        raise ValueError("--speed and --slow-motion both say how fast to run; give one of them.")
    request = request_of(args)
    reader = source_of(args, args.output, request)
    is_pipe = args.output == PIPE
    if not is_written_one_by_one(args.output):
        check_destination(args.output, reader)
    multiplier = args.multiplier if args.multiplier is not None else (1 if args.replace else 2)
    timeline = (
        Timeline.retime(reader.fps, args.fps, args.end)
        if args.fps
        else Timeline.multiply(multiplier, args.end, args.schedule)
    )
    if args.speed:
        timeline = replace(timeline, speed=SpeedCurve.parse(args.speed))
    finds_repeats = args.replace.strip() == _AUTO
    replaced = frozenset[int]() if finds_repeats else parse_replaced(args.replace)
    repeats = "retime" if finds_repeats else args.repeats
    reader.check()
    Clip.of(reader, timeline, replaced)  # refuses what does not fit before the network is loaded
    network = load_chosen(args.model, args.models)
    set_precision(network, resolve_precision(args.precision, args.device))
    set_backend(network.to(args.device), args.backend)
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
                scale=args.scale,
                ensemble=args.ensemble,
                batch_size=args.batch_size,
                max_memory=int(args.max_memory * GIB),
                scenes=SceneRules(args.at_cut, parse_cuts(args.cuts), repeats),
                encoder=request,
                pipe_format=args.pipe_format,
                first_number=args.first_number,
                replaced=replaced,
                resume=args.resume,
                progress=progress,
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
