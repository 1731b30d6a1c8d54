"""Files spread over servers that play death, silence and refusal."""

import asyncio
import sys
import threading

import pytest

pytest.importorskip("aiohttp")

from rife_video.tests.fake_server import GRAPH, OBJECT_INFO, FakeServer
from rife_video.workflows.client import queue_workflow
from rife_video.workflows.client.prepare import Template
from rife_video.workflows.client.spread import Prompt, Run
from rife_video.workflows.graph import WorkflowError

LONG = 300
"""Seconds for what takes none, unless the machine is busy."""


async def dies(server, prompt_id):
    await server.die()


def and_then(part, event):
    """A part after which an event is there."""

    async def play(server, prompt_id):
        await part(server, prompt_id)
        event.set()

    return play


def waits_for(event):
    """A part of a server that has something to do for as long as another one has not."""

    async def play(server, prompt_id):
        assert await asyncio.to_thread(event.wait, LONG)
        await server.finish(prompt_id)

    return play


def test_one_prompt_for_each_file(run, files, tmp_path):
    with FakeServer() as server:
        outcomes = run([server], files, settings=["Make it smooth.multiplier=4"])
    assert [outcome.name for outcome in outcomes] == ["a.mp4", "b.mp4", "c.mp4"]
    assert server.uploads == {path.name: path.read_bytes() for path in files}
    assert [prompt["1"]["inputs"]["file"] for prompt in server.prompts] == [p.name for p in files]
    assert {prompt["2"]["inputs"]["multiplier"] for prompt in server.prompts} == {4}
    for outcome, source in zip(outcomes, files, strict=True):
        assert outcome.error == ""
        assert outcome.texts == ["a report"]
        assert outcome.files == [tmp_path / "out" / f"{source.stem}_made_00001_.mp4"]
        assert outcome.files[0].read_text() == "made_00001_.mp4/video/output"
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_without_files_the_workflow_runs_as_it_is(run, files):
    with FakeServer() as server:
        (outcome,) = run([server])
        assert outcome.files[0].name == "made_00001_.mp4"
        assert server.prompts[0]["1"]["inputs"]["file"] == "there.mp4"
        run([server], settings=[f"LoadVideo.file={files[0]}"])
    assert server.prompts[1]["1"]["inputs"]["file"] == "a.mp4"
    assert list(server.uploads) == ["a.mp4"]


def test_the_file_of_a_dead_server_is_queued_elsewhere(run, files):
    dead = threading.Event()
    with FakeServer(and_then(dies, dead)) as first, FakeServer(waits_for(dead)) as second:
        outcomes = run([first, second], files)
    assert [outcome.error for outcome in outcomes] == [""] * 3
    assert len(first.prompts) == 1
    assert len(second.prompts) == 3
    assert {outcome.server for outcome in outcomes} == {second.url.partition("://")[2]}
    assert any("It is queued again." in line for line in run.lines)


def test_files_are_spread_over_the_servers(run, files):
    meet = threading.Barrier(2)

    async def waits_for_the_other(server, prompt_id):
        await asyncio.to_thread(meet.wait, LONG)
        await server.finish(prompt_id)

    with FakeServer(waits_for_the_other) as first, FakeServer(waits_for_the_other) as second:
        outcomes = run([first, second], files[:2])
    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert len(first.prompts) == len(second.prompts) == 1
    assert len({outcome.files[0] for outcome in outcomes}) == 2


def test_when_all_servers_are_dead(run, files):
    with FakeServer(dies) as server:
        outcomes = run([server], files)
    assert len(outcomes) == 3
    for outcome in outcomes:
        assert outcome.error.startswith("No server is left to run it.")
    assert "does not answer" in outcomes[0].error


def test_a_server_that_is_not_there(run):
    with pytest.raises(WorkflowError, match="does not answer"):
        queue_workflow(GRAPH, servers=["127.0.0.1:9"], patience=0.2)


def test_a_server_that_refuses_is_left_out(run, files):
    with (
        FakeServer(refusal={"error": {"message": "no", "details": ""}, "node_errors": {}}) as first,
        FakeServer() as second,
    ):
        outcomes = run([first, second], files)
    assert [outcome.error for outcome in outcomes] == [""] * 3


def test_dry_run_queues_nothing_and_finds_everything(run, files):
    lacking = {name: info for name, info in OBJECT_INFO.items() if name != "Smooth"}
    with FakeServer() as server:
        run([server], files, dry_run=True)
        with pytest.raises(WorkflowError, match=r"multiplier.*largest allowed is 64"):
            run([server], files, dry_run=True, settings=["2.multiplier=99"])
        with pytest.raises(WorkflowError, match=r"'gone.mp4'; it must be one of there.mp4"):
            run([server], dry_run=True, settings=["1.file=gone.mp4"])
        with FakeServer(object_info=lacking) as other:
            with pytest.raises(WorkflowError, match="Smooth"):
                run([server, other], files, dry_run=True)
            assert not other.prompts
    assert not server.prompts
    assert not server.uploads


def test_a_stopped_client_takes_its_prompts_back(tmp_path):
    async def never_ends(server, prompt_id):
        server.id = prompt_id

    async def stop_when_it_runs(server):
        template = Template(GRAPH, [], None)
        run = Run(template, tmp_path, [Prompt("clip", None)], lambda line: None)
        task = asyncio.ensure_future(run.on([server.url], {}, 5, False))
        while not (hasattr(server, "id") and server.sockets):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FakeServer(never_ends) as server:
        asyncio.run(stop_when_it_runs(server))
    assert server.posts == [
        ("/queue", {"delete": [server.id]}),
        ("/interrupt", {"prompt_id": server.id}),
    ]


def test_says_what_is_missing_without_aiohttp(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(WorkflowError, match=r"rife-video\[client\]"):
        queue_workflow(GRAPH)
