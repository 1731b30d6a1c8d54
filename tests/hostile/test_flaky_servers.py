"""Servers that turn bad at any moment, in any way, and good again: two beside a good one."""

import asyncio
import random
import zlib
from functools import partial

import pytest

pytest.importorskip("aiohttp")

from aiohttp import web
from rife_video.tests.fake_server import GRAPH, FakeServer
from rife_video.workflows.client import queue_workflow

from .bad_server import CHATS, PATIENT, QUICK, changes, endpoint_of, mutated

pytestmark = pytest.mark.usefixtures("quick")

HEAVY = {"bomb", "packed twice", "many values", "many names", "deep and whole", "endless"}
HEAVY |= {"a long header", "endless headers"}


def head(*lines, version="HTTP/1.1"):
    return "\r\n".join((f"{version} 200 OK", *lines, "", "")).encode()


def shaped(parts_of):
    """The good answer's body, sent as `parts_of` says, without HTTP around it."""

    async def fault(server, request, good):
        answer = await good()
        if not isinstance(answer, web.Response):
            return answer
        for part in parts_of(answer.body or b""):
            if request.transport is None:
                break
            request.transport.write(part)
            await asyncio.sleep(0.01)
        if request.transport is not None:
            request.transport.close()
        raise ConnectionResetError

    return fault


def chunks(body, *sizes_told):
    told = sizes_told or (len(body),)
    return [b"%x\r\n" % max(1, size) + body + b"\r\n" for size in told]


async def late(server, request, good):
    await asyncio.sleep(0.4)
    return await good()


_CHUNKED = head("Transfer-Encoding: chunked")
SHAPES = {
    "HTTP/1.0": lambda b: [head(version="HTTP/1.0"), b],
    "HTTP/0.9": lambda b: [b],
    "longer than said": lambda b: [head(f"Content-Length: {max(0, len(b) - 1)}"), b],
    "shorter than said": lambda b: [head(f"Content-Length: {len(b) + 1}"), b],
    "a petabyte said": lambda b: [head(f"Content-Length: {10**15}"), b],
    "a chunk too short": lambda b: [_CHUNKED, *chunks(b, len(b) + 5), b"0\r\n\r\n"],
    "a chunk too long": lambda b: [_CHUNKED, *chunks(b, len(b) - 2), b"0\r\n\r\n"],
    "no last chunk": lambda b: [_CHUNKED, *chunks(b)],
    "chunks and the end": lambda b: [
        head("Transfer-Encoding: chunked", "Connection: close"),
        *chunks(b),
        b"0\r\nX: y\r\n\r\n",
    ],
    "bare line feeds": lambda b: [head(f"Content-Length: {len(b)}").replace(b"\r\n", b"\n"), b],
    "said twice": lambda b: [head(f"Content-Length: {len(b)}") + b] * 2,
    "continue first": lambda b: [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\n",
        head(f"Content-Length: {len(b)}") + b,
    ],
    "cookies": lambda b: [
        head(f"Content-Length: {len(b)}", "Set-Cookie: a=b; Domain=x", "Set-Cookie: =;;=") + b
    ],
    "bare deflate": lambda b: [
        head("Content-Encoding: deflate", "Connection: close"),
        zlib.compress(b)[2:-4],
    ],
    "a byte order mark": lambda b: [head(f"Content-Length: {len(b) + 3}"), b"\xef\xbb\xbf" + b],
    "every name twice": lambda b: [
        head("Connection: close"),
        b[:-1] + b"," + b[1:] if b[:1] == b"{" and len(b) > 2 else b,
    ],
}
NEW = {"late": late, **{name: shaped(parts_of) for name, parts_of in SHAPES.items()}}


class FlakyServer(FakeServer):
    """Answers one request in so many in a way that is drawn; `told` says what was drawn."""

    def __init__(self, seed, rate):
        super().__init__()
        self.draw, self.rate, self.told = random.Random(seed), rate, []

    async def _start(self):
        await super()._start(middlewares=[self._meddle])

    @web.middleware
    async def _meddle(self, request, handler):
        where = endpoint_of(request.path)
        if self.draw.random() > self.rate:
            return await handler(request)
        name, fault = self._fault(where)
        if (name, where) == ("too large", "upload"):  # which is said of the clip
            return await handler(request)
        self.told.append((where, name))
        try:
            return await fault(self, request, lambda: handler(request))
        except ConnectionError:
            return web.Response()

    def _fault(self, where):
        draw = self.draw
        if where == "ws":
            return draw.choice([*CHATS.items()])
        kind = draw.random()
        if kind < 0.3:
            seed = draw.random()
            return f"mutation {seed}", changes(partial(mutated, seed=seed))
        faults = NEW if kind < 0.65 else QUICK if kind < 0.85 else PATIENT
        return draw.choice([each for each in faults.items() if each[0] not in HEAVY])


def _try(seeds, good_server, tmp_path, tally, side_by_side):
    tally.limit = 300  # each wait is 3 seconds; far from what it takes on a busy machine

    def one(seed):
        draw, folder = random.Random(seed), tmp_path / str(seed)
        folder.mkdir()
        files, lines = [folder / f"{number}.mp4" for number in range(3)], []
        for file in files:
            file.write_bytes(bytes(draw.choice([0, 1, 1000, 2**17 + 3])))
        rate = draw.choice([0.1, 0.3, 0.6])
        servers = FlakyServer(f"{seed} a", rate), FlakyServer(f"{seed} b", rate)
        with tally.one(seed), servers[0] as first, servers[1] as second:
            outcomes = queue_workflow(
                GRAPH,
                files,
                servers=[first.url, second.url, good_server.url],
                output_dir=folder / "out",
                headers={"X-Secret": "sesame"},
                patience=3,
                say=lines.append,
            )
            assert [each.error for each in outcomes] == ["", "", ""], (first.told, second.told)
            assert all(file.parent == folder / "out" for each in outcomes for file in each.files)
            assert not list(folder.glob("out/.*")), "something half done is left"
            assert all(line.isprintable() and len(line) < 3000 for line in lines), lines
            assert not [line for line in lines if "not understood" in line], lines

    side_by_side(one, seeds, 4)


def test_servers_that_turn_bad(good, tmp_path, tally, side_by_side):
    _try(range(12), good, tmp_path, tally, side_by_side)


@pytest.mark.slow
def test_many_servers_that_turn_bad(good, tmp_path, tally, side_by_side):
    _try(range(100, 1000), good, tmp_path, tally, side_by_side)
