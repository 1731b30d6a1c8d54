"""Downloads one file and gives up when the transfer stalls, breaks off or never ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ..basics.arguments import natural

PATIENCE = 30.0
"""Seconds for which a server may be silent."""

ATTEMPTS = 2
"""How often an address is asked where the way to it breaks off."""

LARGEST = 1 << 30
"""Bytes; no published file is near it."""

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes that came so far and in all (None: not known), several times a second.

Whatever it raises ends the fetching.
"""

_CHUNK = 1 << 16
_LOOK = 0.2
SCHEMES = ("http://", "https://", "file://")


class FetchError(OSError):
    """A published network could not be fetched; the message says why and where its file goes."""


def is_address(url: str) -> bool:
    """Whether something may be fetched from there.

    Example:
        >>> is_address("https://example.org/a"), is_address("/a"), is_address("http://[")
        (True, False, False)
    """
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0  # a port that is none is a ValueError
    except ValueError:
        return False
    return url.startswith(SCHEMES) and (named or parts.scheme == "file")


def download(
    url: str, target: Path, progress: Progress, patience: float = PATIENCE, largest: int = LARGEST
) -> Path:
    """Fetches `url` into the file `target`, watching for whoever wants it to stop.

    Raises:
        OSError: it cannot be had, is not what was promised, or nothing comes for `patience`
            seconds.
    """
    if not is_address(url):
        raise FetchError(f"{url} is no address; it must begin with {' or '.join(SCHEMES)}")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _Transfer(url, target, patience, largest).run(progress)
        except HTTPError as error:
            raise FetchError(f"the server answered {error.code} {_said(error.reason)}") from error
        except (TimeoutError, ConnectionError, HTTPException, URLError) as error:
            if attempt == ATTEMPTS:
                reason = error.reason if isinstance(error, URLError) else error
                raise FetchError(_said(reason) or type(error).__name__) from error
    raise AssertionError("an attempt returns or raises")


def _said(reason: object) -> str:
    """A reason on one line, without the numbers of the system."""
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())


class _Transfer:
    """One attempt, in a thread of its own: a server that stalls must not keep anyone waiting."""

    def __init__(self, url: str, target: Path, patience: float, largest: int) -> None:
        self.url, self.target, self.patience, self.largest = url, target, patience, largest
        self.done = 0
        self.total: int | None = None
        self._stop, self._ended = threading.Event(), threading.Event()
        self._error: Exception | None = None

    def run(self, progress: Progress) -> Path:
        threading.Thread(target=self._work, daemon=True).start()
        try:
            while not self._ended.wait(_LOOK):
                progress(self.done, self.total)
        finally:
            self._stop.set()
        if self._error:
            raise self._error
        progress(self.done, self.total)
        return self.target

    def _work(self) -> None:
        try:
            self._copy()
        except Exception as error:  # handed to whoever waits
            self._error = error
        finally:
            self._ended.set()

    def _copy(self) -> None:
        request = Request(self.url, headers={"User-Agent": "rife-video"})
        with urlopen(request, timeout=self.patience) as answer, self.target.open("wb") as file:
            self.total = natural(answer.headers.get("Content-Length", ""))
            if "html" in answer.headers.get("Content-Type", ""):
                raise FetchError("the server sent a web page instead of the file")
            if (self.total or 0) > self.largest:
                raise FetchError(f"the server announced {self.total} bytes, far too many")
            while chunk := answer.read(_CHUNK):
                if self._stop.is_set():
                    return
                file.write(chunk)
                self.done += len(chunk)
                if self.done > self.largest:
                    raise FetchError(f"the server sent more than {self.largest} bytes")
        if self.total is not None and self.done != self.total:
            raise ConnectionError(f"it broke off after {self.done} of {self.total} bytes")
