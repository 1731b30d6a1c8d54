"""A websocket that breaks off, or is not heard, costs progress lines only."""

import asyncio

import pytest

pytest.importorskip("aiohttp")

from rife_video.tests.fake_server import FakeServer


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


@pytest.mark.parametrize("part", [drops_its_socket, ends_unseen])
def test_a_lost_connection_loses_nothing(run, part, monkeypatch):
    monkeypatch.setattr("rife_video.workflows.client.server.LOOK_AGAIN", 0.3)
    with FakeServer(part) as server:
        (outcome,) = run([server], patience=5)
    assert outcome.error == ""
    assert len(server.prompts) == 1
