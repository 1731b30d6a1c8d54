"""What can be said of a file that is to be written before the work begins."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ..video import VideoError, VideoReader, check_suffix
from .resume import parts_folder

_LONGEST_NAME = 255  # bytes, on most file systems
_LEAST_BITS = 0.02  # a pixel; fewer take only pictures that hardly move


def check_destination(destination: str | os.PathLike[str], source: VideoReader) -> Path:
    """The path, if a file can be written there.

    Raises:
        VideoError: it cannot; the message says why and what to do.
    """
    path = Path(destination)
    if path.is_dir():
        raise VideoError(f"{path} is a folder; give the name of a file in it.")
    if path.exists() and path.samefile(source.path):
        raise VideoError("Source and destination are one file; give the destination another name.")
    check_suffix(path)
    if len(os.fsencode(parts_folder(path).name)) > _LONGEST_NAME:
        raise VideoError(f"The name {path.name} is too long; give a shorter one.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise VideoError(f"{folder} is a file, not a folder; give another destination.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise VideoError(f"Nothing can be written to {folder}: {error.strerror}.") from error
    _check_room(path, folder, source)
    return path


def _check_room(path: Path, folder: Path, source: VideoReader) -> None:
    """Refuses where even a small result has no room."""
    pixels = (source.frame_count or 0) * source.width * source.height
    least = min(source.path.stat().st_size, round(pixels * _LEAST_BITS / 8))
    free = shutil.disk_usage(folder).free
    if free < least:
        raise VideoError(
            f"{path.name} cannot be written: No space left on device. {folder} has "
            f"{free / 2**20:.1f} MiB free, and the result takes {least / 2**20:.1f} MiB at least."
        )
