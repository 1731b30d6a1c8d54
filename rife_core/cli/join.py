"""`rife-video join JOB`: puts the results of a job together from its finished parts."""

from __future__ import annotations

import argparse
import sys

from ..files.jobs.drive import driving
from ..files.jobs.job import Job
from ..files.jobs.join import BadPartError, forget, join_film
from ..files.jobs.remote import folder_at
from .jobs import tell_of_film


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("job", help="folder of the job")


def run(args: argparse.Namespace) -> int:
    """Joins what is complete, and says what is not."""
    job = Job.read(folder_at(args.job))
    missing = False
    with driving(job.folder):
        for film in range(len(job.films)):
            try:
                tell_of_film(join_film(job, film))
            except BadPartError as error:
                forget(job, error.part)
                print(f"{error} Run it again: rife-video work {args.job}", file=sys.stderr)  # noqa: T201
                missing = True
            except ValueError as error:
                print(error, file=sys.stderr)  # noqa: T201
                missing = True
    return 1 if missing or job.left_out else 0
