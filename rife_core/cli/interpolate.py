"""`rife-video interpolate`: from one video file to a smoother one, in memory that stays small."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from ..checkpoints.rife import DEFAULT
from ..engine.memory_plan import GIB
from ..engine.options import AUTO as AUTO_SCALE
from ..engine.options import SCALES, Scale
from ..engine.scenes import AT_CUT, REPEATS, SceneRules, parse_cuts
from ..files.clip import Clip
from ..files.convert import FileReport, interpolate_file
from ..files.destination import check_destination
from ..files.resume import parts_folder
from ..inference.backends import AUTO, BACKEND_NAMES, set_backend
from ..inference.precision import PRECISIONS, default_device, resolve_precision, set_precision
from ..timeline import ENDS, Timeline
from ..video import DEFAULT_CRF, VideoReader, check_suffix, keeps_alpha
from .models import add_models_folder
from .weights import load_chosen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("input", type=Path, help="the video to read")
    parser.add_argument("output", type=Path, help="the video to write: .mp4, .mov, .mkv or .webm")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "-m",
        "--multiplier",
        type=int,
        default=2,
        help="output frames for each source frame, at the same speed (default: 2)",
    )
    rate.add_argument(
        "--fps", metavar="RATE", help="the frame rate to reach instead, such as 60 or 24000/1001"
    )
    parser.add_argument(
        "--source-fps",
        metavar="RATE",
        help="the frame rate of the input, for files that do not say it or say it wrongly: all "
        "frames follow each other at this rate (default: as the file says)",
    )
    parser.add_argument(
        "--deinterlace",
        action="store_true",
        help="make whole frames of an interlaced input first (bwdif)",
    )
    parser.add_argument(
        "--schedule",
        metavar="TEXT",
        default="",
        help='multipliers of single pairs, counted from 1, such as "1-10:4, 11:1, rest 2"',
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
    parser.add_argument(
        "--crf",
        type=int,
        default=DEFAULT_CRF,
        help=f"quality of the encoding, lower is better (default: {DEFAULT_CRF})",
    )
    parser.add_argument(
        "--allow-damaged",
        action="store_true",
        help="keep what can be read of a damaged or incomplete file",
    )
    parser.add_argument(
        "--no-resume",
        dest="resume",
        action="store_false",
        help="begin anew, and keep no finished parts if the run is stopped",
    )


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
    if args.fps and (args.schedule or args.slow_motion):
        raise ValueError(
            "--fps goes with neither --schedule nor --slow-motion; give --multiplier instead."
        )
    check_suffix(args.output)
    reader = VideoReader(
        args.input,
        allow_damaged=args.allow_damaged,
        fps=args.source_fps,
        deinterlace=args.deinterlace,
        alpha=keeps_alpha(args.output.suffix.lower()),
    )
    check_destination(args.output, reader)
    timeline = (
        Timeline.retime(reader.fps, args.fps, args.end)
        if args.fps
        else Timeline.multiply(args.multiplier, args.end, args.schedule)
    )
    reader.check()
    Clip.of(reader, timeline)  # refuses what does not fit before the network is loaded
    network = load_chosen(args.model, args.models)
    set_precision(network, resolve_precision(args.precision, args.device))
    set_backend(network.to(args.device), args.backend)
    with tqdm(unit="frame", desc=args.input.name) as bar:

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
                scenes=SceneRules(args.at_cut, parse_cuts(args.cuts), args.repeats),
                crf=args.crf,
                resume=args.resume,
                progress=progress,
            )
        except BaseException:
            bar.close()
            _tell_of_parts(args.output)
            raise
    for note in report.notes:
        print(note, file=sys.stderr)  # noqa: T201
    print(f"{args.output}: {_summary(report)}.")  # noqa: T201
    for remark in report.engine.remarks():
        print(remark)  # noqa: T201
    return 0


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
