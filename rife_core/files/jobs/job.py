"""A job: everything that is decided once and written down for all its workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from ...checkpoints.stored import is_inside, parse, stored
from ...video.clock_file import unpack_clock
from ...video.encoders import ENCODER_TABLE, fault_of
from ...video.writer import check_suffix
from ..clip import Clip
from .folder import Folder
from .recipe import Recipe
from .remote import is_url, local_copy, state_of

JOB = "job.json"
PARTS, FAILED, WORKING, JOINED = "parts", "failed", "working", "joined"
"""Folders in that of the job: parts and their records, failures, work in progress, results."""

_FORMAT = 1
_SHOWN = 200  # characters of a name
_TRIED_SIZE = 256  # pixels; every encoder of hardware takes them


class JobError(ValueError):
    """A job that cannot be started or continued; the message says why and what to do."""


@dataclass(frozen=True)
class Film:
    """A source file and its result.

    Attributes:
        source: its path or URL.
        size, changed: of the source; another file under its name is not taken for it.
        destination: the result's name in the output folder.
        frames: how many the result has.
        fps: their rate.
        clock: the file in the folder of the job that holds when the source's frames are shown.
    """

    source: str
    size: int
    changed: int
    destination: str
    frames: int = 0
    fps: str = ""
    clock: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """What is known of it before it is read."""
        return {
            "source": self.source,
            "size": self.size,
            "changed": self.changed,
            "destination": self.destination,
        }


@dataclass(frozen=True)
class Part:
    """A stretch of a film that is made alone.

    Attributes:
        film: the number of the film.
        first: the number of its first output frame, counted from 0.
        count: how many output frames it has.
        source: the source frame where it begins.
        stop: the source frame that ends it; None: the end of the film.
        key: the key frame from which it is decoded.
        skip: source frames that are decoded and only serve those that follow.
        segments: how many output frames each of its files has; not known where that is empty.
    """

    film: int
    first: int
    count: int
    source: int
    stop: int | None
    key: int
    skip: int
    segments: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """All that is decided.

    Attributes:
        folder: where it is written.
        output: the folder of the results.
        made_by: the releases that planned it; others do not work on it.
        recipe: what was asked for.
        precision, backend: what was chosen where the recipe leaves it open.
        weights: their name in the folder, and their hash.
        films, parts: the work.
        left_out: sources that cannot be done, and why.
    """

    folder: Folder
    output: str
    made_by: Mapping[str, str]
    recipe: Recipe
    precision: str
    backend: str
    weights: Mapping[str, str]
    films: tuple[Film, ...]
    parts: tuple[Part, ...]
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not is_url(self.output) and not Path(self.output).is_absolute():
            raise ValueError(f"its output, {self.output!r}, is no absolute path here")
        names = [self.weights.get("file", "")]
        names += (name for film in self.films for name in (film.destination, film.clock))
        for name in names:
            if not is_inside(name):
                raise ValueError(f"{name[:_SHOWN]!r} is no name in its folder")
        for film in self.films:
            check_suffix(Path(film.destination))
            if film.frames < 0 or Fraction(film.fps or "0") <= 0:
                raise ValueError(f"{film.destination} has {film.frames} frames at {film.fps!r}")
        for number, part in enumerate(self.parts):
            counts = (part.first, part.count, part.source, part.key, part.skip, *part.segments)
            if not 0 <= part.film < len(self.films) or min(counts) < 0:
                raise ValueError(f"part {number} is none")
        if {part.film for part in self.parts} != {*range(len(self.films))}:
            raise ValueError("a film has no parts")

    @classmethod
    def read(cls, folder: Folder) -> Job:
        """The job in `folder`.

        Raises:
            JobError: there is none, or it was written by a release that this one does not know.
        """
        content = folder.read(JOB)
        if content is None:
            raise JobError(f"There is no job in {folder}: it holds no {JOB}.")
        try:
            job = parse(content)
            if not isinstance(job, dict) or job.pop("format", None) != _FORMAT:
                raise ValueError("another format")
            return stored(job, cls, folder=folder)
        except ValueError as error:
            raise JobError(
                f"The job in {folder} cannot be read ({str(error)[:300]}); it was written by "
                "another release, or is damaged. Remove the folder to begin anew."
            ) from error

    def write(self) -> None:
        """Writes it down: from now on it can be worked on."""
        job = {
            "format": _FORMAT,
            "output": self.output,
            "made_by": dict(self.made_by),
            "recipe": asdict(self.recipe),
            "precision": self.precision,
            "backend": self.backend,
            "weights": dict(self.weights),
            "left_out": dict(self.left_out),
            "films": [asdict(film) for film in self.films],
            "parts": [asdict(part) for part in self.parts],
        }
        self.folder.write(JOB, json.dumps(job, indent=1).encode())

    @cached_property
    def settled(self) -> Recipe:
        """The recipe with nothing left open."""
        return replace(self.recipe, precision=self.precision, backend=self.backend)

    @property
    def frames(self) -> int:
        """How many frames all results have."""
        return sum(film.frames for film in self.films)

    def parts_of(self, film: int) -> list[int]:
        """The numbers of a film's parts, in order."""
        return self._parts_of.get(film, [])

    @cached_property
    def _parts_of(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, part in enumerate(self.parts):
            found.setdefault(part.film, []).append(number)
        return found

    def joining(self, film: int) -> int:
        """The task that joins a film; the tasks before them all make the parts of their numbers."""
        return len(self.parts) + film

    def finished(self) -> set[int]:
        """Parts that are done."""
        return _numbers(self.folder.names(PARTS), len(self.parts))

    def failed(self) -> set[int]:
        """Parts that were given up."""
        return _numbers(self.folder.names(FAILED), len(self.parts))

    def joined(self) -> set[int]:
        """Films that are done."""
        return _numbers(self.folder.names(JOINED), len(self.films))

    def clip(self, film: int) -> Clip:
        """A film's source, opened; what was read of it when it was planned is not read again.

        Raises:
            JobError: the source has changed since.
        """
        one, recipe = self.films[film], self.settled
        if film_of(one.source, one.destination).identity != one.identity:
            raise JobError(
                f"{one.source} has changed since the job was planned, so its parts would not fit "
                "each other. Put the file back, or begin a new job."
            )
        reader = recipe.open(local_copy(one.source), Path(one.destination).suffix)
        clock = self.folder.read(one.clock)
        if clock is not None:
            try:
                vars(reader)["clock"] = unpack_clock(clock)
            except ValueError as error:
                raise JobError(f"{self.folder}/{one.clock}: {error}; begin a new job.") from error
        return recipe.clip(reader)

    def check_versions(self, here: Mapping[str, str] | None = None) -> None:
        """Raises a JobError unless the same releases run here as where it was planned."""
        here = here or versions(self.recipe)
        differing = [
            f"{name} {here.get(name)} here, {planned} there"
            for name, planned in self.made_by.items()
            if here.get(name) != planned
        ]
        if differing:
            raise JobError(
                f"The job in {self.folder} was planned by other releases: {'; '.join(differing)}. "
                "All machines must have the same."
            )


def record_name(part: int) -> str:
    """The record of a part: where it is there, the part is done."""
    return f"{PARTS}/{part:06}.json"


def failure_name(part: int) -> str:
    """The name of the file that says why a part was given up."""
    return f"{FAILED}/{part:06}.json"


def joined_name(film: int) -> str:
    """The name of the file that holds a film's report."""
    return f"{JOINED}/{film:06}.json"


def versions(recipe: Recipe) -> dict[str, str]:
    """The versions on this machine of everything that affects frames and files."""
    try:
        own = version("rife-video")
    except PackageNotFoundError:  # a checkout that is not installed
        own = "unknown"
    libavcodec = av.library_versions["libavcodec"]
    found = {
        "rife-video": own,
        "PyAV": av.__version__,
        "libavcodec": ".".join(map(str, libavcodec)),
    }
    row = ENCODER_TABLE.get(recipe.encoder or "")
    if row and row.instead:  # hardware, which is there or not
        tried = (row.codec, row.available[0]) if row.available else None
        works = tried and not fault_of(*tried, _TRIED_SIZE, _TRIED_SIZE)
        found["encoder"] = row.codec if works else row.instead
    return found


def film_of(source: str, destination: str) -> Film:
    """A film of which nothing is read yet."""
    return Film(source, *state_of(source), destination)


def _numbers(names: set[str], count: int) -> set[int]:
    """Those of the files, of parts or films that there are."""
    found = {int(name[:6]) for name in names if name.endswith(".json") and name[:6].isdecimal()}
    return {number for number in found if number < count}
