"""Checks of a destination before the work begins."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..basics.whole_file import try_folder
from ..video import FILE_TYPES, PIPE, FrameSource, VideoError, check_suffix, is_image_sequence
from .resume import parts_folder

_LONGEST_NAME = 255  # bytes, on most file systems
_LEAST_BITS = 0.02  # a pixel; fewer take only pictures that hardly move


def check_destination(destination: str | os.PathLike[str], source: FrameSource) -> Path:
    """The path, if a file can be written there.

    Raises:
        VideoError: it cannot; the message says why and what to do.
    """
    path = Path(destination)
    if path.is_dir():
        raise VideoError(f"{path} is a folder; give the name of a file in it.")
    if not path.name:
        raise VideoError("The destination has no name; give one such as smooth.mp4.")
    if path.exists() and not path.is_file():
        raise VideoError(f"{path} is a pipe or a device; give the name of a file, or - for a pipe.")
    if path.exists() and source.path.exists() and path.samefile(source.path):
        raise VideoError("Source and destination are one file; give the destination another name.")
    check_suffix(path)
    if len(os.fsencode(parts_folder(path).name)) > _LONGEST_NAME:
        raise VideoError(f"The name {path.name} is too long; give a shorter one.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    _check_folder(folder)
    _check_room(path, folder, source)
    return path


def is_written_one_by_one(destination: str | os.PathLike[str]) -> bool:
    """Whether frames go to numbered pictures or a pipe, not into a video file."""
    name = os.fspath(destination)
    is_video = Path(name).suffix.lower() in FILE_TYPES  # though a folder may bear such a name
    return name == PIPE or (is_image_sequence(name) and not is_video)


def check_pictures(folder: Path, source: FrameSource) -> None:
    """Raises a VideoError where no pictures of `source` can be written to `folder`."""
    there = next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
    )
    _check_folder(there)
    own = source.path if source.path.is_dir() else source.path.parent
    if folder.exists() and own.exists() and folder.samefile(own):
        raise VideoError(
            f"{folder} is where the source lies; give another folder, so that the pictures do not "
            "mix with its own files."
        )


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise VideoError(f"{folder} is a file, not a folder; give another destination.")
    try:
        try_folder(folder)
    except OSError as error:
        raise VideoError(f"Nothing can be written to {folder}: {error.strerror}.") from error


def _check_room(path: Path, folder: Path, source: FrameSource) -> None:
    """Refuses where even a small result has no room."""
    least = round(source.clock.count * source.width * source.height * _LEAST_BITS / 8)
    if source.path.is_file():
        least = min(source.path.stat().st_size, least)
    free = shutil.disk_usage(folder).free
    if free < least:
        raise VideoError(
            f"{path.name} cannot be written: No space left on device. {folder} has "
            f"{free / 2**20:.1f} MiB free, and the result takes {least / 2**20:.1f} MiB at least."
        )
