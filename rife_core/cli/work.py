"""`rife-video work JOB`: makes parts of a job that was planned, in this process."""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from ..basics.arguments import natural
from ..files.jobs.drive import run_job
from ..files.jobs.job import Job
from ..files.jobs.progress import Progress
from ..files.jobs.remote import folder_at
from ..files.jobs.workers import DebugWorkers
from ..inference.precision import default_device
from .values import device_here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("job", help="folder of the job")
    parser.add_argument(
        "--shard",
        default="1/1",
        metavar="N/OF",
        help="make the N-th part of every OF only, counted from 1, so that several can share the "
        "work: 3/64 in a job array of 64 (default: all parts)",
    )
    parser.add_argument(
        "--device",
        type=device_here,
        default=str(default_device()),
        help="cpu, cuda or mps (default: the best)",
    )


def run(args: argparse.Namespace) -> int:
    """Makes the parts of the shard that are not done."""
    job = Job.read(folder_at(args.job))
    with tqdm(unit="part") as bar:

        def show(now: Progress) -> None:
            bar.total = now.parts_total
            bar.update(now.parts - bar.n)

        report = run_job(job, DebugWorkers(args.device), show, shard=shard(args.shard))
    for sentence in report.failed:
        print(sentence, file=sys.stderr)  # noqa: T201
    now = Progress.of(job)
    print(f"{now.text()}.")  # noqa: T201
    if now.parts == now.parts_total and now.films < now.films_total:
        print(f"All parts are done: rife-video join {args.job}")  # noqa: T201
    return 1 if report.failed else 0


def shard(text: str) -> tuple[int, int]:
    """Reads "3/64".

    Raises:
        ValueError: it is no such pair.

    Example:
        >>> shard("3/64")
        (3, 64)
    """
    number, of = (natural(part) for part in text.partition("/")[::2])
    if number is None or of is None or not 1 <= number <= of:
        raise ValueError(
            f"--shard is {text!r}; it must be a number and how many there are, counted from 1, "
            "such as 3/64."
        )
    return number, of
