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


async def redirects_further_and_further(server, request, good):
    raise web.HTTPTemporaryRedirect(f"{request.url}&" if request.query else f"{request.url}?x=")


def speaks(*frames):
    """Frames of a websocket as they are, before the prompt ends: pairs of content and opcode."""

    async def fault(server, request, good):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        server.sockets[request.query["clientId"]] = socket
        for content, opcode in frames:
            await socket._writer.send_frame(content, opcode)
        async for _ in socket:
            pass
        return socket

    return fault


def closes(code, message):
    """A websocket that is closed at once, and whenever it is opened again."""

    async def fault(server, request, good):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=code, message=message)
        return socket

    return fault


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
    "status 999": says("{}", status=999),
    "a part": says("{}", status=206, **{"Content-Range": "bytes 0-1/99"}),
    "not modified": says("", status=304),
    "packed twice": says(gzip.compress(BOMB), **{"Content-Encoding": "gzip, gzip"}),
    "packed by brotli": says(b"rubbish", **{"Content-Encoding": "br"}),
    "in UTF-16": says('{"a": 1}'.encode("utf-16")),
    "in an unknown encoding": says("{}", **{"Content-Type": "application/json; charset=none"}),
    "in what is no encoding": says("{}", **{"Content-Type": "application/json; charset=zlib"}),
    "one name twice": says('{"prompt_id": "a", "prompt_id": 3, "1": {}, "1": []}'),
    "a huge exponent": says('{"a": 1e999999, "b": -1E+400}'),
    "a long name": says('{"' + "k" * 10**6 + '": 1}'),
    "many names": says("{" + ",".join(f'"{i}":0' for i in range(300_000)) + "}"),
    "comments": says("{} // yes"),
    "two answers": says("{}{}"),
    "redirects further and further": redirects_further_and_further,
    "redirects to a long address": says("", status=302, Location="/" + "x" * 7000),
    "redirects to a script": says("", status=302, Location="javascript:alert(1)"),
    "redirects to data": says("", status=302, Location="data:application/json,{}"),
    "many cookies": says("{}", **{f"Set-Cookie-{i}": "x" * 50 for i in range(60)}),
    "too large": says("{}", status=413),
    "a status of another server": says("{}", status=421),
    "refused in a page": says("<html>", status=400),
    "refused deeply": says('{"error":' + "[" * 5000 + "]" * 5000 + "}", status=400),
    "refused at length": says(
        json.dumps({"error": {"message": "x" * 10**6, "details": "\x1b[2J"}}), status=400
    ),
    "a mark of byte order": says(b"\xef\xbb\xbf{}"),
    "lists in objects": says('{"a":[' * 5000 + "]}" * 5000),
    "names of Python": says('{"__class__": {}, "LoadVideo": {"input": {"__init__": {"x": 3}}}}'),
    "half packed": says(gzip.compress(b"{}" * 999)[:20], **{"Content-Encoding": "gzip"}),
    "packed, nothing in it": says(b"", **{"Content-Encoding": "gzip"}),
    "packed in parts": says(
        gzip.compress(b"{") + gzip.compress(b"}"), **{"Content-Encoding": "gzip"}
    ),
    "a wrong checksum": says(gzip.compress(b"{}")[:-8] + bytes(8), **{"Content-Encoding": "gzip"}),
    "redirects to no port": says("", status=302, Location="http://127.0.0.1:0/"),
    "redirects to no label": says("", status=302, Location="http://a..b/"),
    "redirects to a long label": says("", status=302, Location=f"http://{'a' * 300}.invalid/"),
    "redirects to a websocket": says("", status=302, Location="ws://x/"),
    "asks for a login": says("no", status=401, **{"WWW-Authenticate": 'Digest nonce="\u00ff'}),
}

PATIENT = {
    "redirects to a broadcast": says("", status=302, Location="http://255.255.255.255:1/"),
    "redirects to IPv6": says("", status=302, Location="http://[::1]:9/x"),
    "redirects to a zone": says("", status=302, Location="http://[fe80::1%25eth0]/"),
    "redirects by number": says("", status=302, Location="http://2130706433:1/"),
    "hangs up": hangs_up,
    "silent": is_silent,
    "trickles": trickles,
    "busy": says("", status=503),
    "bad gateway": says("", status=502),
    "half message": sends(_head("Content-Length: 1000"), b'{"a": '),
    "half chunk": sends(_head("Transfer-Encoding: chunked"), b"ff\r\n{"),
    "bad chunk": sends(_head("Transfer-Encoding: chunked"), b"xyz\r\n{}\r\n"),
    "not HTTP": sends(b"220 mail.example.com ESMTP\r\n"),
    "two lengths": sends(_head("Content-Length: 2", "Content-Length: 3"), b"{}"),
    "endless headers": sends(b"HTTP/1.1 200 OK\r\n", then=b"X-A: b\r\n" * 1000),
    "a long header": sends(b"HTTP/1.1 200 OK\r\nX: ", then=b"a" * 65536),
    "redirects to a login": says("", status=302, Location="http://me:secret@127.0.0.1:9/"),
    "another protocol": sends(_head("Connection: Upgrade", "Upgrade: h2c")),
    "switches": sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
    "a negative length": sends(_head("Content-Length: -1"), b"{}"),
    "a length of no number": sends(_head("Content-Length: x"), b"{}"),
    "a huge length": sends(_head("Content-Length: 99999999999999999999"), b"{}"),
    "a petabyte": sends(_head(f"Content-Length: {10**15}"), b"{}"),
    "lengths of two kinds": sends(
        _head("Content-Length: 2", "Transfer-Encoding: chunked"), b"2\r\n{}\r\n0\r\n\r\n"
    ),
    "a huge chunk": sends(_head("Transfer-Encoding: chunked"), b"FFFFFFFFFFFFFFFFF\r\n"),
    "a negative chunk": sends(_head("Transfer-Encoding: chunked"), b"-1\r\n{}\r\n"),
    "endless trailers": sends(
        _head("Transfer-Encoding: chunked"), b"2\r\n{}\r\n0\r\n", then=b"X: y\r\n" * 100
    ),
    "an endless chunk extension": sends(
        _head("Transfer-Encoding: chunked"), b"2;", then=b"x" * 4096
    ),
    "nul in a header": sends(_head("X: a\0b", "Content-Length: 2"), b"{}"),
    "many headers": sends(_head(*(f"X-{i}: y" for i in range(20_000)), "Content-Length: 2"), b"{}"),
    "come back in a year": says("", status=503, **{"Retry-After": "31536000"}),
    "too many": says("", status=429, **{"Retry-After": "never"}),
    "early hints": sends(
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3, _head("Content-Length: 2"), b"{}"
    ),
    "chunked twice": sends(_head("Transfer-Encoding: chunked, chunked"), b"2\r\n{}\r\n0\r\n\r\n"),
    "no status": sends(b"HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\n{}"),
    "a negative status": sends(b"HTTP/1.1 -1 X\r\nContent-Length: 2\r\n\r\n{}"),
    "another version": sends(b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "no version": sends(b"{}"),
    "a header over two lines": sends(_head("X: a", " b", "Content-Length: 2"), b"{}"),
    "a space before the colon": sends(_head("Content-Length : 2"), b"{}"),
    "a length in words": sends(_head("Content-Length: +2"), b"{}"),
    "more than said": sends(_head("Content-Length: 2"), b"{}" * 1000),
    "headers of bytes": sends(b"HTTP/1.1 200 \xff\xfe\r\nX: \xff\r\nContent-Length: 2\r\n\r\n{}"),
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
    "errors of odd types": chats(_news("execution_error", node_id=[1], exception_message={})),
    "an error without words": chats({"type": "execution_error", "data": {"prompt_id": None}}),
    "interrupted by nobody": chats({"type": "execution_interrupted", "data": [1]}),
    "cached nothing": chats(_news("execution_cached", nodes=None)),
    "results of no kind": chats(_news("executed", node="3", output=[[[]]])),
    "states of no node": chats(_news("progress_state", nodes={"2": None, "x": [1]})),
    "numbers for text": chats(_news("progress_text", node=2, text=3)),
    "less than a header": chats(b"", b"\0", b"\0\0\0\1", b"\0\0\0\4\xff\xff\xff\xff{"),
    "backwards": chats(
        *(_news("progress", node="2", value=v, max=m) for v, m in [(9, 0), (-1, -5)])
    ),
    "not UTF-8": speaks((b"\xff\xfe", 1)),
    "continues nothing": speaks((b"more", 0)),
    "an unknown opcode": speaks((b"x", 5)),
    "a long ping": speaks((b"x" * 1000, 9)),
    "no code": speaks((b"\x03", 8)),
    "closed by an odd code": closes(4999, b"\xff" * 100),
    "closed as if never opened": closes(1002, b""),
    **{f"closed by {code}": closes(code, b"x") for code in (0, 999, 1006, 1015, 3000, 65535)},
    "flood": chats(then=_news("progress", node="2", value=1, max=4), finish=False, pause=0),
    "flood of previews": chats(then=bytes(2**16), finish=False, pause=0),
    "flood of pings": chats(then="PING", finish=False, pause=0),
}
