"""Where downloads go: sane names in the output folder, whole or not at all, nothing replaced."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

from ...rife_core.basics.whole_file import PartFile
from ..plain_text import plain

_MAX_BYTES = 200
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d\u00b9\u00b2\u00b3])\s*(\.|$)", re.IGNORECASE
)
"""What Windows takes for a device, with any ending."""


class Downloads:
    """The downloads of one prompt: they appear under their names once all of them are whole.

    Args:
        folder: where they go; it is made if needed.
        stem: what their names begin with.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem
        self._files: list[tuple[PartFile, str]] = []

    def __enter__(self) -> Downloads:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for file, _ in self._files:
            file.discard()

    @property
    def room(self) -> int:
        """Bytes that are free in the folder."""
        return shutil.disk_usage(self._folder).free

    def open(self, name: str) -> BinaryIO:
        """A file for the download that the server calls `name`."""
        file = PartFile(self._folder / safe_name(name))
        self._files.append((file, name))
        return file.part.open("xb")

    def place(self) -> list[Path]:
        """Gives all downloads their names, and returns them in order."""
        return [_place(file, free_names(self._folder, self._stem, n)) for file, n in self._files]


def free_names(folder: Path, stem: str, name: str) -> Iterator[Path]:
    """Paths that a download can have, best first: STEM_NAME, STEM_2_NAME and so on."""
    for number in count(1):
        parts = [stem, str(number) if number > 1 else "", safe_name(name)]
        yield folder / safe_name("_".join(filter(None, parts)))


def safe_name(name: str) -> str:
    r"""A file name like `name` that every system takes, and that stays in its folder.

    Example:
        >>> safe_name("../../.bashrc"), safe_name("C:\\clip?.mp4"), safe_name("..")
        ('_bashrc', 'clip_.mp4', 'output')
    """
    name = plain(re.split(r"[/\\]", name)[-1])
    name = re.sub(r'[\x00-\x1f<>:"|?*\ufffd]', "_", name).rstrip(". ").lstrip(" ")
    name = re.sub(r"^\.+", "_", name) or "output"
    name = f"_{name}" if _RESERVED.match(name) else name
    stem, suffix = os.path.splitext(name)
    if len(suffix.encode()) > _MAX_BYTES // 2:
        stem, suffix = name, ""
    room = _MAX_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _place(file: PartFile, names: Iterator[Path]) -> Path:
    """Moves a file to the first name that is free; no two of us can take the same."""
    for path in names:
        file.path = path
        if file.claim():
            return path
    raise AssertionError("names do not end")
