"""The service behind a proxy: it answers with what it was sent, and remembers all of it."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from postgres import free_port


@dataclass
class Arrived:
    """A request as it came through the proxy."""

    method: str
    path: str
    headers: list[list[str]]
    body_length: int
    body_digest: str

    def values(self, name: str) -> list[str]:
        return [value for said, value in self.headers if said.lower() == name.lower()]


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Heads and bodies of answers are sent apart; Nagle's algorithm would wait for an acknowledgement between them.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def __getattr__(self, name: str):
        # Any method at all: the base class asks for do_<method>.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        body = self.body()
        arrived = {"method": self.command, "path": self.path, "headers": [list(pair) for pair in self.headers.items()],
                   "body_length": len(body), "body_digest": hashlib.sha256(body).hexdigest()}
        self.server.requests.append(Arrived(**arrived))
        said = json.dumps(arrived).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return whole


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address):
        super().__init__(address, Echo)
        self.requests: list[Arrived] = []

    def handle_error(self, *_):
        """A proxy that hangs up is no fault of this service."""


class Upstream:
    def __init__(self):
        self.port = free_port()
        self.server = Server(("127.0.0.1", self.port))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Arrived]:
        return self.server.requests

    def __enter__(self) -> "Upstream":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
