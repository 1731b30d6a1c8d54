"""Servers that are broken or malicious: each costs itself only, and never more than patience."""

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest

pytest.importorskip("aiohttp")

from aiohttp import web
from rife_video.tests.fake_server import FakeServer
from rife_video.workflows.client import queue_workflow
from rife_video.workflows.client.patience import Deadline
from rife_video.workflows.graph import WorkflowError

from .bad_server import (
    CHATS,
    ENDPOINTS,
    PATIENT,
    QUICK,
    BadServer,
    changes,
    endpoint_of,
    is_silent,
    mutated,
)

GRAPH = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "there.mp4"}},
    "2": {"class_type": "Smooth", "inputs": {"video": ["1", 0], "multiplier": 2}},
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}},
}
PATIENCE = 2


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def survives(good, tmp_path, tally):
    """Runs two clips on a bad server and a good one; all must come out, whole."""
    numbers = itertools.count()
    tally.limit = NEVER / 2  # far from what it takes on a busy machine

    def run(name, where, fault, *parts, patience=NEVER):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        files = [folder / "a.mp4", folder / "b.mp4"]
        for file in files:
            file.write_bytes(bytes(2**19))
        lines = []
        with tally.one(f"{name} at {where}"), BadServer(where, fault, *parts) as bad:
            outcomes = queue_workflow(
                GRAPH,
                files,
                servers=[bad.url, good.url],
                output_dir=folder / "out",
                headers={"X-Secret": "sesame"},
                patience=patience,
                say=lines.append,
            )
            assert [outcome.error for outcome in outcomes] == ["", ""], lines
            for outcome in outcomes:
                assert all(path.parent == folder / "out" for path in outcome.files)
                if outcome.server == good.url.partition("://")[2]:
                    assert outcome.files[0].read_text() == "made_00001_.mp4/video/output"
            assert not list(folder.glob("out/.*")), "something half done is left"
        return lines

    return run


NEVER = 600
"""Seconds of patience with faults that show at once: a client that waits for its end hangs."""


def _everywhere(faults):
    return [(name, where) for name in faults for where in ENDPOINTS.values()]


def _mutations(count):
    """So many changed answers for each endpoint: the same ones in every run."""
    return [
        (f"mutation {seed}", where, changes(partial(mutated, seed=f"{where} {seed}")))
        for where in ENDPOINTS.values()
        for seed in range(count)
        if where not in ("view", "ws")
    ]


SHORT = ("null", "half of it", "deep", "bomb", "endless", "redirects in a circle", "broken")
SHORT += ("packed, nothing in it", "redirects to a long label")


def test_wrong_answers(survives, side_by_side):
    side_by_side(lambda case: survives(*case, QUICK[case[0]]), _everywhere(SHORT))


def test_answers_that_do_not_come(survives, side_by_side):
    faults = {name: PATIENT[name] for name in ("silent", "trickles", "busy", "half message")}

    def case(case):
        survives(*case, faults[case[0]], patience=PATIENCE)

    side_by_side(case, _everywhere(faults), 16)


def test_changed_answers(survives, side_by_side):
    side_by_side(lambda case: survives(*case), _mutations(4))


def test_a_size_that_no_disk_has_is_no_fault_of_this_machine(survives):
    survives("a petabyte", "view", PATIENT["a petabyte"])


@pytest.mark.parametrize("where", ["object_info", "prompt", "queue", "history"])
def test_too_large_is_said_of_files_only(survives, where):
    """Of anything else it is nonsense, and the clip goes to the next server."""
    survives("too large", where, QUICK["too large"])


def test_websockets_that_talk_nonsense(survives, side_by_side):
    side_by_side(lambda case: survives(case[0], "ws", case[1]), CHATS.items())


@pytest.mark.slow
def test_every_fault_at_every_endpoint(survives, side_by_side):
    cases = [case for case in _everywhere(QUICK) if case != ("too large", "upload")]
    side_by_side(lambda case: survives(*case, QUICK[case[0]]), cases)
    side_by_side(
        lambda case: survives(*case, PATIENT[case[0]], patience=5), _everywhere(PATIENT), 6
    )


@pytest.mark.slow
def test_many_changed_answers(survives, side_by_side):
    side_by_side(lambda case: survives(*case), _mutations(100))


def test_a_name_server_that_does_not_answer(good, tmp_path, monkeypatch, tally):
    """It costs patience, and no more: the thread that asks it is not waited for."""
    asked, answered, look_up = threading.Event(), threading.Event(), socket.getaddrinfo

    def stalls(host, *rest):
        if host == "stalls.example":
            asked.set()
            answered.wait(NEVER)
        return look_up(host, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", stalls)
    options = {"output_dir": tmp_path, "patience": PATIENCE}
    try:
        with tally.one("alone", WorkflowError):
            queue_workflow(GRAPH, servers=["http://stalls.example:8188"], **options)
        assert asked.is_set()
        with tally.one("beside a good one"):
            servers = ["http://stalls.example:8188", good.url]
            (outcome,) = queue_workflow(GRAPH, servers=servers, **options)
            assert outcome.error == ""
    finally:
        answered.set()


def test_names_are_looked_up(good, tmp_path):
    address = good.url.replace("127.0.0.1", "localhost")
    (outcome,) = queue_workflow(GRAPH, servers=[address], output_dir=tmp_path)
    assert (outcome.error, outcome.server) == ("", address.partition("://")[2])
    with pytest.raises(WorkflowError, match=r"none\.invalid: it does not answer"):
        queue_workflow(GRAPH, servers=["http://none.invalid"], patience=PATIENCE)


def test_time_in_which_we_could_not_listen_is_not_the_servers():
    """The answer is there, but this program got no processor for longer than its patience."""

    async def answer():
        await asyncio.sleep(0.05)
        for _ in range(10):
            await asyncio.sleep(0)
        return "answer"

    async def ask():
        deadline = Deadline(0.5)
        asyncio.get_running_loop().call_later(0.02, time.sleep, 0.7)
        return await deadline.limit(answer()), deadline.left

    found, left = asyncio.run(ask())
    assert found == "answer"
    assert left > 0.3


def test_pauses_between_tries_count():
    async def wait():
        deadline = Deadline(0.05)
        while deadline.left:
            await deadline.pause(0.02)
        with pytest.raises(asyncio.TimeoutError, match="of silence"):
            await deadline.limit(asyncio.sleep(60))

    asyncio.run(wait())


def test_the_headers_go_to_their_own_origin_only(good, tmp_path):
    """Whatever a server leads to: files may come from elsewhere, but nobody there is told."""
    with BadServer(None, None) as elsewhere:

        async def leads_away(server, request, good):
            return web.Response(status=302, headers={"Location": elsewhere.url + request.path_qs})

        for where in ENDPOINTS.values():
            with BadServer(where, leads_away) as bad:
                options = {"servers": [bad.url], "output_dir": tmp_path / where, "patience": 20}
                options["headers"] = {"X-Secret": "sesame"}
                if where == "object_info":
                    with pytest.raises(WorkflowError, match=elsewhere.url):
                        queue_workflow(GRAPH, **options)
                else:
                    (outcome,) = queue_workflow(GRAPH, **options)
                    works = where in ("view", "ws", "upload")  # nothing is uploaded
                    assert works if outcome.error == "" else elsewhere.url in outcome.error
                assert all(headers["X-Secret"] == "sesame" for _, headers in bad.seen)
    paths = {path for path, _ in elsewhere.seen}
    assert paths == {"/view"}
    assert not any("X-Secret" in headers for _, headers in elsewhere.seen)


def test_a_login_in_the_address_is_for_that_server_and_not_shown(tmp_path):
    with BadServer(None, None) as first, BadServer(None, None) as second:
        lines = []
        addresses = [first.url.replace("//", "//me:secret@"), second.url]
        queue_workflow(GRAPH, servers=addresses, output_dir=tmp_path, say=lines.append)
        assert {headers.get("Authorization") for _, headers in first.seen} == {"Basic bWU6c2VjcmV0"}
        assert {headers.get("Authorization") for _, headers in second.seen} == {None}
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize(
    "address", ["", "ftp://host", "http://", "http://[::1", "http://host:99999", "//", "http://a b"]
)
def test_addresses_that_are_none(address):
    with pytest.raises(WorkflowError, match=r"is no address of a server"):
        queue_workflow(GRAPH, servers=[address])


@pytest.mark.parametrize("headers", [{"": "x"}, {"A B": "x"}, {"A": "x\r\nB: y"}, {"A:": "x"}])
def test_headers_that_cannot_be_sent(headers):
    with pytest.raises(WorkflowError, match="cannot be sent"):
        queue_workflow(GRAPH, servers=["http://127.0.0.1:9"], headers=headers)


@pytest.mark.parametrize("patience", [0, -1, float("nan"), float("inf")])
def test_patience_that_is_none(patience):
    with pytest.raises(WorkflowError, match="patience is"):
        queue_workflow(GRAPH, patience=patience)


NAMES = {
    "../../evil.mp4": "evil.mp4",
    "/etc/passwd": "passwd",
    "C:\\windows\\evil.mp4": "evil.mp4",
    "..": "output",
    ".": "output",
    "": "output",
    "/": "output",
    ".bashrc": "_bashrc",
    "nul": "_nul",
    "COM1.mp4": "_COM1.mp4",
    "lpt\u00b9.mp4": "_lpt\u00b9.mp4",
    "con .mp4": "_con .mp4",
    "CONOUT$": "_CONOUT$",
    "C:a.mp4": "C_a.mp4",
    "a.mp4::$DATA": "a.mp4__$DATA",
    "\\\\server\\share\\b.mp4": "b.mp4",
    "a&type=input?#": "a&type=input_#",
    "%2e%2e%2fa": "%2e%2e%2fa",
    "\u202egpm.exe": "_gpm.exe",
    "a\0b.mp4": "a_b.mp4",
    "a\nb.mp4": "a_b.mp4",
    "\ud800.mp4": "_.mp4",
    "\x1b[2Jred.mp4": "_[2Jred.mp4",
    "x" * 300 + ".mp4": "x" * 196 + ".mp4",
    "\u00e9" * 300 + ".mp4": "\u00e9" * 98 + ".mp4",
    "a." + "b" * 300: ("a." + "b" * 300)[:200],
    "clip. ": "clip",
    "%s %d {0} $HOME ~": "%s %d {0} $HOME ~",
}


def test_names_stay_in_the_folder(tmp_path):
    async def gives(server, prompt_id):
        images = [{"filename": name, "type": "output"} for name in NAMES]
        await server.finish(prompt_id, outputs={"3": {"images": images}})

    with FakeServer(gives) as server:
        (outcome,) = queue_workflow(GRAPH, servers=[server.url], output_dir=tmp_path / "a/out")
    assert outcome.error == ""
    expected, seen = [], set()
    for name in NAMES.values():
        number = 2
        wanted = name
        while wanted in seen:
            wanted = f"{number}_{name}"
            number += 1
        seen.add(wanted)
        expected.append(wanted)
    assert [path.name for path in outcome.files] == expected
    assert {path.parent for path in outcome.files} == {tmp_path / "a/out"}
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == set(expected)


def test_a_download_never_replaces_a_file(tmp_path):
    (tmp_path / "made_00001_.mp4").write_text("mine")
    (tmp_path / "2_made_00001_.mp4").symlink_to(tmp_path / "not there")
    with FakeServer() as server:
        (first,) = queue_workflow(GRAPH, servers=[server.url], output_dir=tmp_path)
        (second,) = queue_workflow(GRAPH, servers=[server.url], output_dir=tmp_path)
    assert (tmp_path / "made_00001_.mp4").read_text() == "mine"
    assert first.files == [tmp_path / "3_made_00001_.mp4"]
    assert second.files == [tmp_path / "4_made_00001_.mp4"]


def test_where_files_cannot_be_linked(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    test_a_download_never_replaces_a_file(tmp_path)


def test_a_download_without_room(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=2**40, free=3))
    with FakeServer() as server:
        (outcome,) = queue_workflow(GRAPH, servers=[server.url], output_dir=tmp_path)
    assert "no room" in outcome.error
    assert outcome.error.endswith("there is still output/video/made_00001_.mp4.")
    assert list(tmp_path.iterdir()) == []


def test_what_a_server_says_is_fit_for_a_terminal(tmp_path, capsys):
    async def gives(server, prompt_id):
        text = ["\x1b[2Jreport\ud800\u202e", "x" * 10**6]
        await server.finish(prompt_id, outputs={"3": {"text": text}})

    with FakeServer(gives) as server:
        (outcome,) = queue_workflow(GRAPH, servers=[server.url], output_dir=tmp_path)
    assert outcome.texts[0] == "\ufffd[2Jreport\ufffd\ufffd"
    assert len(outcome.texts[1]) < 30_000


def test_a_prompt_that_takes_longer_than_the_limit(good, tmp_path):
    async def never_ends(server, prompt_id):
        server.id = prompt_id

    with FakeServer(never_ends) as slow:
        (outcome,) = queue_workflow(GRAPH, servers=[slow.url], output_dir=tmp_path, time_limit=0.5)
        assert "did not end within 0.5 s" in outcome.error
        assert ("/queue", {"delete": [slow.id]}) in slow.posts


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel by /proc")
def test_a_stream_without_end_takes_no_memory(tmp_path):
    """A process of its own, whose memory the kernel tells."""
    for fault in (QUICK["bomb"], QUICK["endless"], QUICK["many values"]):
        with BadServer("object_info", fault) as bad:
            command = [sys.executable, "-c", _MEMORY, json.dumps(GRAPH), bad.url]
            output = subprocess.check_output(command, cwd=tmp_path, text=True)
        assert int(output.split()[-1]) < 250_000, output


_MEMORY = r"""
import json, re, sys
from pathlib import Path
from aiohttp import web
from rife_video.workflows.client import queue_workflow
from rife_video.workflows.graph import WorkflowError
def most():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
before = most()
try:
    queue_workflow(json.loads(sys.argv[1]), servers=[sys.argv[2]], patience=600)
except WorkflowError as error:
    print(error)
print(most() - before)
"""


_COMMAND = """
import argparse, signal
from rife_video.workflows.client import add_arguments, run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us without it
parser = argparse.ArgumentParser()
add_arguments(parser)
try:
    run(parser.parse_args())
except KeyboardInterrupt:
    print("Stopped.")
"""


def two_seconds():
    """Two seconds of an idle machine; more where others compute beside us at the moment."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "import asyncio"], check=True)  # 0.1 s on an idle one
    return max(2, 20 * (time.monotonic() - started))


@pytest.mark.parametrize("where", ["object_info", "prompt", "queue", "history", "view", "ws"])
def test_ctrl_c_ends_within_two_seconds(where, tmp_path):
    workflow = tmp_path / "smooth.api.json"
    workflow.write_text(json.dumps(GRAPH))

    async def never_ends(server, prompt_id):
        pass

    parts = [never_ends] if where == "ws" else []
    command = [sys.executable, "-c", _COMMAND, str(workflow), "--server"]
    with BadServer(where, is_silent, *parts) as bad:
        process = subprocess.Popen(
            [*command, bad.url, "--patience", str(NEVER)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while not any(endpoint_of(path) == where for path, _ in bad.seen):
            time.sleep(0.02)
        time.sleep(0.2)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=NEVER / 2)
    seconds = time.monotonic() - started
    assert seconds < 2 or seconds < two_seconds()
    assert output.splitlines()[-1] == "Stopped."
    assert "Traceback" not in output
