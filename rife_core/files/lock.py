"""A lock on a folder that ends with its process, however that ends."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_NAME = "lock"


class FolderLock:
    """A folder that one process at a time may use; it is made if need be.

    Raises:
        BlockingIOError: another process uses it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _NAME
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(self._file)
                if os.path.samestat(os.fstat(self._file), os.stat(self.path)):
                    return
            except FileNotFoundError:
                pass  # its last user has removed the folder meanwhile
            except OSError:
                os.close(self._file)
                raise
            os.close(self._file)

    def release(self, folder: Path | None = None) -> None:
        """Lets the next one in; a `folder` to be removed goes now at the latest."""
        os.close(self._file)
        if folder and fcntl is None:  # Windows removes no open file
            shutil.rmtree(folder, ignore_errors=True)


def _lock(file: int) -> None:
    if fcntl is None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # pyright: ignore
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        with suppress(OSError):  # a file system without locks: as good as it gets
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
