"""The folder of a job: small files that appear whole or not at all, and large ones that stay."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ...basics.whole_file import PartFile, sync
from ..lock import FolderLock


class Lock(Protocol):
    """Something that is held until it is released."""

    def release(self) -> None:
        """Lets the next one in."""
        ...


class Folder:
    """A folder that many processes use at once; names are relative, with slashes.

    Attributes:
        tell_every: seconds between two notes of a worker on how far it has come.

    Args:
        root: the folder; it is made when something is written.
    """

    tell_every = 1.0

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).absolute()

    def __str__(self) -> str:
        return str(self.root)

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None if it does not exist."""
        try:
            return self.path(name).read_bytes() or None  # empty: just being created
        except FileNotFoundError:
            return None

    def read_all(self, folder: str) -> list[bytes]:
        """The contents of all files in a folder."""
        contents = (self.read(f"{folder}/{name}") for name in self.names(folder))
        return [content for content in contents if content is not None]

    def write(self, name: str, content: bytes) -> None:
        """Writes or replaces a file; others see the old content or all of the new."""
        with self._part(name) as file:
            file.part.write_bytes(content)
            file.keep(lasting=True)

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file unless it is there; of several at once, one returns True."""
        with self._part(name) as file:
            file.part.write_bytes(content)
            return file.claim(lasting=True)

    def names(self, folder: str) -> set[str]:
        """The finished files in a folder."""
        try:
            return {name for name in os.listdir(self.path(folder)) if not name.startswith(".")}
        except FileNotFoundError:
            return set()

    def remove(self, *names: str) -> None:
        """Removes files, if they are there."""
        for name in names:
            with suppress(FileNotFoundError):
                self.path(name).unlink()

    def path(self, name: str) -> Path:
        """Where a file is written before it is kept or published, on this machine."""
        return self.root / name

    def fetch(self, name: str) -> Path:
        """Where a file can be read on this machine, until it is let go.

        Raises:
            FileNotFoundError: there is none.
        """
        return self.path(name)

    def let_go(self, name: str) -> None:
        """A file that was fetched is not read any more."""

    def keep(self, name: str) -> None:
        """Makes a file that was written to `path(name)` outlast a loss of power."""
        sync(self.path(name))

    def publish(self, written: str, name: str) -> None:
        """Gives a file that was written to `path(written)` its name."""
        self.path(written).replace(self.path(name))

    def lock(self) -> Lock:
        """A lock on the folder that one driver at a time may have.

        Raises:
            BlockingIOError: another one has it.
            OSError: nothing can be written.
        """
        return FolderLock(self.root)

    def size(self, name: str) -> int | None:
        """The size of a file in bytes, or None if it does not exist."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def _part(self, name: str) -> PartFile:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return PartFile(path)
