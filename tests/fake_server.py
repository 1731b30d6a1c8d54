"""A ComfyUI server that plays: it speaks the protocol, runs nothing, and dies when told to."""

import asyncio
import threading
import uuid

from aiohttp import WSCloseCode, web

OBJECT_INFO = {
    "LoadVideo": {
        "input": {"required": {"file": [["there.mp4"], {"video_upload": True}]}},
        "output": ["VIDEO"],
    },
    "Smooth": {
        "input": {
            "required": {"video": ["VIDEO", {}], "multiplier": ["INT", {"min": 1, "max": 64}]}
        },
        "output": ["VIDEO"],
    },
    "SaveVideo": {
        "input": {"required": {"video": ["VIDEO", {}]}},
        "output": [],
        "output_node": True,
    },
}


GRAPH = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "there.mp4"}},
    "2": {
        "class_type": "Smooth",
        "inputs": {"video": ["1", 0], "multiplier": 2},
        "_meta": {"title": "Make it smooth"},
    },
    "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}},
}
"""A prompt for these nodes."""

_LIMIT = 300
"""Seconds for what takes none, unless the machine is busy."""


class FakeServer:
    """Plays `parts`, one for each prompt in turn, then goes on with `finish`."""

    def __init__(self, *parts, object_info=OBJECT_INFO, refusal=None):
        self.parts = list(parts)
        self.object_info = object_info
        self.refusal = refusal
        self.uploads, self.prompts, self.posts = {}, [], []
        self.running, self.history = {}, {}
        self.sockets = {}
        self.connections = 0

    def __enter__(self):
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(_LIMIT)
        return self

    def __exit__(self, *_):
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.die(), self._loop).result(_LIMIT)
            self._thread.join(_LIMIT)

    def _serve(self, ready):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        ready.set()
        self._loop.run_forever()

    async def _start(self, middlewares=()):
        app = web.Application(middlewares=middlewares)
        for path, answer in {
            "/object_info": self._object_info,
            "/ws": self._ws,
            "/queue": self._queue,
            "/history/{id}": self._history,
            "/view": self._view,
        }.items():
            app.router.add_get(path, answer)
        app.router.add_post("/upload/image", self._upload)
        app.router.add_post("/prompt", self._prompt)
        app.router.add_post("/queue", self._note)
        app.router.add_post("/interrupt", self._note)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    async def die(self):
        """As if the process were killed."""
        await self.drop_sockets()
        await self._runner.cleanup()
        self._loop.call_later(0.05, self._loop.stop)  # after those who wait for this

    async def drop_sockets(self):
        for socket in list(self.sockets.values()):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    async def finish(self, prompt_id, outputs=None, **status):
        file = {"filename": "made_00001_.mp4", "subfolder": "video", "type": "output"}
        self.history[prompt_id] = {
            "outputs": outputs or {"3": {"images": [file], "text": ["a report"]}},
            "status": {"status_str": "success", "messages": [], **status},
        }
        self.running.pop(prompt_id, None)
        await self.send("executing", prompt_id, node=None)

    async def send(self, kind, prompt_id, **data):
        socket = self.sockets.get(self.running.get(prompt_id) or self._client)
        if socket is not None and not socket.closed:
            await socket.send_json({"type": kind, "data": {"prompt_id": prompt_id, **data}})

    async def _object_info(self, request):
        return web.json_response(self.object_info)

    async def _queue(self, request):
        running = [[0, prompt_id, {}, {}, []] for prompt_id in self.running]
        return web.json_response({"queue_running": running, "queue_pending": []})

    async def _history(self, request):
        prompt_id = request.match_info["id"]
        entry = self.history.get(prompt_id)
        return web.json_response({prompt_id: entry} if entry else {})

    async def _view(self, request):
        return web.Response(body="/".join(request.query.values()).encode())

    async def _note(self, request):
        self.posts.append((request.path, await request.json()))
        return web.Response()

    async def _upload(self, request):
        image = (await request.post())["image"]
        name = image.filename if image.filename not in self.uploads else f"again {image.filename}"
        self.uploads[name] = image.file.read()
        return web.json_response({"name": name, "subfolder": "", "type": "input"})

    async def _prompt(self, request):
        body = await request.json()
        if self.refusal:
            return web.json_response(self.refusal, status=400)
        prompt_id = body.get("prompt_id") or str(uuid.uuid4())
        self.prompts.append(body["prompt"])
        self.running[prompt_id] = self._client = body["client_id"]
        part = self.parts.pop(0) if self.parts else FakeServer.finish
        self._task = asyncio.ensure_future(self._play(part, prompt_id))
        return web.json_response({"prompt_id": prompt_id, "number": 1, "node_errors": {}})

    async def _play(self, part, prompt_id):
        for _ in range(100):  # until the client listens
            if self._client in self.sockets:
                break
            await asyncio.sleep(0.02)
        await part(self, prompt_id)

    async def _ws(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.query["clientId"]] = socket
        self.connections += 1
        async for _ in socket:
            pass
        return socket
