"""The plan of a job: each clip is read once, and divided into parts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import accumulate
from pathlib import Path

from ...inference.backends import resolve_backend
from ...inference.precision import precision_name, resolve_precision
from ...video import FrameSource, VideoReader
from ...video.clock_file import pack_clock
from ..clip import Clip
from ..convert import check_encoder
from ..destination import check_destination
from ..frames import read_from
from ..resume import LENGTH, sha256_of
from .folder import Folder
from .job import Film, Job, JobError, Part, film_of, versions
from .recipe import Recipe
from .remote import is_url, local_copy

_PART_SECONDS = 40
_SECONDS = {"cuda": 0.01, "mps": 0.1, "cpu": 0.4}
"""About what a frame of a million pixels takes, to size parts by. For a CPU as docs/benchmark.md
has it (two cores, 4.26, 1080p); for others orders of magnitude, on which no result depends."""


def plan(
    folder: Folder,
    output: str,
    clips: Mapping[str, str],
    recipe: Recipe,
    device: str,
    part_frames: int | None = None,
) -> Job:
    """Reads the times of all clips, divides them into parts and writes the job file.

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
    if recipe.names_frames and len(clips) > 1:
        raise JobError("--cuts and --replace name frames of one clip, but there are several.")
    job = Job(
        folder,
        output,
        versions(recipe),
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
            clip = _readable(source, output, destination, recipe)
        except (ValueError, OSError) as error:
            left_out[source] = str(error)
            continue
        number = len(films)
        clock = f"clocks/{number:06}.npz"
        folder.write(clock, pack_clock(clip.reader.clock))
        own = _divided(number, clip, part_frames or _work(device, clip.reader), recipe)
        films.append(
            replace(
                film_of(source, destination),
                frames=sum(part.count for part in own),
                fps=str(recipe.fps_of(clip)),
                clock=clock,
            )
        )
        parts += own
    if not films:
        raise JobError("No clip can be done. " + " ".join(left_out.values()))
    job = replace(job, films=tuple(films), parts=tuple(parts), left_out=left_out)
    job.write()
    return job


def differences(job: Job, output: str, clips: Mapping[str, str], recipe: Recipe) -> list[str]:
    """How a job differs from one that is asked for, in short sentences; none: it is that job."""
    found = [
        f"{name} {here} here, {job.made_by.get(name)} there"
        for name, here in versions(recipe).items()
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
    if output != job.output:
        found.append(f"results go to {output}, then to {job.output}")
    now = clips
    then = {film.source: film.destination for film in job.films}
    then |= {source: now.get(source, "") for source in job.left_out}
    found += [f"{source} was not part of it" for source in now if source not in then]
    found += [f"{source} was part of it" for source in then if source not in now]
    found += [
        f"{film.source} has changed since"
        for film in job.films
        if film.source in now and film_of(film.source, film.destination).identity != film.identity
    ]
    return found


def _readable(source: str, output: str, destination: str, recipe: Recipe) -> Clip:
    """A clip, once all that can be known before a frame is made has been checked."""
    reader = recipe.open(local_copy(source), Path(destination).suffix)
    _check_destination(f"{output}/{destination}", source, reader)
    reader.check()
    clip = recipe.clip(reader)
    fps = recipe.fps_of(clip)
    recipe.pace(clip, fps)
    check_encoder(Path(destination), reader, fps, recipe.request)
    return clip


def _check_destination(destination: str, source: str, reader: VideoReader) -> None:
    if not is_url(destination):
        check_destination(destination, reader)
    elif destination == source:
        raise JobError(f"{source} is source and destination; give the results another folder.")


def _bring_weights(folder: Folder, weights: Path) -> dict[str, str]:
    """Copies the weights into the folder, so that they are the same wherever it is worked on."""
    name = f"weights{weights.suffix}"
    folder.write(name, weights.read_bytes())
    return {"file": name, "sha256": sha256_of(weights)}


def _divided(number: int, clip: Clip, length: int, recipe: Recipe) -> list[Part]:
    """The parts of a clip: of about `length` output frames, or one where none can be made alone.

    A loop ends on its first frame, and which frames are damaged only decoding all of them tells.
    """
    whole = clip.timeline.end == "loop" or clip.reader.skip_damaged or clip.total is None
    return [_whole(number, clip)] if whole else [*_parts_of(number, clip, length, recipe)]


def _whole(number: int, clip: Clip) -> Part:
    """A clip that is made in one go; the length of a damaged one is not known beforehand."""
    return Part(number, 0, clip.total or 0, 0, None, 0, 0, ())


def _work(device: str, reader: FrameSource) -> int:
    """Output frames that make some 40 seconds of work."""
    seconds = _SECONDS.get(device, _SECONDS["cpu"]) * reader.width * reader.height / 1e6
    return max(1, round(_PART_SECONDS / seconds))


def _parts_of(number: int, clip: Clip, length: int, recipe: Recipe) -> Iterator[Part]:
    """A clip in parts of about `length` output frames, each of whole segments."""
    segments = clip.segments(min(length, LENGTH))
    while segments:
        frames = list(accumulate(segment.count for segment in segments))
        taken = min(bisect_left(frames, length) + 1, len(segments))
        if frames[-1] - frames[taken - 1] < length / 2:  # too short to be a part of its own
            taken = len(segments)
        own, segments = segments[:taken], segments[taken:]
        begin = read_from(own[0].source, recipe.timing.scenes)
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
