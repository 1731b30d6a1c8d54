"""The graph of one prompt."""

import pytest

pytest.importorskip("aiohttp")

from rife_video.tests.fake_server import GRAPH, FakeServer
from rife_video.workflows.client import queue_workflow
from rife_video.workflows.graph import WorkflowError


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


def test_a_file_that_is_set_stays_one_when_it_is_gone(tmp_path, files):
    """A server would be blamed for not having a file of that path."""
    two = {**GRAPH, "4": {"class_type": "LoadVideo", "inputs": {"file": "there.mp4"}}}

    async def removes(server, prompt_id):
        files[2].unlink()
        await server.finish(prompt_id)

    with FakeServer(removes) as server:
        options = {"servers": [server.url], "output_dir": tmp_path / "out", "file_input": "1.file"}
        first, second = queue_workflow(two, files[:2], settings=[f"4.file={files[2]}"], **options)
    assert first.error == ""
    assert second.error == f"There is no file {str(files[2])!r}."
