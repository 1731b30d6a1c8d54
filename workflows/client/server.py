"""One ComfyUI server, in the words of its protocol: what it has, upload, run, download."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..graph_file import Graph
from ..plain_text import plain
from . import answers
from .connection import PASSING, UPLOAD, Connection
from .downloads import Downloads
from .errors import BadAnswerError, ForgottenError, GoneError
from .listener import Listener
from .patience import Deadline

LOOK_AGAIN = 5.0
"""Seconds after which the state of a prompt is asked for, whatever the websocket says."""

_BREATH = 0.05
_FAREWELL_SECONDS = 1.0
_MAX_FILES = 20_000
_MAX_SHOWN = 80

Say = Callable[[str], None]


class Server:
    """One server.

    Attributes:
        name: its address without scheme.
        classes: its nodes, in the form in which `graph` knows node classes.
    """

    def __init__(self, connection: Connection, time_limit: float | None) -> None:
        self.name = connection.name
        self.classes: dict[str, Any] = {}
        self._connection = connection
        self._time_limit = time_limit
        self._client = uuid.uuid4().hex

    async def meet(self) -> None:
        """Asks for the nodes that the server has."""
        found = await self._connection.ask("/object_info", answers.OBJECT_INFO)
        self.classes = {name: _node_class(info) for name, info in found.items()}

    async def upload(self, path: Path) -> str:
        """Sends a file to the server's input folder; returns its name there."""
        answer = await self._connection.upload(UPLOAD, path)
        return "/".join(filter(None, (answer.get("subfolder"), answer["name"])))

    async def run(self, graph: Graph, titles: Mapping[str, str], tell: Say) -> dict[str, Any]:
        """Queues a graph and waits for the end of it; returns its entry in the history.

        Raises:
            ForgottenError: the server lost the prompt.
            BadServerError: it cannot be worked with any more.
        """
        prompt_id = str(uuid.uuid4())
        try:
            prompt_id = await self._queue(graph, prompt_id, titles, tell)
            tell("queued")
            following = self._follow(prompt_id, titles, tell)
            return await asyncio.wait_for(following, self._time_limit)
        except asyncio.TimeoutError:
            await self._withdraw(prompt_id)
            raise GoneError(f"it did not end within {self._time_limit:g} s") from None
        except (asyncio.CancelledError, GoneError, BadAnswerError):
            await self._withdraw(prompt_id)
            raise

    async def download(self, entry: Mapping[str, Any], downloads: Downloads) -> None:
        """Fetches all files of a finished prompt."""
        files = answers.saved_files(entry)
        if len(files) > _MAX_FILES:
            raise BadAnswerError(f"{len(files):,} files for one prompt; {_MAX_FILES:,} are taken")
        for saved in files:
            query = {key: saved.get(key) or "" for key in ("filename", "subfolder", "type")}
            with downloads.open(saved["filename"]) as file:
                disk = downloads.disk
                await self._connection.download("/view", query, file, disk.free, disk.total)

    async def _queue(
        self, graph: Graph, prompt_id: str, titles: Mapping[str, str], tell: Say
    ) -> str:
        body = {"prompt": graph, "client_id": self._client, "prompt_id": prompt_id}
        tried = False

        async def attempt(deadline: Deadline) -> str:
            nonlocal tried
            if tried and await self._knows(prompt_id):  # the answer to an earlier try was lost
                return prompt_id
            tried = True
            post = self._connection.once
            answer = await post("POST", "/prompt", answers.QUEUED, titles=titles, json=body)
            if answer.get("node_errors"):
                left_out = answers.refusal(answer, titles)
                tell(f"outputs that cannot run are left out: {left_out}")
            return answer["prompt_id"]

        found = await self._connection.patiently(attempt)
        if not re.fullmatch(r"[\w.-]{1,100}", found, re.ASCII):
            raise BadAnswerError(f"/prompt: {plain(found, _MAX_SHOWN)!r} is no id of a prompt")
        return found

    async def _follow(self, prompt_id: str, titles: Mapping[str, str], tell: Say) -> dict[str, Any]:
        async with Listener(self._connection, self._client, prompt_id, titles, tell) as listener:
            while True:
                listener.news.clear()
                if entry := await self._entry(prompt_id):
                    return entry
                if not await self._waits(prompt_id) and not (entry := await self._entry(prompt_id)):
                    raise ForgottenError("it has forgotten the prompt")
                if entry:
                    return entry
                await asyncio.sleep(_BREATH)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(listener.news.wait(), LOOK_AGAIN)

    async def _knows(self, prompt_id: str) -> bool:
        """Whether a prompt waits, runs or has run."""
        return await self._waits(prompt_id) or await self._entry(prompt_id) is not None

    async def _waits(self, prompt_id: str) -> bool:
        """Whether a prompt waits or runs."""
        queue = await self._connection.ask("/queue", answers.QUEUE)
        rows = [*queue["queue_running"], *queue["queue_pending"]]
        return any(row[1] == prompt_id for row in rows)

    async def _entry(self, prompt_id: str) -> dict[str, Any] | None:
        """What the history knows of a prompt that has ended."""
        path = f"/history/{prompt_id}"
        entry = (await self._connection.ask(path, answers.HISTORY)).get(prompt_id)
        if entry is not None:
            answers.check(entry, answers.ENTRY, path)
        return entry

    async def _withdraw(self, prompt_id: str) -> None:
        """Withdraws a prompt, if the server answers quickly."""
        bodies = {"/queue": {"delete": [prompt_id]}, "/interrupt": {"prompt_id": prompt_id}}

        async def both() -> None:
            for path, body in bodies.items():
                await self._connection.tell(path, body)

        with suppress(BadAnswerError, *PASSING):
            await asyncio.wait_for(both(), _FAREWELL_SECONDS)


def _node_class(info: Mapping[str, Any]) -> Any:
    """A node as the server declares it; what other packs declare oddly is taken as nothing."""
    inputs, outputs = info.get("input"), info.get("output")
    return SimpleNamespace(
        INPUT_TYPES=partial(dict, inputs if isinstance(inputs, dict) else {}),
        RETURN_TYPES=tuple(outputs) if isinstance(outputs, list) else (),
        OUTPUT_NODE=bool(info.get("output_node")),
    )
