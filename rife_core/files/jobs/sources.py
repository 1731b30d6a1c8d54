"""Which files a job is made of: files, folders and lists become pairs of source and destination."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ...video import FILE_TYPES, VideoError

LISTS = (".txt", ".list")
VIDEOS = frozenset(
    f".{name}"
    for name in (
        *("3gp", "asf", "avi", "divx", "dv", "f4v", "flv", "gif", "ivf", "m2ts", "m2v", "m4v"),
        *("mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "nut", "ogm", "ogv", "rm", "rmvb"),
        *("ts", "vob", "webm", "wmv", "y4m"),
    )
)
"""How files end that are taken from folders; any file that is named is taken."""

RESULTS = tuple(suffix for suffix, kind in FILE_TYPES.items() if kind.joins)
"""How results may end."""

_USUAL = ".mkv"  # holds almost everything


def find_clips(
    paths: Iterable[str | os.PathLike[str]], output: Path, file_type: str | None = None
) -> dict[Path, str]:
    """The clips that `paths` mean, each with the name of its result.

    Args:
        paths: video files; folders, which are searched to their depths; lists (.txt), which hold
            one of either on each line.
        output: the folder of the results, which are no clips.
        file_type: how the results end; by default as their sources, or .mkv.

    Returns:
        For each source the name of its result below the output folder, with slashes.

    Raises:
        FileNotFoundError: there is no such file, or no video in a folder.
        VideoError: two results would have one name, or the file type cannot be written.
    """
    if file_type is not None:
        file_type = "." + file_type.lower().lstrip(".")
        if file_type not in RESULTS:
            raise VideoError(
                f"Files that end in {file_type} cannot be written; choose one of "
                f"{', '.join(RESULTS)}."
            )
    clips: dict[Path, str] = {}
    owners: dict[str, Path] = {}
    for source, name in _found(paths, output):
        suffix = source.suffix.lower()
        suffix = file_type or (suffix if suffix in RESULTS else _USUAL)
        result = str(PurePosixPath(name).with_suffix(suffix))
        if clips.setdefault(source, result) != result:
            continue  # named twice
        owner = owners.setdefault(result.lower(), source)  # some file systems ignore the case
        if owner != source:
            raise VideoError(
                f"The results of {owner} and {source} would both be named {result}. "
                "Rename one, or make them in two jobs."
            )
    if not clips:
        raise FileNotFoundError("No clips were given: there is nothing to do.")
    return clips


def _found(
    paths: Iterable[str | os.PathLike[str]], output: Path, listed: bool = False
) -> Iterator[tuple[Path, str]]:
    """Each source, absolute, with its name in the folder where it was found."""
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(
                each
                for each in path.rglob("*")
                if each.suffix.lower() in VIDEOS
                and each.is_file()
                and (output == path.absolute() or output not in each.absolute().parents)
                and not any(part.startswith(".") for part in each.relative_to(path).parts)
            )
            if not inside:
                raise FileNotFoundError(
                    f"There is no video in {path}; names of videos end in "
                    f"{', '.join(sorted(VIDEOS))}."
                )
            yield from ((each.absolute(), each.relative_to(path).as_posix()) for each in inside)
        elif path.suffix.lower() in LISTS and path.is_file() and not listed:
            lines = path.read_text("utf-8").splitlines()
            named = [line.strip() for line in lines if line.strip() and line.strip()[0] != "#"]
            yield from _found([path.parent / name for name in named], output, True)
        elif path.is_file():
            yield path.absolute(), path.name
        else:
            raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
