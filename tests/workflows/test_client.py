"""The headless client, against a server that plays death, silence, error and refusal."""

import asyncio
import json
import sys
import threading

import pytest

pytest.importorskip("aiohttp")

from rife_video.__main__ import main
from rife_video.tests.fake_server import OBJECT_INFO, FakeServer
from rife_video.workflows.client import queue_workflow
from rife_video.workflows.client.prepare import Template
from rife_video.workflows.client.spread import Prompt, Run
from rife_video.workflows.graph import WorkflowError

GRAPH = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "there.mp4"}},
    "2": {
        "class_type": "Smooth",
        "inputs": {"video": ["1", 0], "multiplier": 2},
        "_meta": {"title": "Make it smooth"},
    },
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}},
}


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "in" / f"{name}.mp4" for name in "abc"]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("rife_video.workflows.client.connection.PAUSE", 0.05)
    monkeypatch.setattr("rife_video.workflows.client.listener.REOPEN_SECONDS", 0.05)

    def run(servers, files=(), **options):
        run.lines = []
        return queue_workflow(
            GRAPH,
            files,
            servers=[server.url for server in servers],
            output_dir=tmp_path / "out",
            say=run.lines.append,
            **{"patience": 0.5, **options},
        )

    return run


async def fails(server, prompt_id):
    message = {"node_id": "2", "node_type": "Smooth", "exception_message": "It is too long.\n"}
    await server.finish(
        prompt_id, outputs={}, status_str="error", messages=[["execution_error", message]]
    )


async def is_cancelled(server, prompt_id):
    message = {"node_id": "2", "node_type": "Smooth"}
    await server.finish(
        prompt_id, outputs={}, status_str="error", messages=[["execution_interrupted", message]]
    )


async def dies(server, prompt_id):
    await server.die()


async def drops_its_socket(server, prompt_id):
    await server.send("progress", prompt_id, node="2", value=1, max=4)
    connections = server.connections
    await server.drop_sockets()
    while server.connections == connections:
        await asyncio.sleep(0.02)
    await server.finish(prompt_id)


async def ends_unseen(server, prompt_id):
    """The end falls into a moment in which the client does not listen."""
    server.sockets.clear()
    await server.finish(prompt_id)
    server.running.clear()


async def forgets(server, prompt_id):
    server.running.clear()
    await server.drop_sockets()


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


def test_the_name_that_the_server_gives_is_used(run, files):
    with FakeServer() as server:
        server.uploads["a.mp4"] = b"somebody else's"
        run([server], files[:1])
    assert server.prompts[0]["1"]["inputs"]["file"] == "again a.mp4"


def test_without_files_the_workflow_runs_as_it_is(run, files):
    with FakeServer() as server:
        (outcome,) = run([server])
        assert outcome.files[0].name == "made_00001_.mp4"
        assert server.prompts[0]["1"]["inputs"]["file"] == "there.mp4"
        run([server], settings=[f"LoadVideo.file={files[0]}"])
    assert server.prompts[1]["1"]["inputs"]["file"] == "a.mp4"
    assert list(server.uploads) == ["a.mp4"]


def test_a_failing_node_is_told_as_a_sentence(run, files):
    with FakeServer(fails) as server:
        outcomes = run([server], files[:2])
    assert outcomes[0].error == "Make it smooth (node 2) failed: It is too long."
    assert outcomes[1].error == ""


def test_a_prompt_that_somebody_cancels(run):
    with FakeServer(is_cancelled) as server:
        (outcome,) = run([server])
    assert outcome.error == "It was cancelled on the server, at Make it smooth (node 2)."


@pytest.mark.parametrize("part", [drops_its_socket, ends_unseen])
def test_a_lost_connection_loses_nothing(run, part, monkeypatch):
    monkeypatch.setattr("rife_video.workflows.client.server.LOOK_AGAIN", 0.3)
    with FakeServer(part) as server:
        (outcome,) = run([server], patience=5)
    assert outcome.error == ""
    assert len(server.prompts) == 1


def test_a_server_that_forgot_the_prompt_gets_it_again(run):
    with FakeServer(forgets) as server:
        (outcome,) = run([server], patience=5)
    assert outcome.error == ""
    assert len(server.prompts) == 2


def test_the_file_of_a_dead_server_is_queued_elsewhere(run, files):
    with FakeServer(dies) as first, FakeServer() as second:
        outcomes = run([first, second], files)
    assert [outcome.error for outcome in outcomes] == [""] * 3
    assert len(first.prompts) == 1
    assert len(second.prompts) == 3
    assert {outcome.server for outcome in outcomes} == {second.url.partition("://")[2]}
    assert any("It is queued again." in line for line in run.lines)


def test_files_are_spread_over_the_servers(run, files):
    meet = threading.Barrier(2)

    async def waits_for_the_other(server, prompt_id):
        await asyncio.to_thread(meet.wait, 10)
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


REFUSAL = {
    "error": {"type": "prompt_outputs_failed_validation", "message": "no", "details": ""},
    "node_errors": {
        "2": {
            "errors": [{"message": "Value 99 bigger than max of 64", "details": "multiplier"}],
            "class_type": "Smooth",
        }
    },
}


def test_a_refusal_names_the_node(run, files):
    with FakeServer(refusal=REFUSAL) as server, pytest.raises(WorkflowError) as error:
        run([server], files)
    assert "Make it smooth (node 2): Value 99 bigger than max of 64: multiplier" in str(error.value)


def test_a_server_that_refuses_is_left_out(run, files):
    with FakeServer(refusal=REFUSAL) as first, FakeServer() as second:
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


def test_a_file_that_is_too_large_for_the_server(run, tmp_path):
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(2**21))  # the server takes 1 MB, as aiohttp does by itself
    with FakeServer() as server:
        (outcome,) = run([server], [large])
    assert "--max-upload-size" in outcome.error


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


def test_which_input_takes_the_file(tmp_path, files):
    two = {**GRAPH, "4": {"class_type": "LoadVideo", "inputs": {"file": "there.mp4"}}}
    with FakeServer() as server:
        options = {"servers": [server.url], "output_dir": tmp_path / "out"}
        with pytest.raises(WorkflowError, match="--file-input"):
            queue_workflow(two, files[:1], **options)
        queue_workflow(two, files[:1], file_input="4.file", **options)
    (prompt,) = server.prompts
    assert prompt["1"]["inputs"]["file"] == "there.mp4"
    assert prompt["4"]["inputs"]["file"] == "a.mp4"


def test_command_line(tmp_path, files, capsys):
    workflow = tmp_path / "smooth.api.json"
    workflow.write_text(json.dumps(GRAPH))
    with FakeServer(FakeServer.finish, fails) as server:
        status = main(
            [
                *("queue", str(workflow), str(files[0]), str(files[1])),
                *("--server", server.url, "--set", "2.multiplier=3"),
                *("--output-dir", str(tmp_path / "out")),
            ]
        )
    printed = capsys.readouterr()
    assert status == 1
    assert printed.out.splitlines() == ["a report", str(tmp_path / "out/a_made_00001_.mp4")]
    assert "b.mp4 failed: Make it smooth (node 2) failed: It is too long." in printed.err
    assert main(["queue", str(workflow), "gone.mp4", "--server", server.url]) == 1
    assert "There is no file gone.mp4" in capsys.readouterr().err


def test_says_what_is_missing_without_aiohttp(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(WorkflowError, match=r"rife-video\[client\]"):
        queue_workflow(GRAPH)
