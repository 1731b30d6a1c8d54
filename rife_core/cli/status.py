"""`rife-video status JOB`: how far a job has come, and what failed."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ..files.jobs.job import Job, failure_name
from ..files.jobs.progress import Progress, failures, speeds
from ..files.jobs.remote import folder_at


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("job", help="folder of the job")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print it for other programs")
    form.add_argument(
        "--prometheus", action="store_true", help="print it for Prometheus' textfile collector"
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="forget failures, so that the job's command or `rife-video work` tries them again",
    )


def run(args: argparse.Namespace) -> int:
    """Prints it; the exit status is 1 where something failed."""
    job = Job.read(folder_at(args.job))
    failed = failures(job)
    if args.retry_failed:
        job.folder.remove(*map(failure_name, failed))
    now = Progress.of(job)
    if args.prometheus:
        print(now.prometheus(), end="")  # noqa: T201
    elif args.json:
        attempts = {str(part): each for part, each in failed.items()}
        told = {**asdict(now), "failures": attempts, "workers": speeds(job)}
        print(json.dumps(told, indent=1))  # noqa: T201
    else:
        print(f"{now.text()}.")  # noqa: T201
        for worker, fps in speeds(job).items():
            print(f"  {worker}: {fps:.2f} frames a second")  # noqa: T201
        for part, attempts in failed.items():
            film = job.films[job.parts[part].film].destination
            error = attempts[-1]["error"] if attempts else "nobody said why"
            print(f"  part {part + 1} ({film}) failed: {error}")  # noqa: T201
    if args.retry_failed:
        count = len(failed)
        if not args.json and not args.prometheus:
            print(  # noqa: T201
                f"{count} {'part' if count == 1 else 'parts'} will be tried again: give the job's "
                f"command again, or rife-video work {args.job}"
            )
        return 0
    return 1 if failed else 0
