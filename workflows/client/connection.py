"""Requests to one server, every one of them bounded: in time, in size and in where it leads."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from ...rife_core.basics.whole_file import check_file
from ..graph_file import WorkflowError
from ..plain_text import plain
from . import answers
from .errors import BadAnswerError, GoneError, RefusedError
from .patience import Deadline

MAX_UNSIZED = 2**30
"""Bytes of the largest download whose size the server does not tell."""

PAUSE = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
_MAX_REDIRECTS = 5
_MAX_MESSAGE = 32 * 2**20
_MAX_SHOWN = 200
_CHUNK = 2**16
_PIECE = 2**20
_UNPACKED = ("gzip", "x-gzip", "deflate")
_ANY_ZLIB = zlib.MAX_WBITS | 32
_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
_OK = 200
_BUSY = (429, 502, 503, 504)
_LOGIN = (401, 403)
_TOO_LARGE = 413
UPLOAD = "/upload/image"
_REFUSED = 400
_REDIRECTS = (301, 302, 303, 307, 308)

T = TypeVar("T")


class _BusyError(Exception):
    """The server, or what stands before it, asks to come again later."""


PASSING = (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError, _BusyError)


class Connection:
    """Speaks to one origin, with retries, and sends its headers to no other.

    Attributes:
        url: of the server.
        name: the same without scheme and password, for messages.
        patience: seconds for which the server may be silent.
    """

    def __init__(self, address: str, headers: Mapping[str, str], patience: float) -> None:
        self.url, own = _server_url(address)
        self.name = plain(str(self.url).partition("://")[2].rstrip("/"), _MAX_SHOWN)
        self.patience = patience
        # What is not packed cannot unpack to more than was sent.
        self._session = _session(
            headers={"Accept-Encoding": "identity", **headers, **own},
            trace_configs=[_no_redirects()],
        )

    async def close(self) -> None:
        """Closes all sockets."""
        await self._session.close()

    async def ask(self, path: str, form: Any, **options: Any) -> Any:
        """The answer to a GET request, of a known form (see `answers`)."""
        return await self.patiently(lambda deadline: self.once("GET", path, form, **options))

    async def once(
        self,
        method: str,
        path: str,
        form: Any,
        titles: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """The answer to one request, of a known form; tried once, in time that `patiently` bounds.

        Raises:
            RefusedError: the server refuses a prompt.
            WorkflowError: the file is too large for the server.
            BadAnswerError: any other answer that is not of the form.
        """
        async with self._open(method, self._at(path), **options) as answer:
            where = f"{method} {path}"
            content = b"".join([part async for part in _body(answer, answers.MAX_ANSWER, where)])
            if answer.status == _TOO_LARGE and path == UPLOAD:
                raise WorkflowError(
                    f"{self.name} does not take a file of this size; start ComfyUI with "
                    "--max-upload-size MEGABYTES, or put the file into its input folder."
                )
            if answer.status in _LOGIN:
                raise BadAnswerError(
                    f"{where}: it asks for a login (status {answer.status}); give one with --header"
                )
            if answer.status == _REFUSED:
                answer_ = answers.parse(content, {"error": object}, where)
                raise RefusedError(f"it refuses it: {answers.refusal(answer_, titles or {})}")
            if answer.status > _REFUSED:
                reason = plain(answer.reason or "", _MAX_SHOWN)
                raise BadAnswerError(
                    f"{where}: status {answer.status} ({reason}); is it a ComfyUI server?"
                )
            return answers.parse(content, form, where)

    async def upload(self, path: str, file: Path) -> Any:
        """Sends a file; returns the answer, parsed.

        Raises:
            WorkflowError: the file changes meanwhile or cannot be read: no server's fault.
        """

        async def attempt(deadline: Deadline) -> Any:
            with _WatchedFile(file, deadline) as content:
                form = aiohttp.FormData()
                form.add_field("image", content, filename=file.name)
                try:
                    return await self.once("POST", path, answers.UPLOADED, data=form)
                except Exception as error:
                    if content.fault:  # to aiohttp, the connection has failed
                        raise WorkflowError(content.fault) from error
                    raise

        return await self.patiently(attempt)

    async def download(
        self, path: str, query: Mapping[str, str], file: io.FileIO, free: int, most: int
    ) -> None:
        """Receives a file, from wherever the server sends us for it.

        Args:
            path: of the request.
            query: its parameters.
            file: where the content goes.
            free: bytes that there is room for.
            most: bytes that the whole disk has: no file of a prompt is larger.

        Raises:
            WorkflowError: it has no room.
            BadServerError: the server does not give it.
        """
        where = f"{path} of {plain(query.get('filename'), _MAX_SHOWN)!r}"

        async def attempt(deadline: Deadline) -> None:
            file.seek(0)
            file.truncate()
            url = self._at(path).with_query(query)
            async with self._open("GET", url, anywhere=True) as answer:
                if answer.status != _OK:
                    raise BadAnswerError(f"{where}: status {answer.status}")
                size = answer.content_length
                if size is not None and size > most:
                    raise BadAnswerError(f"{where}: {size:,} bytes; the whole disk has {most:,}")
                if size is not None and size > free:
                    told = f"{size:,} bytes, {free:,} free"
                    raise WorkflowError(f"There is no room for {where} ({told}).")
                limit = MAX_UNSIZED if size is None or _packing(answer) else size
                async for part in _body(answer, min(limit, free), where):
                    file.write(part)
                    deadline.moved_to(file.tell())

        await self.patiently(attempt)

    async def tell(self, path: str, body: Mapping[str, Any]) -> None:
        """Posts something whose answer does not matter; tried once."""
        async with self._open("POST", self._at(path), json=body):
            pass

    async def listen(self, path: str, query: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        """An open websocket."""
        url = self._at(path).with_query(query)
        url = url.with_scheme("wss" if url.scheme == "https" else "ws")
        return await self._session.ws_connect(url, heartbeat=20, max_msg_size=_MAX_MESSAGE)

    async def patiently(
        self, attempt: Callable[[Deadline], Awaitable[T]], deadline: Deadline | None = None
    ) -> T:
        """Tries until it works, or the deadline is over.

        Raises:
            GoneError: the server was silent, or busy, for too long.
        """
        deadline = deadline or Deadline(self.patience)
        while True:
            try:
                return await deadline.limit(attempt(deadline))
            except aiohttp.ClientSSLError as error:  # another try will not mend that
                raise GoneError(f"no safe connection ({plain(error, _MAX_SHOWN)})") from error
            except PASSING as error:
                reason = plain(error, _MAX_SHOWN) or type(error).__name__
                if deadline.left <= PAUSE:
                    raise GoneError(f"it does not answer ({reason})") from error
            await deadline.pause(PAUSE)

    def _at(self, path: str) -> URL:
        return self.url.with_path(self.url.path.rstrip("/") + path)

    @asynccontextmanager
    async def _open(
        self, method: str, url: URL, anywhere: bool = False, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, after redirects.

        A file may lie `anywhere`, but no other origin than ours is told our headers; all
        else the server has to answer itself.
        """
        async with AsyncExitStack() as stack:
            session = self._session
            for _ in range(_MAX_REDIRECTS):
                request = session.request(method, url, allow_redirects=False, **options)
                answer = await stack.enter_async_context(request)
                if answer.status in _BUSY:
                    raise _BusyError(f"status {answer.status}")
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                url = _target(answer)
                ours = url.origin() == self.url.origin()
                if method != "GET" or not (ours or anywhere):
                    raise BadAnswerError(
                        f"{method} {self.url.path} leads elsewhere; if you trust "
                        f"{plain(url.origin(), _MAX_SHOWN)}, give that address with --server"
                    )
                session = self._session
                if not ours:
                    session = await stack.enter_async_context(_session())
            raise BadAnswerError(f"{method} {self.url.path}: more than {_MAX_REDIRECTS} redirects")


def _session(**options: Any) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=_Resolver())
    return aiohttp.ClientSession(
        connector=connector, timeout=_TIMEOUT, auto_decompress=False, **options
    )


class _Resolver(AbstractResolver):
    """Looks names up in threads that nobody has to wait for.

    A name server that does not answer holds a thread for as long as the system likes; those
    of asyncio are waited for at the end of the program.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[Any]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Any] = loop.create_future()

        def settle(rows: Any, error: OSError | None) -> None:
            if not found.done():
                found.set_exception(error) if error else found.set_result(rows)

        def look_up() -> None:
            rows, error = None, None
            try:
                rows = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            except (OSError, UnicodeError) as reason:
                error = reason if isinstance(reason, OSError) else OSError(str(reason))
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(settle, rows, error)

        threading.Thread(target=look_up, daemon=True).start()
        return [
            {
                "hostname": host,
                "host": socket.getnameinfo(address, _NUMERIC)[0],
                "port": port,
                "family": kind,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for kind, _, protocol, _, address in await found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _WatchedFile(io.FileIO):
    """A file that moves a deadline as it is read, and has to stay as it was when opened.

    Attributes:
        fault: why it cannot be sent, as a sentence; "" if it can.
    """

    def __init__(self, path: Path, deadline: Deadline) -> None:
        try:
            check_file(path)  # to open a pipe may take for ever
            super().__init__(path)
            self._opened = self._state()
        except OSError as error:
            raise WorkflowError(_unread(path, error)) from error
        self.fault = ""
        self._path, self._deadline = path, deadline

    def _state(self) -> tuple[int, int]:
        found = os.fstat(self.fileno())
        return found.st_size, found.st_mtime_ns

    def read(self, size: int | None = -1) -> bytes | None:
        try:
            content = super().read(-1 if size is None else size)
            if self._state() != self._opened:
                raise OSError(
                    f"{self._path} has changed while it was sent; queue it again once it is "
                    "complete."
                )
        except OSError as error:
            # aiohttp may close it while a thread of its own reads it: what has the number of its
            # handle by then is another file.
            if not self.closed:
                self.fault = _unread(self._path, error)
            raise
        self._deadline.moved_to(self.tell())
        return content


def _unread(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror}." if error.strerror else str(error)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises WorkflowError if a header cannot be sent."""
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.isprintable():
            raise WorkflowError(
                f"The header {name!r} cannot be sent; it should look like 'Authorization: KEY'."
            )


def _server_url(address: str) -> tuple[URL, dict[str, str]]:
    """A server's address, and the headers that follow from a name and password in it."""
    try:
        url = URL(address if "://" in address else f"http://{address}")
        port = url.port
    except ValueError:
        port = None
    if port is None or url.scheme not in ("http", "https") or not _is_host(url.host):
        raise WorkflowError(
            f"{plain(address, _MAX_SHOWN)!r} is no address of a server; it should look like "
            "http://127.0.0.1:8188."
        )
    own = {}
    if url.user is not None or url.password is not None:
        login = f"{url.user or ''}:{url.password or ''}".encode()
        own["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
    return url.with_user(None).with_query(None).with_fragment(None), own


def _is_host(name: str | None) -> bool:
    if name is None or not re.fullmatch(r"[\w.:%-]+", name):
        return False
    return ":" in name or all(0 < len(part) < 64 for part in name.removesuffix(".").split("."))


def _target(answer: aiohttp.ClientResponse) -> URL:
    """Where a redirect leads."""
    try:
        url = answer.url.join(URL(answer.headers.get("Location", "")))
    except ValueError:
        url = URL()
    told = "Location" in answer.headers and url.scheme in ("http", "https")
    if not (told and url.port and _is_host(url.host)):
        raise BadAnswerError(f"{answer.url.path}: a redirect that leads nowhere")
    return url.with_user(None)


def _no_redirects() -> aiohttp.TraceConfig:
    """A websocket is opened where it was asked for, or not at all."""

    async def refuse(*_: Any) -> None:
        raise aiohttp.ClientError("the websocket leads elsewhere")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _packing(answer: aiohttp.ClientResponse) -> str:
    packing = answer.headers.get("Content-Encoding", "").strip().lower()
    return "" if packing == "identity" else packing


async def _body(answer: aiohttp.ClientResponse, limit: int, where: str) -> AsyncIterator[bytes]:
    """The content of an answer, unpacked, `limit` bytes at most."""
    packing = _packing(answer)
    if packing not in ("", *_UNPACKED):
        raise BadAnswerError(f"{where}: packed with {plain(packing, _MAX_SHOWN)}, unasked")
    unpacker = zlib.decompressobj(_ANY_ZLIB) if packing else None
    size = 0
    async for chunk in answer.content.iter_chunked(_CHUNK):
        for part in _unpacked(unpacker, chunk, where) if unpacker else (chunk,):
            size += len(part)
            if size > limit:
                raise BadAnswerError(f"{where}: more than {limit:,} bytes")
            yield part
    if unpacker and not unpacker.eof:
        if answer.content_length is None and "Transfer-Encoding" not in answer.headers:
            raise aiohttp.ClientPayloadError("the answer breaks off")  # nothing told its end
        raise BadAnswerError(f"{where}: it is packed, but not to its end")


def _unpacked(unpacker: Any, chunk: bytes, where: str) -> Iterator[bytes]:
    """The content of a compressed chunk, in pieces that are never large."""
    while chunk:
        try:
            yield unpacker.decompress(chunk, _PIECE)
        except zlib.error as error:
            raise BadAnswerError(f"{where}: it cannot be unpacked ({error})") from error
        chunk = unpacker.unconsumed_tail
