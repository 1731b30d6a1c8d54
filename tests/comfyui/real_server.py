"""A real ComfyUI server, started for a while: by the tests in this folder and by benchmarks."""

import asyncio
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

# Only to end at all: a busy machine may take its time.
START_SECONDS = 900
RUN_SECONDS = 900


class Server:
    """Talks to the server as a page would."""

    def __init__(self, port, base, pid):
        self.url = f"127.0.0.1:{port}"
        self.base = base
        self.pid = pid

    def request(self, path, data=None):
        """(status, parsed answer) of a GET, or of a POST of `data`."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(f"http://{self.url}{path}", body)
        try:
            with urllib.request.urlopen(request, timeout=RUN_SECONDS) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content

    def run(self, graph, on_message=lambda kind, data: None):
        """Queues `graph` and follows it to its end: all messages, and its history."""
        return asyncio.run(self._run(graph, on_message))

    async def _run(self, graph, on_message):
        import aiohttp

        messages = []
        client = f"test-{time.monotonic_ns()}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"http://{self.url}/ws?clientId={client}", max_msg_size=0
            ) as socket_,
        ):
            prompt = {"prompt": graph, "client_id": client}
            status, answer = await asyncio.to_thread(self.request, "/prompt", prompt)
            assert status == 200, answer
            async with asyncio.timeout(RUN_SECONDS):
                async for message in socket_:
                    if message.type != aiohttp.WSMsgType.TEXT:
                        continue
                    kind, data = json.loads(message.data).values()
                    if data.get("prompt_id") == answer["prompt_id"]:
                        messages.append((kind, data))
                        await asyncio.to_thread(on_message, kind, data)
                        if kind == "executing" and data["node"] is None:
                            break
        _, history = self.request(f"/history/{answer['prompt_id']}")
        return messages, history[answer["prompt_id"]]


@contextmanager
def started(checkout, python, base, *arguments):
    """The server of a checkout of ComfyUI, with its files in the folder `base`, on one thread."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", port]
    with (base / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command), "--base-directory", str(base), *arguments],
            cwd=checkout,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    server = Server(port, base, process.pid)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                server.request("/system_stats")
                break
            except OSError:
                log = (base / "server.log").read_text()[-3000:]
                assert process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.5)
        yield server
    finally:
        process.terminate()
        process.wait(30)
