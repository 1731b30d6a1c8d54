"""`rife-video interpolate CLIP... --output-dir FOLDER`: many clips, by many workers."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tqdm import tqdm

from ..basics.arguments import natural
from ..engine.memory_plan import GIB
from ..files.jobs import JobReport, Recipe, Workers, interpolate_files
from ..files.jobs.drive import Watch, driving, job_folder, open_job, place_of
from ..files.jobs.hand_out import GRACE
from ..files.jobs.job import Job
from ..files.jobs.join import FilmReport
from ..files.jobs.local_workers import LocalWorkers, local_devices
from ..files.jobs.progress import Progress
from ..files.jobs.ray_workers import RayWorkers
from ..files.jobs.remote import folder_at
from ..files.timing import Timing
from ..inference.precision import default_device
from .weights import chosen_file

LOCAL, RAY = "local", "ray"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that only many clips have."""
    many = parser.add_argument_group("many clips, GPUs or machines (see docs/cluster.md)")
    many.add_argument(
        "--output-dir",
        metavar="FOLDER",
        help="write a file there for each clip; any number of files, folders and lists (.txt, a "
        "path on each line) can then be given",
    )
    add_workers(many.add_argument, LOCAL)
    many.add_argument(
        "--file-type",
        metavar="TYPE",
        help="how the results end, such as mkv (default: as their sources, or mkv)",
    )
    many.add_argument(
        "--job",
        metavar="FOLDER",
        help="folder of the job, which workers share (default: .rife-job in the output folder)",
    )
    many.add_argument(
        "--part-frames",
        type=int,
        metavar="COUNT",
        help="output frames of a part, at least (default: about 40 seconds of work)",
    )
    many.add_argument(
        "--plan-only",
        action="store_true",
        help="write the job down and do not begin it: `rife-video work` makes its parts",
    )


def add_workers(add_argument: Callable[..., Any], default: str | None = None) -> None:
    """Adds `--workers` to a parser or a group of one."""
    add_argument(
        "--workers",
        default=default,
        metavar="WHERE",
        help="local: one worker for each GPU of this machine, or one on its CPU; local:4: so many; "
        "ray: one for each GPU of the Ray cluster at RAY_ADDRESS, or one on each machine's CPU; "
        "ray:4: four share a GPU, or have four cores each "
        f"(default: {default or 'this process does all'})",
    )


def run(args: argparse.Namespace) -> int:
    """Plans the job, or finds it again, and works on it."""
    single = {
        "--no-resume (to begin a job anew, remove its folder)": not args.resume,
        "--start, --stop and --frames": args.start or args.stop or args.frames,
        "--hwaccel": args.hwaccel,
        "--raw, --size and --gaps": args.raw or args.size or args.gaps != "refuse",
    }
    for options, given in single.items():
        if given:
            raise ValueError(f"{options} cannot be had together with --output-dir.")
    recipe = recipe_of(args)
    output = place_of(args.output_dir)
    folder = args.job or job_folder(output)
    if args.plan_only:
        with driving(folder_at(folder)) as place:
            device = str(args.device or default_device()).partition(":")[0]
            job = open_job(
                place, args.input, output, recipe, device, args.file_type, args.part_frames
            )
        _tell_of_plan(job)
        return 1 if job.left_out else 0
    workers = workers_of(args.workers, args.device)
    with bar() as show, _stoppable(folder):
        report = interpolate_files(
            args.input,
            output,
            recipe,
            workers=workers,
            folder=folder,
            file_type=args.file_type,
            part_frames=args.part_frames,
            progress=show,
        )
    tell(report)
    return 0 if report.is_complete else 1


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that the options of the command describe."""
    timing = Timing.of(args)
    rate = timing.rate  # one job, however its multiplier is spelt, if at all
    settled = dataclasses.replace(
        timing, multiplier=int(rate) if rate.denominator == 1 else str(rate)
    )
    return Recipe(
        *chosen_file(args.model, args.models),
        **vars(settled),
        sound=args.sound,
        scale=args.scale,
        ensemble=args.ensemble,
        sampling=args.sampling,
        batch_size=args.batch_size,
        max_memory=int(args.max_memory * GIB),
        unsure=args.unsure,
        precision=args.precision,
        backend=args.backend,
        encoder=args.encoder,
        quality=args.quality,
        preset=args.preset,
        pixel_format=args.pixel_format,
        source_fps=args.source_fps,
        deinterlace=args.deinterlace,
        allow_damaged=args.allow_damaged,
    )


def workers_of(where: str, device: str | None) -> Workers:
    """The workers that `--workers` means.

    Raises:
        ValueError: it means none.
    """
    kind, _, text = where.partition(":")
    count = natural(text) or 0
    if kind == LOCAL and (count or where == kind):
        return LocalWorkers(local_devices(device, count or None))
    if kind == RAY and (count or where == kind):
        return RayWorkers(device=device, per_gpu=count or 1, cores=count or None)
    raise ValueError(f"--workers is {where!r}; it must be local, local:N, ray or ray:N.")


@contextmanager
def bar() -> Generator[Watch]:
    """A bar for a whole job, in frames."""
    with tqdm(unit="frame") as shown:

        def show(now: Progress) -> None:
            shown.total = now.total
            shown.set_postfix_str(f"{now.parts}/{now.parts_total} parts", refresh=False)
            shown.update(now.frames - shown.n)

        yield show


def tell(report: JobReport) -> None:
    """Prints the result of a job, and what to do about the rest."""
    for film in report.films:
        tell_of_film(film)
    for source, reason in report.left_out.items():
        print(f"Left out: {source}: {reason}", file=sys.stderr)  # noqa: T201
    for note in (*report.notes, *report.failed):
        print(note, file=sys.stderr)  # noqa: T201
    if report.failed:
        print(  # noqa: T201
            f"To try again: rife-video status {shlex.quote(report.folder)} --retry-failed, then "
            "the same command.",
            file=sys.stderr,
        )
    count = len(report.films)
    print(f"{count} {'file' if count == 1 else 'files'} in {report.seconds:.1f} s.")  # noqa: T201


def tell_of_film(film: FilmReport) -> None:
    """Prints the result of a film."""
    made = f"{film.made} exposures made" if film.blurred else f"{film.made} made"
    print(f"{film.path}: {film.frames} frames at {film.fps} fps ({made}).")  # noqa: T201
    for note in film.notes:
        print(f"  {note}")  # noqa: T201


def _tell_of_plan(job: Job) -> None:
    place = shlex.quote(str(job.folder))
    for source, reason in job.left_out.items():
        print(f"Left out: {source}: {reason}", file=sys.stderr)  # noqa: T201
    print(f"{job.folder}: {len(job.films)} files, {len(job.parts)} parts, {job.frames} frames.")  # noqa: T201
    print(f"Workers: rife-video work {place} --shard N/OF; at last: rife-video join {place}")  # noqa: T201


@contextmanager
def _stoppable(folder: str) -> Generator[None]:
    """On Ctrl-C and SIGTERM, parts under way are finished and the user is told what to do next."""

    def stop(number: int, _: FrameType | None) -> None:
        print(  # noqa: T201
            f"\nStopping. Parts in the making may finish within {GRACE:.0f} s; press Ctrl-C again "
            "to end at once.",
            file=sys.stderr,
        )
        for one in earlier:
            signal.signal(one, signal.default_int_handler)
        raise KeyboardInterrupt

    earlier = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        print(  # noqa: T201
            f"What is finished is kept in {folder}: the same command goes on from there.",
            file=sys.stderr,
        )
        raise
    finally:
        for one, handler in earlier.items():
            signal.signal(one, handler)
