"""What a server's websocket says about a prompt: its progress, and when to ask for the result.

Nothing depends on it. A websocket that cannot be opened, breaks off or talks nonsense
costs the progress lines only; the history tells how a prompt ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from ..plain_text import plain
from . import answers
from .connection import Connection
from .errors import BadAnswerError

REOPEN_SECONDS = 2.0
_TELL_SECONDS = 2.0
_CLOSE_SECONDS = 0.3
_MAX_NUMBER = 20


class Listener:
    """Listens for one prompt.

    Attributes:
        news: set when it is time to ask the server how the prompt is.
    """

    def __init__(
        self,
        connection: Connection,
        client: str,
        prompt_id: str,
        titles: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self.news = asyncio.Event()
        self._connection, self._client, self._prompt_id = connection, client, prompt_id
        self._titles, self._tell = titles, tell
        self._named: set[str] = set()
        self._told = 0.0

    async def __aenter__(self) -> Listener:
        self._task = asyncio.ensure_future(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=2 * _CLOSE_SECONDS)

    async def _listen(self) -> None:
        while True:
            try:
                opening = self._connection.listen("/ws", {"clientId": self._client})
                socket = await asyncio.wait_for(opening, self._connection.patience)
                try:
                    self.news.set()  # what happened before the socket was open was not heard
                    await self._hear(socket)
                finally:  # a server that does not close its side has to be left
                    with suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(socket.close(), _CLOSE_SECONDS)
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError, BadAnswerError):
                pass
            await asyncio.sleep(REOPEN_SECONDS)

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                continue  # previews
            content = answers.parse(message.data, answers.MESSAGE, "websocket")
            data = content.get("data") or {}
            if data.get("prompt_id") == self._prompt_id:
                self._take(content["type"], data)

    def _take(self, kind: str, data: Mapping[str, Any]) -> None:
        node = data.get("node")
        ended = kind in ("execution_success", "execution_error", "execution_interrupted")
        if ended or (kind == "executing" and node is None):
            self.news.set()
        elif not isinstance(node, str) or node not in self._titles:
            return
        elif kind == "executing" and node not in self._named:
            self._named.add(node)
            self._tell(self._titles[node])
        elif kind == "progress" and time.monotonic() - self._told >= _TELL_SECONDS:
            answers.check(data, answers.PROGRESS, "websocket")
            self._told = time.monotonic()
            done, of = (plain(data[key], _MAX_NUMBER) for key in ("value", "max"))
            self._tell(f"{self._titles[node]} {done}/{of}")
