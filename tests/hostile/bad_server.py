"""A ComfyUI server with a fault: at one of its endpoints, whatever the table of faults says."""

import asyncio
import gzip
import json
import random
import zlib

from aiohttp import web
from rife_video.tests.fake_server import FakeServer

ENDPOINTS = {
    "/object_info": "object_info",
    "/upload/image": "upload",
    "/prompt": "prompt",
    "/queue": "queue",
    "/history": "history",
    "/view": "view",
    "/ws": "ws",
}


def endpoint_of(path):
    return ENDPOINTS.get(path) or ENDPOINTS.get("/" + path.split("/")[1])


class BadServer(FakeServer):
    """Answers like a good server, but at `where` as `fault(server, request, good)` says.

    `good()` gives the answer that a good server would give.
    """

    def __init__(self, where, fault, *parts, **options):
        super().__init__(*parts, **options)
        self.where, self.fault, self.seen = where, fault, []

    async def _start(self):
        await super()._start(middlewares=[self._meddle])

    @web.middleware
    async def _meddle(self, request, handler):
        self.seen.append((request.path, dict(request.headers)))
        endpoint = endpoint_of(request.path)
        if endpoint != self.where or (endpoint == "queue" and request.method == "POST"):
            return await handler(request)
        try:
            return await self.fault(self, request, lambda: handler(request))
        except ConnectionError:  # the client has left, as it should
            return web.Response()


def says(content, status=200, **headers):
    """A fixed body."""
    body = content.encode() if isinstance(content, str) else content

    async def fault(server, request, good):
        return web.Response(body=body, status=status, headers=headers)

    return fault


def sends(*parts, then=b"", pause=0.002):
    """Bytes as they are, without HTTP around them; then others for ever, or the end."""

    async def fault(server, request, good):
        for part in parts:
            request.transport.write(part)
        await asyncio.sleep(0.02)
        while then:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            if request.transport.get_write_buffer_size() < 2**20:
                request.transport.write(then)
            await asyncio.sleep(pause)
        if request.transport is not None:
            request.transport.close()
        raise ConnectionResetError

    return fault


def changes(change):
    """The good answer, its JSON changed."""

    async def fault(server, request, good):
        answer = await good()
        if not isinstance(answer, web.Response) or not answer.content_type.endswith("json"):
            return answer
        return web.json_response(change(json.loads(answer.text)))

    return fault


def mutated(content, seed):
    """JSON with one value, drawn by the seed, replaced by another or left out."""
    draw = random.Random(seed)
    box = [content]
    holder, key = draw.choice(list(_places(box)))
    if holder is not box and draw.random() < 0.15:
        del holder[key]
    else:
        holder[key] = draw.choice(ODD)
    return box[0]


def _places(content):
    """All (holder, key) in JSON."""
    for key, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


ODD = (None, True, 3, -1.5, 1e308, 10**30, "", "x", "../../x", "\0", "\ud800", [], {}, [[[]]])
ODD += ({"a": 1}, [None], "x" * 100_000, ["x", None], float("nan"))


def chats(*messages, then=None, finish=True, pause=0.01):
    """A websocket that says these things, then others for ever; the prompt ends all the same."""

    async def fault(server, request, good):
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        if finish:
            server.sockets[request.query["clientId"]] = socket
        for message in messages:
            await say(server, socket, message)
        while not socket.closed:
            if then is not None:
                await say(server, socket, then)
            await asyncio.sleep(pause)
        return socket

    async def say(server, socket, message):
        if message == "PING":
            await socket.ping()
        elif isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            text = message if isinstance(message, str) else json.dumps(message)
            await socket.send_str(text.replace("PROMPT", next(iter(server.running), "none")))

    return fault


async def is_silent(server, request, good):
    await asyncio.sleep(3600)


async def hangs_up(server, request, good):
    request.transport.abort()
    raise ConnectionResetError


async def redirects_in_a_circle(server, request, good):
    raise web.HTTPTemporaryRedirect(str(request.url))


async def trickles(server, request, good):
    answer = web.StreamResponse(headers={"Content-Length": "1000000"})
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.02)


def _head(*lines):
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode()


BOMB = gzip.compress(bytes(2**27), 6)
_CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"
_DEFLATED = zlib.compress(b'{"a": 1}')

QUICK = {
    "nothing": says(""),
    "null": says("null"),
    "a list": says("[]"),
    "an empty object": says("{}"),
    "a number": says("3"),
    "text": says('"yes"'),
    "half of it": says('{"a": [1, 2'),
    "a page": says("<html>It works!</html>", Server="nginx"),
    "deep": says("[" * 100_000),
    "deep and whole": says('{"a":' * 50_000 + "1" + "}" * 50_000),
    "a huge number": says('{"a": ' + "1" * 10_000 + "}"),
    "not a number": says('{"a": NaN, "b": Infinity}'),
    "not UTF-8": says(b'{"a": "\xff\xfe"}'),
    "half a character": says('{"\\ud800": "\\udfff"}'),
    "nul": says(b"\0" * 1000),
    "packed rubbish": says(b"rubbish", **{"Content-Encoding": "gzip"}),
    "packed unknown": says(b"rubbish", **{"Content-Encoding": "zstd"}),
    "bomb": says(BOMB, **{"Content-Encoding": "gzip"}),
    "wrong length of pack": says(_DEFLATED, **{"Content-Encoding": "deflate"}),
    "many values": says("[" + "[]," * 1_400_000 + "[]]"),
    "not found": says("no", status=404),
    "login": says("no", status=401),
    "broken": says('{"error": 3, "node_errors": [[]]}', status=500),
    "refused with nonsense": says(
        '{"error": {"message": []}, "node_errors": {"2": 3}}', status=400
    ),
    "refused without reason": says("{}", status=400),
    "no content": says("", status=204),
    "teapot": says("", status=418),
    "redirects in a circle": redirects_in_a_circle,
    "redirects to a file": says("", status=302, Location="file:///etc/passwd"),
    "redirects to nowhere": says("", status=302),
    "redirects to nonsense": says("", status=302, Location="http://[::1:99999/"),
    "endless": sends(_head("Transfer-Encoding: chunked"), then=_CHUNK),
}

PATIENT = {
    "hangs up": hangs_up,
    "silent": is_silent,
    "trickles": trickles,
    "busy": says("", status=503),
    "bad gateway": says("", status=502),
    "half message": sends(_head("Content-Length: 1000"), b'{"a": '),
    "half packed": says(gzip.compress(b"{}" * 999)[:20], **{"Content-Encoding": "gzip"}),
    "half chunk": sends(_head("Transfer-Encoding: chunked"), b"ff\r\n{"),
    "bad chunk": sends(_head("Transfer-Encoding: chunked"), b"xyz\r\n{}\r\n"),
    "not HTTP": sends(b"220 mail.example.com ESMTP\r\n"),
    "two lengths": sends(_head("Content-Length: 2", "Content-Length: 3"), b"{}"),
    "endless headers": sends(b"HTTP/1.1 200 OK\r\n", then=b"X-A: b\r\n" * 1000),
    "a long header": sends(b"HTTP/1.1 200 OK\r\nX: ", then=b"a" * 65536),
    "continue for ever": sends(then=b"HTTP/1.1 100 Continue\r\n\r\n" * 100, pause=0.01),
}


def _news(kind, **data):
    return {"type": kind, "data": {"prompt_id": "PROMPT", **data}}


CHATS = {
    "no JSON": chats("nonsense"),
    "a list": chats([1, 2]),
    "odd types": chats({"type": 3, "data": []}),
    "no data": chats({"type": "executing"}, {"type": "progress", "data": None}),
    "odd node": chats(_news("executing", node=[1]), _news("executing", node={"a": 1})),
    "unknown node": chats(_news("executing", node="99"), _news("progress", node="99")),
    "odd progress": chats(_news("progress", node="2", value=None, max="x")),
    "no progress": chats(_news("progress", node="2")),
    "a huge number": chats(_news("progress", node="2", value=10**400, max=1)),
    "deep": chats("[" * 100_000),
    "escapes": chats(_news("progress", node="2", value=1, max=2, text="\x1b[2J")),
    "half a character": chats('{"type": "\\ud800", "data": {"prompt_id": "PROMPT"}}'),
    "a large message": chats("x" * 2**25 + "x"),
    "large previews": chats(bytes(2**22), bytes(2**22)),
    "chatter": chats(then=_news("progress", node="2", value=1, max=4)),
    "chatter unheard": chats(then=_news("progress", node="2", value=1, max=4), finish=False),
    "chatter of others": chats(then={"type": "status", "data": {"prompt_id": "x"}}, finish=False),
    "ends for ever": chats(then=_news("executing", node=None), finish=False),
    "previews for ever": chats(then=bytes(2**16), finish=False),
    "flood": chats(then=_news("progress", node="2", value=1, max=4), finish=False, pause=0),
    "flood of previews": chats(then=bytes(2**16), finish=False, pause=0),
    "flood of pings": chats(then="PING", finish=False, pause=0),
}
