"""rife-video queue."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("aiohttp")

from rife_video.__main__ import main
from rife_video.tests.fake_server import GRAPH, FakeServer


async def fails(server, prompt_id):
    message = {"node_id": "2", "node_type": "Smooth", "exception_message": "It is too long.\n"}
    await server.finish(
        prompt_id, outputs={}, status_str="error", messages=[["execution_error", message]]
    )


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


def test_it_starts_without_pytorch():
    script = """
import sys
from rife_video.__main__ import main
try:
    main(["queue", "--help"])
except SystemExit as stopped:
    assert stopped.code == 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
