"""Places that are no folders of this machine: s3:// and all else that fsspec reaches."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ...checkpoints.stored import parse, stored
from ..lock import FolderLock
from .folder import Folder

_KEPT = 24 * 3600.0  # seconds for which a copy of a source lies unused
_ASK_EVERY = 0.2  # seconds between two looks whether another process has copied a source
_BEAT = 20.0  # seconds between two signs of life of a driver
_DEAD = 120.0  # seconds without one after which another driver may begin


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is given as one of fsspec's: s3://bucket/clips.

    Example:
        >>> is_url("s3://bucket/clips"), is_url("clips")
        (True, False)
    """
    return "://" in os.fspath(place)


def folder_at(place: str | os.PathLike[str]) -> Folder:
    """The folder at a path or URL."""
    return RemoteFolder(os.fspath(place)) if is_url(place) else Folder(place)


def state_of(source: str) -> tuple[int, int]:
    """Size of a file, and a number that is another one once the file has changed.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if is_url(source):
        system, path = _reach(source)
        info = system.info(path)
        version = next((info[key] for key in ("ETag", "mtime", "created") if key in info), "")
        return info["size"], int.from_bytes(
            hashlib.sha256(str(version).encode()).digest()[:6], "big"
        )
    found = Path(source).stat()
    return found.st_size, found.st_mtime_ns


def found_at(url: str) -> dict[str, str]:
    """The file or the files below a URL: URLs, and their names from there."""
    system, path = _reach(url)
    if system.isfile(path):
        return {url: PurePosixPath(path).name}
    below = (str(each) for each in system.find(path))
    names = {each: each[len(path) :].lstrip("/") for each in below if each.startswith(path)}
    return {f"{url.rstrip('/')}/{name}": name for name in names.values()}


def local_copy(source: str) -> Path:
    """A source as a local file; a remote one is copied once and kept.

    Copies that nobody has used for a day are removed.
    """
    if not is_url(source):
        return Path(source)
    system, path = _reach(source)
    key = hashlib.sha256(json.dumps([source, *state_of(source)]).encode()).hexdigest()[:24]
    folder = _cache() / key
    lock = _wait_for(folder)
    try:
        copy = folder / PurePosixPath(path).name
        if not copy.exists():
            _tidy()
            part = folder / "part"
            system.get_file(path, str(part))
            part.replace(copy)
        os.utime(lock.path)
        return copy
    finally:
        lock.release()


class RemoteFolder(Folder):
    """A folder on object storage; files are written to a temporary folder first.

    Args:
        url: such as s3://bucket/job.
    """

    tell_every = 15.0

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._system, self._root = _reach(self.url)
        self._scratch = tempfile.TemporaryDirectory(
            prefix="rife-video-", ignore_cleanup_errors=True
        )

    def __str__(self) -> str:
        return self.url

    def read(self, name: str) -> bytes | None:
        try:
            return self._system.cat_file(self._at(name))
        except FileNotFoundError:
            return None

    def read_all(self, folder: str) -> list[bytes]:
        paths = [self._at(f"{folder}/{name}") for name in self.names(folder)]
        return list(self._system.cat(paths, on_error="omit").values()) if paths else []

    def write(self, name: str, content: bytes) -> None:
        self._prepare(name)
        self._system.pipe_file(self._at(name), content)

    def create(self, name: str, content: bytes) -> bool:
        self._prepare(name)
        try:
            self._system.pipe_file(self._at(name), content, mode="create")
        except FileExistsError:
            return False
        except (NotImplementedError, TypeError):  # no such promise there: the later one may win
            if self._system.exists(self._at(name)):
                return False
            self._system.pipe_file(self._at(name), content)
        return True

    def names(self, folder: str) -> set[str]:
        try:
            found = self._system.ls(self._at(folder), detail=False)
        except FileNotFoundError:
            return set()
        return {PurePosixPath(each).name for each in found} - {PurePosixPath(folder).name}

    def remove(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                self._system.rm_file(self._at(name))

    def path(self, name: str) -> Path:
        path = Path(self._scratch.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, name: str) -> None:
        self.publish(name, name)

    def publish(self, written: str, name: str) -> None:
        self._prepare(name)
        self._system.put_file(str(self.path(written)), self._at(name))
        self.path(written).unlink()

    def fetch(self, name: str) -> Path:
        path = self.path(name)
        self._system.get_file(self._at(name), str(path))
        return path

    def let_go(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def size(self, name: str) -> int | None:
        try:
            return self._system.size(self._at(name))
        except FileNotFoundError:
            return None

    def lock(self) -> _Lease:
        return _Lease(self)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _prepare(self, name: str) -> None:
        """Object storage has no folders, but what fsspec also reaches may have."""
        self._system.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)


class _Owner(NamedTuple):
    """A driver that has a lease, and when it last gave a sign of life."""

    host: str
    pid: int
    key: str
    at: float = 0.0


class _Lease:
    """A replacement for locks on object storage: a file that its owner keeps rewriting.

    Raises:
        BlockingIOError: its owner seems to be alive.
    """

    _NAME = "driver.json"

    def __init__(self, folder: RemoteFolder) -> None:
        self._folder, self._ended = folder, threading.Event()
        self._mine = _Owner(platform.node(), os.getpid(), secrets.token_hex(4))
        with suppress(ValueError):  # nobody wrote it whole
            if _lives(stored(parse(folder.read(self._NAME) or b""), _Owner)):
                raise BlockingIOError
        self._beat()
        threading.Thread(target=self._go_on, daemon=True).start()

    def release(self) -> None:
        """Lets the next one in."""
        self._ended.set()
        self._folder.remove(self._NAME)

    def _beat(self) -> None:
        note = self._mine._replace(at=time.time())
        self._folder.write(self._NAME, json.dumps(note._asdict()).encode())

    def _go_on(self) -> None:
        while not self._ended.wait(_BEAT):
            self._beat()


def _lives(owner: _Owner) -> bool:
    if owner.host == platform.node():
        try:
            os.kill(owner.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            pass
    return time.time() - owner.at < _DEAD


def _reach(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there.

    Raises:
        ValueError: its package is not installed, or there is no such kind of place.
    """
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise ValueError(f"{url} cannot be reached: {error}.") from error
    return system, str(path).rstrip("/")


def _cache() -> Path:
    own = f"rife-video-sources-{os.getuid() if hasattr(os, 'getuid') else ''}".rstrip("-")
    folder = Path(tempfile.gettempdir()) / own
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _wait_for(folder: Path) -> FolderLock:
    """The lock of a folder; who holds it copies a file, and its end frees the lock."""
    while True:
        try:
            return FolderLock(folder)
        except BlockingIOError:
            time.sleep(_ASK_EVERY)


def _tidy() -> None:
    for folder in _cache().iterdir():
        with suppress(OSError):
            if time.time() - (folder / "lock").stat().st_mtime > _KEPT:
                shutil.rmtree(folder)
