"""A real ComfyUI server with this pack in it, for the tests in this folder."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from rife_video.rife_core.checkpoints.rife import save_rife

ROOT = Path(__file__).parents[2]
# Only to end at all: a busy machine may take its time.
START_SECONDS = 900
RUN_SECONDS = 900


HOW = (
    "set COMFYUI_PATH to a checkout of ComfyUI and COMFYUI_PYTHON to a Python that has its "
    "requirements; setup_server.py beside this file makes one"
)
CHECKOUT, PYTHON = (os.environ.get(name) for name in ("COMFYUI_PATH", "COMFYUI_PYTHON"))


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.comfyui)
            if not (CHECKOUT and PYTHON):
                item.add_marker(pytest.mark.skip(reason=HOW))


# A node of the tests' own: a video that lies in memory as the bytes of a file.
BYTES_NODE = """
from io import BytesIO
from comfy_api.latest import InputImpl

class VideoInBytes:
    RETURN_TYPES = ("VIDEO",)
    FUNCTION = "load"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"video": ("VIDEO",)}}

    def load(self, video):
        with open(video.get_stream_source(), "rb") as file:
            return (InputImpl.VideoFromFile(BytesIO(file.read())),)

NODE_CLASS_MAPPINGS = {"VideoInBytes": VideoInBytes}
"""


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
        aiohttp = pytest.importorskip("aiohttp")
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


@pytest.fixture(scope="session")
def server(tmp_path_factory, clip_file, network):
    base = tmp_path_factory.mktemp("comfyui")
    for folder in ("custom_nodes", "input", "models/rife"):
        (base / folder).mkdir(parents=True)
    (base / "custom_nodes/rife_video").symlink_to(ROOT)
    for pack in map(Path, filter(None, os.environ.get("COMFYUI_PACKS", "").split(os.pathsep))):
        shutil.copytree(pack, base / "custom_nodes" / pack.name)  # some write into their folder
    (base / "custom_nodes/video_in_bytes.py").write_text(BYTES_NODE)
    (base / "input/clip.mp4").symlink_to(clip_file)
    save_rife(network, base / "models/rife/small.safetensors")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "weights").mkdir()
    save_rife(network, elsewhere / "weights/elsewhere.safetensors")
    extra_paths = base / "extra_model_paths.yaml"
    extra_paths.write_text(f"more:\n  base_path: {elsewhere}\n  rife: weights\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PYTHON, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
    with (base / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                *(*command, "--base-directory", str(base)),
                *("--extra-model-paths-config", str(extra_paths)),
                *os.environ.get("COMFYUI_ARGS", "").split(),
            ],
            cwd=CHECKOUT,
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


def with_small_weights(name):
    """A workflow of the repository with the small weights."""
    content = json.loads((ROOT / f"workflows/api/{name}.api.json").read_text())
    for node in content.values():
        if node["class_type"] == "LoadRIFE":
            node["inputs"]["model_name"] = "small.safetensors"
    return content


@pytest.fixture
def graph():
    """interpolate_clip with the small weights."""
    return with_small_weights("interpolate_clip")
