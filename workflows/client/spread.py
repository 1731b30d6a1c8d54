"""Spreads the prompts of a workflow over servers; what a bad server loses goes to the others."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...rife_core.basics.whole_file import try_folder
from ..graph import check, title
from ..graph_file import Graph, WorkflowError, check_form, read
from ..plain_text import plain
from . import answers
from .downloads import Downloads
from .errors import BadAnswerError, BadServerError, ForgottenError, GoneError, RefusedError
from .prepare import Template

if TYPE_CHECKING:
    from .server import Server

LOCAL = "http://127.0.0.1:8188"
"""Where ComfyUI listens by default."""

PATIENCE = 60.0
"""Seconds for which a server may be silent before its file goes elsewhere."""

MAX_ATTEMPTS = 3

Say = Callable[[str], None]


@dataclass
class Outcome:
    """The outcome of one prompt.

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
    time_limit: float | None = None,
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
        time_limit: seconds that one prompt may take on a server, from when it is queued;
            None for as long as the server says that it is at it.
        dry_run: only check, against the nodes that the servers have.
        say: called with a line for each thing that happens.

    Returns:
        One outcome for each prompt, in the order of `files`.

    Raises:
        WorkflowError: the workflow cannot run on any server, or aiohttp is missing.
        OSError: a file is not there.
    """
    _require_aiohttp()
    from .connection import check_headers

    headers = dict(headers or {})
    check_headers(headers)
    for name, seconds in (("patience", patience), ("time_limit", time_limit)):
        if seconds is not None and not 0 < seconds < math.inf:
            raise WorkflowError(f"{name} is {seconds}; it must be a number of seconds above 0.")
    is_path = isinstance(workflow, str | Path)
    graph = read(workflow) if is_path else check_form(workflow)
    paths = [Path(file) for file in files]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"There is no file {', '.join(missing)}.")
    if not dry_run:
        try_folder(Path(output_dir))  # before the servers have worked for it
    name = Path(workflow).name if is_path else "workflow"
    prompts = [Prompt(path.name, path) for path in paths] or [Prompt(name, None)]
    template = Template(graph, list(settings), file_input)
    run = Run(template, Path(output_dir), prompts, say, time_limit)
    return asyncio.run(run.on(servers, headers, patience, dry_run))


@dataclass
class Prompt:
    """One run of the workflow.

    Attributes:
        name: for messages.
        file: what it is for; None for the workflow as it is.
        attempts: how often it was lost.
        reason: why it was lost last.
        outcome: what became of it.
    """

    name: str
    file: Path | None
    attempts: int = 0
    reason: str = ""
    outcome: Outcome | None = None


@dataclass
class Run:
    """All prompts of one call, and the servers they are spread over."""

    template: Template
    output_dir: Path
    prompts: list[Prompt]
    say: Say
    time_limit: float | None = None
    unfit: list[str] = field(default_factory=list)

    async def on(
        self, addresses: Sequence[str], headers: dict[str, str], patience: float, dry_run: bool
    ) -> list[Outcome]:
        """Spreads the prompts over the servers that can run them."""
        from .connection import Connection
        from .server import Server

        async with AsyncExitStack() as stack:
            servers: list[Server] = []
            for address in dict.fromkeys(addresses):
                connection = Connection(address, headers, patience)
                stack.push_async_callback(connection.close)
                servers.append(Server(connection, self.time_limit))
            if dry_run:
                await asyncio.gather(*(self._meet(server, dry_run=True) for server in servers))
            else:
                await self._spread(servers)
        done = any(prompt.outcome for prompt in self.prompts)
        if (len(self.unfit) == len(servers) and not done) or (dry_run and self.unfit):
            raise WorkflowError("\n".join(self.unfit))
        return [prompt.outcome or _unrun(prompt, dry_run) for prompt in self.prompts]

    async def _meet(self, server: Server, dry_run: bool = False) -> bool:
        """Asks a server for its nodes, and in a dry run looks for all that it would refuse."""
        try:
            with _bulkhead():
                await server.meet()
                for prompt in self.prompts:
                    graph, _ = self.template.fill(server.classes, prompt.file)
                    if dry_run:
                        check(graph, server.classes, "Nodes that the server has")
        except (WorkflowError, BadServerError) as error:
            self._leave_out(server, error)
            return False
        if dry_run:
            self.say(f"{server.name} has all that the workflow needs.")
        return True

    def _leave_out(self, server: Server, error: Exception) -> None:
        reason = f"{server.name}: {error}"
        reason = reason if reason.endswith(".") else f"{reason}."
        self.say(f"{reason} The server is left out.")
        if isinstance(error, WorkflowError | RefusedError) or not server.classes:
            self.unfit.append(reason)

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
        """Runs one prompt after the other, until the server is left out."""
        if not await self._meet(server):
            return
        forgotten = 0
        while True:
            prompt = await waiting.get()
            try:
                with _bulkhead():
                    prompt.outcome = await self._one(server, prompt)
                forgotten = 0
            except (WorkflowError, OSError) as error:
                prompt.outcome = Outcome(prompt.name, server.name, error=str(error))
                forgotten = 0
            except (ForgottenError, BadServerError) as error:
                self._lost(prompt, server, error, waiting)
                forgotten += 1
                if forgotten == MAX_ATTEMPTS or isinstance(error, BadServerError):
                    self._leave_out(server, error)
                    return
            finally:
                waiting.task_done()

    def _lost(
        self, prompt: Prompt, server: Server, error: Exception, waiting: asyncio.Queue[Prompt]
    ) -> None:
        """Queues a prompt again that its server lost, unless it may be what ends the servers."""
        prompt.reason = f"{server.name}: {error}."
        prompt.attempts += isinstance(error, GoneError)
        if prompt.attempts < MAX_ATTEMPTS:
            self.say(f"{prompt.name}: {prompt.reason} It is queued again.")
            waiting.put_nowait(prompt)
        else:
            prompt.outcome = Outcome(prompt.name, server.name, error=prompt.reason)

    async def _one(self, server: Server, prompt: Prompt) -> Outcome:
        started = time.monotonic()
        graph, uploads = self.template.fill(server.classes, prompt.file)
        for (node, name), path in uploads.items():
            graph[node]["inputs"][name] = await server.upload(path)
        titles = {node: title(entry) or node for node, entry in graph.items()}

        def tell(text: str) -> None:
            self.say(f"{server.name}  {prompt.name}  {text}")

        entry = await server.run(graph, titles, tell)
        if error := answers.failure(entry, titles):
            raise WorkflowError(error)
        outcome = Outcome(prompt.name, server.name, texts=answers.texts(entry))
        try:
            with Downloads(self.output_dir, prompt.file.stem if prompt.file else "") as downloads:
                await server.download(entry, downloads)
                outcome.files = downloads.place()
        except WorkflowError as error:
            kept = answers.saved_names(entry)
            raise WorkflowError(f"{error} On {server.name} there is still {kept}.") from error
        tell(f"done in {time.monotonic() - started:.1f} s")
        return outcome


@contextmanager
def _bulkhead() -> Iterator[None]:
    """Keeps any error that a server causes from affecting the others."""
    try:
        yield
    except (ForgottenError, BadServerError, WorkflowError, OSError):
        raise
    except Exception as error:
        reason = f"its answers are not understood ({type(error).__name__}: {plain(error, 200)})"
        raise BadAnswerError(reason) from error


def _unrun(prompt: Prompt, dry_run: bool) -> Outcome:
    if dry_run:
        return Outcome(prompt.name)
    return Outcome(prompt.name, error=f"No server is left to run it. {prompt.reason}".strip())


def _require_aiohttp() -> None:
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise WorkflowError(
            'To talk to servers, aiohttp is needed: pip install "rife-video[client]".'
        ) from error
