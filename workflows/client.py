"""Queues an API-format workflow on ComfyUI servers: `rife-video queue WORKFLOW.api.json FILES`.

Each file becomes one prompt. Files are spread over the servers; one that dies has its
file queued elsewhere. A server's history is the truth about a prompt; its websocket
only tells how far it is and when to look.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from .graph import Graph, WorkflowError, check, inputs_of, is_link, read, set_input

if TYPE_CHECKING:
    import aiohttp

LOCAL = "http://127.0.0.1:8188"
"""Where ComfyUI listens by default."""

PATIENCE = 60.0
"""Seconds for which a server may be silent before its file goes elsewhere."""

MAX_ATTEMPTS = 3
_PAUSE = 0.5
_LOOK_AGAIN = 5.0
_TELL_SECONDS = 2.0
_READ_SECONDS = 300.0
_CONNECT_SECONDS = 10.0
_GATEWAY_ERRORS = (502, 503, 504)
_TOO_LARGE = 413
_REFUSED = 400

Say = Callable[[str], None]
T = TypeVar("T")


class ServerGoneError(Exception):
    """A server does not answer any more."""


class RefusedError(ServerGoneError):
    """A server lacks something that the workflow needs; it will not run the other files either."""


class ForgottenError(Exception):
    """A server does not know the prompt (any more): it was started again, or emptied its queue."""


@dataclass
class Outcome:
    """What became of one prompt.

    Attributes:
        name: of the input file, or of the workflow where no files were given.
        server: address of the server that ran it.
        files: what was downloaded.
        texts: what nodes have to say.
        error: why it failed; empty if it did not.
    """

    name: str
    server: str = ""
    files: list[Path] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    error: str = ""


def queue_workflow(
    workflow: str | Path | Graph,
    files: Iterable[str | Path] = (),
    *,
    servers: Sequence[str] = (LOCAL,),
    settings: Iterable[str] = (),
    file_input: str | None = None,
    output_dir: str | Path = "output",
    headers: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
    dry_run: bool = False,
    say: Say = lambda line: None,
) -> list[Outcome]:
    """Runs a workflow on servers and downloads what it gives; returns when all is done.

    Args:
        workflow: the path of an API-format file, or its content.
        files: one prompt is queued for each; none: the workflow as it is, once.
        servers: addresses, such as "http://127.0.0.1:8188".
        settings: changes such as "Interpolate Frames.multiplier=4"; see
            `graph.set_input`. A file of this machine that is set where the workflow
            loads a file is uploaded.
        file_input: which input takes the files, such as "Load Video.file"; only
            needed where the workflow loads several.
        output_dir: where downloads go.
        headers: sent with every request, for servers behind a login.
        patience: seconds for which a server may be silent.
        dry_run: only check, against the nodes that the servers have.
        say: called with a line for each thing that happens.

    Returns:
        One outcome for each prompt, in the order of `files`.

    Raises:
        WorkflowError: the workflow cannot run on any server, or aiohttp is missing.
        OSError: a file is not there.
    """
    graph = read(workflow) if isinstance(workflow, str | Path) else workflow
    name = Path(workflow).name if isinstance(workflow, str | Path) else "workflow"
    paths = [Path(file) for file in files]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"There is no file {', '.join(missing)}.")
    prompts = [Prompt(path.name, path) for path in paths] or [Prompt(name, None)]
    run = Run(graph, list(settings), file_input, Path(output_dir), prompts, say)
    return asyncio.run(run.on(servers, dict(headers or {}), patience, dry_run))


@dataclass
class Prompt:
    """One run of the workflow."""

    name: str
    file: Path | None
    attempts: int = 0
    outcome: Outcome | None = None


@dataclass
class Run:
    """All prompts of one call, and how they are made."""

    graph: Graph
    settings: list[str]
    file_input: str | None
    output_dir: Path
    prompts: list[Prompt]
    say: Say
    taken: set[Path] = field(default_factory=set)
    unfit: list[str] = field(default_factory=list)

    async def on(
        self, addresses: Sequence[str], headers: dict[str, str], patience: float, dry_run: bool
    ) -> list[Outcome]:
        """Spreads the prompts over the servers that can run them."""
        aiohttp = _aiohttp()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS
        )
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            servers = [Server(address, session, patience) for address in dict.fromkeys(addresses)]
            if dry_run:
                await asyncio.gather(*(self._meet(server, dry_run=True) for server in servers))
            else:
                await self._spread(servers)
        if len(self.unfit) == len(servers) or (dry_run and self.unfit):
            raise WorkflowError("\n".join(self.unfit))
        missing = "" if dry_run else "No server is left to run it."
        return [prompt.outcome or Outcome(prompt.name, error=missing) for prompt in self.prompts]

    async def _meet(self, server: Server, dry_run: bool = False) -> bool:
        """Asks a server for its nodes, and in a dry run looks for all that it would refuse."""
        try:
            server.classes = _node_classes(await server.object_info())
            for prompt in self.prompts:
                graph, _ = self._prepared(server, prompt)
                if dry_run:
                    check(graph, server.classes, "Nodes that the server has")
        except (WorkflowError, ServerGoneError) as error:
            self._leave_out(server, error)
            return False
        if dry_run:
            self.say(f"{server.name} has all that the workflow needs.")
        return True

    def _leave_out(self, server: Server, error: Exception) -> None:
        self.unfit.append(f"{server.name}: {error}")
        self.say(self.unfit[-1])

    async def _spread(self, servers: list[Server]) -> None:
        """Returns when all prompts are settled, or no server is left."""
        waiting: asyncio.Queue[Prompt] = asyncio.Queue()
        for prompt in self.prompts:
            waiting.put_nowait(prompt)
        settled = asyncio.ensure_future(waiting.join())
        workers = asyncio.gather(*(self._work(server, waiting) for server in servers))
        try:
            await asyncio.wait({settled, workers}, return_when=asyncio.FIRST_COMPLETED)
            if workers.done():
                workers.result()
        finally:
            settled.cancel()
            workers.cancel()
            await asyncio.gather(settled, workers, return_exceptions=True)

    async def _work(self, server: Server, waiting: asyncio.Queue[Prompt]) -> None:
        """Runs one prompt after the other, until the server is gone."""
        if not await self._meet(server):
            return
        while True:
            prompt = await waiting.get()
            prompt.attempts += 1
            try:
                prompt.outcome = await self._one(server, prompt)
            except RefusedError as error:
                waiting.put_nowait(prompt)
                self._leave_out(server, error)
                return
            except (ServerGoneError, ForgottenError) as error:
                if prompt.attempts < MAX_ATTEMPTS:
                    self.say(f"{prompt.name}: {error} It is queued again.")
                    waiting.put_nowait(prompt)
                else:
                    prompt.outcome = Outcome(prompt.name, server.name, error=str(error))
                if isinstance(error, ServerGoneError):
                    return
            except (WorkflowError, OSError) as error:
                prompt.outcome = Outcome(prompt.name, server.name, error=str(error))
            finally:
                waiting.task_done()

    async def _one(self, server: Server, prompt: Prompt) -> Outcome:
        started = time.monotonic()
        graph, uploads = self._prepared(server, prompt)
        for (node, name), path in uploads.items():
            graph[node]["inputs"][name] = await server.upload(path)
        titles = {node: _title(graph, node) for node in graph}

        def tell(text: str) -> None:
            self.say(f"{server.name}  {prompt.name}  {text}")

        entry = await server.run(graph, titles, tell)
        if error := _error(entry, titles):
            raise WorkflowError(error)
        outcome = Outcome(prompt.name, server.name)
        outputs = [output for output in entry.get("outputs", {}).values() if output]
        outcome.texts += [str(text) for output in outputs for text in output.get("text") or ()]
        for saved in _saved(outputs):
            path = self._free_path(prompt, Path(saved["filename"]).name)
            await server.download(saved, path)
            outcome.files.append(path)
        tell(f"done in {time.monotonic() - started:.1f} s")
        return outcome

    def _prepared(
        self, server: Server, prompt: Prompt
    ) -> tuple[Graph, dict[tuple[str, str], Path]]:
        """The graph with its settings, and which files of this machine belong to which input."""
        graph = copy.deepcopy(self.graph)
        for assignment in self.settings:
            set_input(graph, server.classes, assignment)
        loaders = list(_file_inputs(graph, server.classes))
        uploads = {
            (node, name): path
            for node, name in loaders
            if (value := graph[node]["inputs"][name]) != self.graph[node]["inputs"][name]
            and (path := Path(str(value))).is_file()
        }
        if prompt.file:
            if self.file_input:
                set_input(graph, server.classes, f"{self.file_input}={prompt.file.name}")
                changed = [key for key in loaders if _value(graph, key) == prompt.file.name]
            else:
                changed = loaders
            if len(changed) != 1:
                names = ", ".join(f"'{_title(graph, node)}.{name}'" for node, name in loaders)
                raise WorkflowError(
                    f"Which input takes the files? The workflow loads {names or 'no file'}; "
                    "name one with --file-input."
                )
            uploads[changed[0]] = prompt.file
        for (node, name), path in uploads.items():
            graph[node]["inputs"][name] = path.name
        for node, name in loaders:
            value = str(graph[node]["inputs"][name])
            if (node, name) in uploads or "/" in value or value.endswith("]"):
                # Not in the server's list of files, but it will be there or may be elsewhere.
                _allow(server.classes[graph[node]["class_type"]], name, value)
        return graph, uploads

    def _free_path(self, prompt: Prompt, name: str) -> Path:
        """Where a download goes: two servers may give the same name."""
        stem = f"{prompt.file.stem}_" if prompt.file else ""
        path = self.output_dir / f"{stem}{name}"
        number = 2
        while path in self.taken:
            path = self.output_dir / f"{stem}{number}_{name}"
            number += 1
        self.taken.add(path)
        return path


class Server:
    """One ComfyUI server."""

    def __init__(self, address: str, session: aiohttp.ClientSession, patience: float) -> None:
        self.url = (address if "://" in address else f"http://{address}").rstrip("/")
        self.name = self.url.partition("://")[2]
        self.classes: dict[str, Any] = {}
        self._session = session
        self._patience = patience
        self._client = uuid.uuid4().hex
        self._heard = time.monotonic()

    async def object_info(self) -> dict[str, Any]:
        """The nodes that the server has."""
        return await self._patiently(partial(self._get, "/object_info"))

    async def upload(self, path: Path) -> str:
        """Sends a file to the server's input folder; returns its name there."""
        aiohttp = _aiohttp()

        async def attempt() -> Any:
            with path.open("rb") as file:
                form = aiohttp.FormData()
                form.add_field("image", file, filename=path.name)
                return await self._ask("POST", "/upload/image", data=form)

        answer = await self._patiently(attempt)
        return "/".join(filter(None, (answer.get("subfolder"), answer["name"])))

    async def download(self, saved: Mapping[str, str], path: Path) -> None:
        """Fetches an output; it appears under its name only when it is complete."""
        keys = ("filename", "subfolder", "type")
        query = urlencode({key: saved.get(key, "") for key in keys})
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")

        async def attempt() -> None:
            async with self._session.get(f"{self.url}/view?{query}") as answer:
                answer.raise_for_status()
                with part.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(2**20):
                        file.write(chunk)

        try:
            await self._patiently(attempt)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    async def run(self, graph: Graph, titles: Mapping[str, str], tell: Say) -> dict[str, Any]:
        """Queues a graph and waits for the end of it; returns its entry in the history."""
        prompt_id = str(uuid.uuid4())

        async def queue() -> str:
            if await self._knows(prompt_id):  # the answer to an earlier attempt was lost
                return prompt_id
            body = {"prompt": graph, "client_id": self._client, "prompt_id": prompt_id}
            answer = await self._ask("POST", "/prompt", json=body)
            if answer.get("node_errors"):
                tell("outputs that cannot run are left out: " + _refusal(answer, titles))
            return answer["prompt_id"]

        prompt_id = await self._patiently(queue)
        tell("queued")
        try:
            return await self._patiently(partial(self._follow, prompt_id, titles, tell))
        except asyncio.CancelledError:
            await self._withdraw(prompt_id)
            raise

    async def _follow(self, prompt_id: str, titles: Mapping[str, str], tell: Say) -> Any:
        aiohttp = _aiohttp()
        told = 0.0
        socket_url = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={self._client}"
        async with self._session.ws_connect(socket_url, heartbeat=20, max_msg_size=0) as socket:
            while True:  # the socket is open before the state is asked, so that no end is missed
                if not await self._knows(prompt_id):
                    raise ForgottenError(f"{self.name} has forgotten the prompt.")
                if entry := (await self._get(f"/history/{prompt_id}")).get(prompt_id):
                    return entry
                async for kind, data in _messages(socket, aiohttp):
                    if data.get("prompt_id") != prompt_id:
                        continue
                    self._heard = time.monotonic()
                    node = data.get("node")
                    if kind == "executing" and node is None:
                        break
                    if kind == "executing":
                        tell(titles.get(node, node))
                    elif kind == "progress" and time.monotonic() - told >= _TELL_SECONDS:
                        told = time.monotonic()
                        tell(f"{titles.get(node, node)} {data['value']}/{data['max']}")

    async def _knows(self, prompt_id: str) -> bool:
        """Whether a prompt waits, runs or has run."""
        queue = await self._get("/queue")
        entries = [*queue.get("queue_running", ()), *queue.get("queue_pending", ())]
        if any(entry[1] == prompt_id for entry in entries):
            return True
        return prompt_id in await self._get(f"/history/{prompt_id}")

    async def _withdraw(self, prompt_id: str) -> None:
        for path, body in (
            ("/queue", {"delete": [prompt_id]}),
            ("/interrupt", {"prompt_id": prompt_id}),
        ):
            async with self._session.post(self.url + path, json=body) as answer:
                await answer.read()

    async def _get(self, path: str) -> Any:
        return await self._ask("GET", path)

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        """The answer to one request, parsed."""
        async with self._session.request(method, self.url + path, **options) as answer:
            if answer.status in _GATEWAY_ERRORS:
                answer.raise_for_status()
            content = await answer.read()
            self._heard = time.monotonic()
            if answer.status == _TOO_LARGE:
                raise WorkflowError(
                    f"{self.name} does not take a file of this size; start ComfyUI with "
                    "--max-upload-size MEGABYTES, or put the file into its input folder."
                )
            try:
                parsed = json.loads(content)
            except ValueError:
                parsed = None
            if answer.status == _REFUSED and isinstance(parsed, dict) and "error" in parsed:
                graph = (options.get("json") or {}).get("prompt", {})
                titles = {node: _title(graph, node) for node in graph}
                raise RefusedError(f"The server refuses it: {_refusal(parsed, titles)}")
            if answer.status >= _REFUSED or parsed is None:
                raise WorkflowError(
                    f"{self.name} answers {path} with status {answer.status} "
                    f"({answer.reason or 'no JSON'}); is it a ComfyUI server?"
                )
            return parsed

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Tries until it works, or the server has been silent for too long."""
        aiohttp = _aiohttp()
        started = time.monotonic()
        while True:
            try:
                return await attempt()
            except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
                if time.monotonic() - max(started, self._heard) >= self._patience:
                    reason = str(error) or type(error).__name__
                    raise ServerGoneError(f"{self.name} does not answer ({reason}).") from error
            await asyncio.sleep(_PAUSE)


async def _messages(socket: Any, aiohttp: Any) -> Any:
    """Kind and data of the messages of a socket, until it falls silent for a while."""
    while True:
        try:
            message = await socket.receive(timeout=_LOOK_AGAIN)
        except TimeoutError:
            return
        if message.type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.ERROR,
        ):
            raise aiohttp.ClientConnectionError("the websocket was closed")
        if message.type == aiohttp.WSMsgType.TEXT:
            content = json.loads(message.data)
            yield content.get("type"), content.get("data") or {}


def _aiohttp() -> Any:
    try:
        import aiohttp
    except ImportError as error:
        raise WorkflowError(
            'To talk to servers, aiohttp is needed: pip install "rife-video[client]".'
        ) from error
    return aiohttp


def _node_classes(object_info: Mapping[str, Any]) -> dict[str, Any]:
    """What a server says of its nodes, in the form in which `graph` knows node classes."""
    return {
        name: SimpleNamespace(
            INPUT_TYPES=partial(info.get, "input"),
            RETURN_TYPES=tuple(info.get("output") or ()),
            OUTPUT_NODE=bool(info.get("output_node")),
        )
        for name, info in object_info.items()
    }


def _file_inputs(graph: Graph, classes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The inputs that name a file to load, as (node, input)."""
    for node_id, node in graph.items():
        node_class = classes.get(node.get("class_type", ""))
        for name, declared in (inputs_of(node_class) if node_class else {}).items():
            loads = any(key.endswith("_upload") and on for key, on in declared.options.items())
            value = (node.get("inputs") or {}).get(name)
            if loads and value is not None and not is_link(value):
                yield node_id, name


def _allow(node_class: Any, name: str, value: str) -> None:
    """Adds a file to those that an input can take."""
    choices = inputs_of(node_class)[name].choices
    if choices is not None and value not in choices:
        choices.append(value)


def _value(graph: Graph, key: tuple[str, str]) -> Any:
    return graph[key[0]]["inputs"][key[1]]


def _title(graph: Graph, node: str) -> str:
    entry = graph[node]
    return (entry.get("_meta") or {}).get("title") or entry.get("class_type") or node


def _refusal(answer: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """A server's refusal of a prompt as a sentence."""
    parts = [
        f"{titles.get(node, node)} (node {node}): {error['message']}: {error['details']}"
        for node, found in (answer.get("node_errors") or {}).items()
        for error in found["errors"]
    ]
    error = answer.get("error") or {}
    return "; ".join(parts) or f"{error.get('message')} {error.get('details') or ''}".strip()


def _error(entry: Mapping[str, Any], titles: Mapping[str, str]) -> str | None:
    """Why a prompt failed, as a sentence, from its entry in the history."""
    status = entry.get("status") or {}
    if status.get("status_str") != "error":
        return None
    for kind, data in status.get("messages", ()):
        node = data.get("node_id")
        where = f"{titles.get(node, data.get('node_type'))} (node {node})"
        if kind == "execution_error":
            return f"{where} failed: {str(data.get('exception_message')).strip()}"
        if kind == "execution_interrupted":
            return f"It was cancelled on the server, at {where}."
    return "It failed, and the server does not say why."


def _saved(outputs: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The files that nodes saved; where nothing was saved, those that they only show."""
    found = [
        item
        for output in outputs
        for items in output.values()
        if isinstance(items, list)
        for item in items
        if isinstance(item, dict) and "filename" in item
    ]
    return [item for item in found if item.get("type") == "output"] or found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `rife-video queue` takes."""
    parser.add_argument("workflow", type=Path, help="an API-format file, NAME.api.json")
    parser.add_argument("files", type=Path, nargs="*", help="one prompt is queued for each")
    parser.add_argument(
        "--server",
        action="append",
        metavar="URL",
        help=f"a ComfyUI server; give it again for more of them (default: {LOCAL})",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        help="change an input; NODE is an id, a title or a class",
    )
    parser.add_argument(
        "--file-input", metavar="NODE.INPUT", help="which input takes the files, if several could"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path("output"), help="for downloads (default: output)"
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="sent with every request, for servers behind a login",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="for which a server may be silent before its file goes elsewhere "
        f"(default: {PATIENCE:.0f})",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only check against the nodes the servers have"
    )


def run(args: argparse.Namespace) -> int:
    """Queues what the command line asks for, and prints what came of it."""
    headers = [header.partition(":") for header in args.header]
    outcomes = queue_workflow(
        args.workflow,
        args.files,
        servers=args.server or [LOCAL],
        settings=args.set,
        file_input=args.file_input,
        output_dir=args.output_dir,
        headers={name.strip(): value.strip() for name, _, value in headers},
        patience=args.patience,
        dry_run=args.dry_run,
        say=lambda line: print(line, file=sys.stderr),  # noqa: T201
    )
    for outcome in outcomes:
        for line in [*outcome.texts, *map(str, outcome.files)]:
            print(line)  # noqa: T201
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        print(f"{outcome.name} failed: {outcome.error}", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0
