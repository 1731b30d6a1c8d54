"""A server of released networks, for what fetches them."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from rife_video.rife_core.checkpoints import fetch
from rife_video.rife_core.checkpoints.download import FetchError
from rife_video.rife_core.checkpoints.published import find_release
from rife_video.rife_core.inference.rife import build_network
from support import LITE, OTHER


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Bytes of two releases as torch saves them, with the prefix of the published files."""
    folder = tmp_path_factory.mktemp("assets")
    made = {}
    for version in (LITE, OTHER):
        torch.manual_seed(0)
        state = {f"module.{k}": v for k, v in build_network(version).state_dict().items()}
        torch.save(state, folder / version)
        made[version] = (folder / version).read_bytes()
    return made


@pytest.fixture(scope="session")
def early_files(tmp_path_factory):
    """Bytes of the three files of release 3.1, in half precision, by their names as assets."""
    path = tmp_path_factory.mktemp("early") / "part"
    torch.manual_seed(0)
    parts = {"flownet": {}, "contextnet": {}, "unet": {}}
    for name, tensor in build_network("3.1").state_dict().items():
        part = name.partition(".")[0]
        state = parts[part if part in parts else "flownet"]
        state[f"module.{name.removeprefix(f'{part}.') if part in parts else name}"] = tensor.half()
    made = {}
    for part, state in parts.items():
        torch.save(state, path)
        made[f"model31/{part}.pkl"] = path.read_bytes()
    return made


class _Server(ThreadingHTTPServer):
    """Answers each path as its entry of `answers` says, and counts what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked, self.open = {}, [], threading.Event()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        elif isinstance(answer, list):  # one answer after the other
            self._send(answer.pop(0) if len(answer) > 1 else answer[0])
        else:
            self._send(answer)

    def _send(self, answer):
        body, status = answer.get("body", b""), answer.get("status", 200)
        self.send_response(status)
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        length = answer.get("length", len(body))
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if answer.get("stall"):
            self.server.open.wait(20)


@pytest.fixture
def server(monkeypatch):
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv(fetch.MIRRORS, server.base)
    monkeypatch.setattr(fetch, "PUBLIC", f"{server.base}/public")
    monkeypatch.delenv(fetch.OFFLINE, raising=False)
    yield server
    server.open.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def fetched(tmp_path_factory):
    """The path of a real release, fetched once; without an index, the test is skipped."""
    folder = tmp_path_factory.mktemp("published")

    def bring(version):
        try:
            return find_release(version, [folder]) or fetch.fetch_release(
                version, folder, from_index=True, patience=5
            )
        except FetchError as error:
            pytest.skip(f"the package index cannot be reached: {error}")

    with pytest.MonkeyPatch.context() as quick:
        quick.setenv("PIP_RETRIES", "1")
        quick.delenv(fetch.OFFLINE, raising=False)
        yield bring
