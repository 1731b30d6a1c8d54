"""One server: what it is given, what it answers, and what it forgets."""

import pytest

pytest.importorskip("aiohttp")

from rife_video.tests.fake_server import FakeServer
from rife_video.workflows.graph import WorkflowError


async def is_cancelled(server, prompt_id):
    message = {"node_id": "2", "node_type": "Smooth"}
    await server.finish(
        prompt_id, outputs={}, status_str="error", messages=[["execution_interrupted", message]]
    )


async def forgets(server, prompt_id):
    server.running.clear()
    await server.drop_sockets()


async def fails(server, prompt_id):
    message = {"node_id": "2", "node_type": "Smooth", "exception_message": "It is too long.\n"}
    await server.finish(
        prompt_id, outputs={}, status_str="error", messages=[["execution_error", message]]
    )


def test_the_name_that_the_server_gives_is_used(run, files):
    with FakeServer() as server:
        server.uploads["a.mp4"] = b"somebody else's"
        run([server], files[:1])
    assert server.prompts[0]["1"]["inputs"]["file"] == "again a.mp4"


def test_a_failing_node_is_told_as_a_sentence(run, files):
    with FakeServer(fails) as server:
        outcomes = run([server], files[:2])
    assert outcomes[0].error == "Make it smooth (node 2) failed: It is too long."
    assert outcomes[1].error == ""


def test_a_prompt_that_somebody_cancels(run):
    with FakeServer(is_cancelled) as server:
        (outcome,) = run([server])
    assert outcome.error == "It was cancelled on the server, at Make it smooth (node 2)."


def test_a_server_that_forgot_the_prompt_gets_it_again(run):
    with FakeServer(forgets) as server:
        (outcome,) = run([server], patience=5)
    assert outcome.error == ""
    assert len(server.prompts) == 2


def test_a_file_that_is_too_large_for_the_server(run, tmp_path):
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(2**21))  # the server takes 1 MB, as aiohttp does by itself
    with FakeServer() as server:
        (outcome,) = run([server], [large])
    assert "--max-upload-size" in outcome.error


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
