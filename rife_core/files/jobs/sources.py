"""The files of a job: files, folders and lists become pairs of source and destination."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath

from ...basics.whole_file import text_of
from ...video import FILE_TYPES, VideoError
from .remote import found_at, is_url

LISTS = (".txt", ".list")
_LONGEST_LIST = 64 * 2**20  # bytes
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
_NONE = f"There is no video in {{}}; names of videos end in {', '.join(sorted(VIDEOS))}."


def find_clips(
    paths: Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    file_type: str | None = None,
) -> dict[str, str]:
    """The clips that `paths` mean, each with the name of its result.

    Args:
        paths: video files; folders, which are searched to their depths; lists (.txt), which hold
            one of either on each line. Paths or URLs.
        output: the folder of the results, which are no clips.
        file_type: how the results end; by default as their sources, or .mkv.

    Returns:
        For each source, a path or URL, the name of its result below the output folder, with
        slashes.

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
    clips: dict[str, str] = {}
    owners: dict[str, str] = {}
    for source, name in _found(paths, os.fspath(output)):
        suffix = PurePosixPath(name).suffix.lower()
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
    places: Iterable[str | os.PathLike[str]], output: str, listed: bool = False
) -> Iterator[tuple[str, str]]:
    """Each source, absolute, with its name in the folder where it was found."""
    for place in places:
        path = Path(place)
        if is_url(place):
            yield from _found_at(os.fspath(place), output)
        elif path.is_dir():
            yield from _found_in(path, Path(output).absolute())
        elif path.suffix.lower() in LISTS and path.is_file() and not listed:
            lines = [line.strip() for line in text_of(path, _LONGEST_LIST).splitlines()]
            named = [line for line in lines if line and line[0] != "#"]
            inside = [name if is_url(name) else path.parent / name for name in named]
            yield from _found(inside, output, True)
        elif path.is_file():
            yield str(path.absolute()), path.name
        else:
            raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")


def _found_at(url: str, output: str) -> Iterator[tuple[str, str]]:
    found = found_at(url)
    if list(found) == [url]:
        yield from found.items()
        return
    inside = {
        each: name
        for each, name in sorted(found.items())
        if _is_video(PurePosixPath(name))
        and (output == url.rstrip("/") or not each.startswith(f"{output}/"))
    }
    if not inside:
        raise FileNotFoundError(_NONE.format(url))
    yield from inside.items()


def _found_in(folder: Path, output: Path) -> Iterator[tuple[str, str]]:
    inside = sorted(
        each
        for each in folder.rglob("*")
        if _is_video(each.relative_to(folder))
        and each.is_file()
        and (output == folder.absolute() or output not in each.absolute().parents)
    )
    if not inside:
        raise FileNotFoundError(_NONE.format(folder))
    yield from ((str(each.absolute()), each.relative_to(folder).as_posix()) for each in inside)


def _is_video(name: PurePath) -> bool:
    hidden = any(part.startswith(".") for part in name.parts)
    return name.suffix.lower() in VIDEOS and not hidden
