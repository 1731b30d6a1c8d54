"""The plan of a job: what is read once and decided once, written down for all who work on it."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path
from typing import Any

import av

from ...inference.backends import resolve_backend
from ...inference.precision import precision_name, resolve_precision
from ...video import VideoReader
from ...video.clock_file import pack_clock, unpack_clock
from ..clip import Clip
from ..convert import check_encoder
from ..destination import check_destination
from ..frames import LEAD_IN
from ..resume import LENGTH, sha256_of
from .folder import Folder
from .recipe import Recipe

JOB = "job.json"
PARTS, FAILED, WORKING, JOINED = "parts", "failed", "working", "joined"
"""Folders in that of the job: parts and their records, failures, work in progress, results."""

_FORMAT = 1
_PART_SECONDS = 40
_SECONDS = {"cuda": 0.01, "mps": 0.1, "cpu": 0.4}
"""About what a frame of a million pixels takes, to size parts by. For a CPU as docs/benchmark.md
has it (two cores, 4.26, 1080p); for others orders of magnitude, on which no result depends."""


class JobError(ValueError):
    """A job that cannot be begun or gone on with; the message says why and what to do."""


@dataclass(frozen=True)
class Film:
    """A file and what becomes of it.

    Attributes:
        source: its path.
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
            job = json.loads(content)
            if job.pop("format") != _FORMAT:
                raise ValueError("another format")
            return cls(
                folder,
                job["output"],
                job["made_by"],
                Recipe(**job["recipe"]),
                job["precision"],
                job["backend"],
                job["weights"],
                tuple(Film(**each) for each in job["films"]),
                tuple(
                    Part(**each | {"segments": tuple(each["segments"])}) for each in job["parts"]
                ),
                job["left_out"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise JobError(
                f"The job in {folder} cannot be read ({error}); it was written by another release, "
                "or is damaged. Remove the folder to begin anew."
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
        return [number for number, part in enumerate(self.parts) if part.film == film]

    def finished(self) -> set[int]:
        """Parts that are done."""
        return _numbers(self.folder.names(PARTS))

    def failed(self) -> set[int]:
        """Parts that were given up."""
        return _numbers(self.folder.names(FAILED))

    def joined(self) -> set[int]:
        """Films that are done."""
        return _numbers(self.folder.names(JOINED))

    def destination(self, film: int) -> Path:
        """The file that a film becomes."""
        return Path(self.output) / self.films[film].destination

    def clip(self, film: int) -> Clip:
        """A film's source, opened; what was read of it when it was planned is not read again.

        Raises:
            JobError: the source has changed since.
        """
        one, recipe = self.films[film], self.settled
        reader = recipe.open(one.source, Path(one.destination).suffix)
        if film_of(reader.path, one.destination).identity != one.identity:
            raise JobError(
                f"{one.source} has changed since the job was planned, so its parts would not fit "
                "each other. Put the file back, or begin a new job."
            )
        clock = self.folder.read(one.clock)
        if clock is not None:
            vars(reader)["clock"] = unpack_clock(clock)
        return Clip.of(reader, recipe.timeline(reader))

    def check_versions(self, here: Mapping[str, str] | None = None) -> None:
        """Raises a JobError unless the same releases run here as where it was planned."""
        here = here or versions()
        differing = [
            f"{name} {here.get(name)} here, {planned} there"
            for name, planned in self.made_by.items()
            if here.get(name) != planned
        ]
        if differing:
            raise JobError(
                f"The job in {self.folder} was planned by other releases: {'; '.join(differing)}. "
                "Install the same ones everywhere."
            )


def record_name(part: int) -> str:
    """The record of a part: where it is there, the part is done."""
    return f"{PARTS}/{part:06}.json"


def failure_name(part: int) -> str:
    """What a part was given up for."""
    return f"{FAILED}/{part:06}.json"


def joined_name(film: int) -> str:
    """What became of a film."""
    return f"{JOINED}/{film:06}.json"


def versions() -> dict[str, str]:
    """The releases that decide what frames and files are like."""
    try:
        own = version("rife-video")
    except PackageNotFoundError:  # a checkout that is not installed
        own = "unknown"
    libavcodec = av.library_versions["libavcodec"]
    return {
        "rife-video": own,
        "PyAV": av.__version__,
        "libavcodec": ".".join(map(str, libavcodec)),
    }


def film_of(source: Path, destination: str) -> Film:
    """A film of which nothing is read yet."""
    state = source.stat()
    return Film(str(source), state.st_size, state.st_mtime_ns, destination)


def plan(
    folder: Folder,
    output: Path,
    clips: Mapping[Path, str],
    recipe: Recipe,
    device: str,
    part_frames: int | None = None,
) -> Job:
    """Reads the times of all clips, divides them into parts and writes the job down.

    A clip that cannot be read is left out, and the others are done.

    Args:
        folder: of the job.
        output: of the results.
        clips: the sources, each with the name of its result.
        recipe: what is to be done with them.
        device: the kind of device that is to do it.
        part_frames: output frames of a part, at least; by default some 40 seconds of work.

    Raises:
        JobError: no clip can be done.
        ValueError: the recipe does not fit the device.
    """
    if recipe.cuts and len(clips) > 1:
        raise JobError("--cuts names frames of one clip, but there are several.")
    job = Job(
        folder,
        str(output),
        versions(),
        recipe,
        precision_name(resolve_precision(recipe.precision, device)),
        resolve_backend(recipe.backend, device),
        _bring_weights(folder, Path(recipe.weights)),
        (),
        (),
    )
    films: list[Film] = []
    parts: list[Part] = []
    left_out: dict[str, str] = {}
    for source, destination in clips.items():
        try:
            reader = recipe.open(source, Path(destination).suffix)
            check_destination(output / destination, reader)
            reader.check()
            clip = Clip.of(reader, recipe.timeline(reader))
            fps = recipe.output_fps(reader) or clip.fps
            check_encoder(output / destination, reader, fps, recipe.request)
        except (ValueError, OSError) as error:
            left_out[str(source)] = str(error)
            continue
        number = len(films)
        clock = f"clocks/{number:06}.npz"
        folder.write(clock, pack_clock(reader.clock))
        length = part_frames or _work(device, reader)
        own = list(_parts_of(number, clip, length)) if _divides(clip) else [_whole(number, clip)]
        frames = sum(part.count for part in own)
        films.append(
            replace(film_of(source, destination), frames=frames, fps=str(fps), clock=clock)
        )
        parts += own
    if not films:
        raise JobError("No clip can be done. " + " ".join(left_out.values()))
    job = replace(job, films=tuple(films), parts=tuple(parts), left_out=left_out)
    job.write()
    return job


def differences(job: Job, output: Path, clips: Mapping[Path, str], recipe: Recipe) -> list[str]:
    """How a job differs from one that is asked for, in short sentences; none: it is that job."""
    found = [
        f"{name} {here} here, {job.made_by.get(name)} there"
        for name, here in versions().items()
        if job.made_by.get(name) != here
    ]
    asked, planned = asdict(recipe), asdict(job.recipe)
    found += [
        f"{name} {asked[name]!r}, then {planned[name]!r}"
        for name in asked
        if name != "weights" and asked[name] != planned[name]
    ]
    if sha256_of(Path(recipe.weights)) != job.weights["sha256"]:
        found.append(f"weights {recipe.weights!r}, then {planned['weights']!r}")
    if str(output) != job.output:
        found.append(f"results go to {output}, then to {job.output}")
    now = {str(source): name for source, name in clips.items()}
    then = {film.source: film.destination for film in job.films}
    then |= {source: now.get(source, "") for source in job.left_out}
    found += [f"{source} was not part of it" for source in now if source not in then]
    found += [f"{source} was part of it" for source in then if source not in now]
    found += [
        f"{film.source} has changed since"
        for film in job.films
        if film.source in now
        and film_of(Path(film.source), film.destination).identity != film.identity
    ]
    return found


def _bring_weights(folder: Folder, weights: Path) -> dict[str, str]:
    """Copies the weights into the folder, so that they are the same wherever it is worked on."""
    name = f"weights{weights.suffix}"
    folder.write(name, weights.read_bytes())
    return {"file": name, "sha256": sha256_of(weights)}


def _divides(clip: Clip) -> bool:
    """Whether parts of a clip can be made alone."""
    return clip.timeline.end != "loop" and clip.total is not None


def _whole(number: int, clip: Clip) -> Part:
    """A clip that is made in one go; where it is damaged, nobody knows how long it gets."""
    return Part(number, 0, clip.total or 0, 0, None, 0, 0, ())


def _work(device: str, reader: VideoReader) -> int:
    """Output frames that make some 40 seconds of work."""
    seconds = _SECONDS.get(device, _SECONDS["cpu"]) * reader.width * reader.height / 1e6
    return max(1, round(_PART_SECONDS / seconds))


def _parts_of(number: int, clip: Clip, length: int) -> Iterator[Part]:
    """A clip in parts of about `length` output frames, each of whole segments."""
    segments = clip.segments(min(length, LENGTH))
    while segments:
        frames = list(accumulate(segment.count for segment in segments))
        taken = min(bisect_left(frames, length) + 1, len(segments))
        if frames[-1] - frames[taken - 1] < length / 2:  # too short to be a part of its own
            taken = len(segments)
        own, segments = segments[:taken], segments[taken:]
        begin = max(0, own[0].source - LEAD_IN)
        key = next(clip.reader.clock.starts_before(begin), None)
        key_frame = key.frame if key else 0
        yield Part(
            number,
            own[0].first,
            sum(segment.count for segment in own),
            own[0].source,
            own[-1].stop,
            key_frame,
            own[0].source - key_frame,
            tuple(segment.count for segment in own),
        )


def _numbers(names: set[str]) -> set[int]:
    return {int(name[:6]) for name in names if name.endswith(".json") and name[:6].isdigit()}
