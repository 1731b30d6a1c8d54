"""Files to queue, and the client, quick to lose patience."""

import pytest
from rife_video.tests.fake_server import GRAPH
from rife_video.workflows.client import queue_workflow


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
