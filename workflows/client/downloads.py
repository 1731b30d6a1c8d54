"""Where downloads go: sane names in the output folder, whole or not at all, nothing replaced."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from ...rife_core.basics.whole_file import PartFile
from ..graph_file import WorkflowError
from ..plain_text import plain

_MAX_BYTES = 200
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d\u00b9\u00b2\u00b3])\s*(\.|$)", re.IGNORECASE
)
"""What Windows takes for a device, with any ending."""


class Downloads:
    """The downloads of one prompt: they appear under their names once all of them are whole.

    Whatever this machine does to them (a full disk, a folder that is gone) is a WorkflowError:
    no server is to blame for it.

    Args:
        folder: where they go; it is made if needed.
        stem: what their names begin with.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder, self._stem = folder, stem
        self._files: list[tuple[PartFile, str, Download]] = []

    def __enter__(self) -> Downloads:
        with _told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for file, *_ in self._files:
            with suppress(OSError):  # a folder that is gone or is none has nothing half in it
                file.discard()

    @property
    def disk(self) -> Any:
        """The size and the free bytes of the disk that the folder is on."""
        with _told(self._folder):
            return shutil.disk_usage(self._folder)

    def open(self, name: str) -> Download:
        """A file for the download that the server calls `name`."""
        file = PartFile(self._folder / safe_name(name))
        content = Download(file)
        self._files.append((file, name, content))
        return content

    def place(self) -> list[Path]:
        """Gives all downloads their names, and returns them in order; all of them or none."""
        placed: list[Path] = []
        try:
            for file, name, content in self._files:
                with _told(file.path):
                    _check_size(file.part.stat(), content.size)
                    placed.append(_place(file, free_names(self._folder, self._stem, name)))
        except WorkflowError:
            for path in placed:
                with suppress(OSError):
                    path.unlink()
            raise
        return placed


class Download(io.FileIO):
    """A part file that is written in whole chunks; errors name the file that it becomes.

    Attributes:
        size: bytes that were written, once it is closed.
    """

    def __init__(self, file: PartFile) -> None:
        self.size = 0
        self._path = file.path
        with _told(self._path):
            super().__init__(file.part, "xb")

    def write(self, content: Any) -> int:
        """Writes all of the content; a file itself may take less where a disk is nearly full."""
        left = memoryview(content)
        with _told(self._path):
            _check_size(os.fstat(self.fileno()), self.tell())  # else zeros fill the gap
            while left:
                left = left[super().write(left) :]
        return len(content)

    def close(self) -> None:
        """Closes it; some servers of files tell only now that there was no room."""
        with _told(self._path):
            if not self.closed:
                self.size = self.tell()
            super().close()


def _check_size(found: os.stat_result, written: int) -> None:
    if found.st_size != written:
        raise OSError("somebody else has changed it")


@contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise WorkflowError(f"{path} cannot be written: {error.strerror or error}.") from error


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
