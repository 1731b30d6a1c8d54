"""A server of released networks that answers as it is told: whole, broken off, or not at all."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AssetServer(ThreadingHTTPServer):
    """Answers each path as its entry of `answers` says, and counts what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked, self.open = {}, [], threading.Event()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        elif isinstance(answer, list):  # one answer after the other
            self._send(answer.pop(0) if len(answer) > 1 else answer[0])
        else:
            self._send(answer)

    def _send(self, answer):
        body, status = answer.get("body", b""), answer.get("status", 200)
        self.send_response(status)
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        length = answer.get("length", len(body))
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if answer.get("stall"):
            self.server.open.wait(20)
