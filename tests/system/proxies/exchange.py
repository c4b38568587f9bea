"""A client that sends a request exactly as it is told to: header names in any spelling, lines twice, several requests
at once on one connection."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass

from proxies.upstream import Arrived

Headers = list[tuple[str, str]]


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def arrived(self) -> Arrived:
        """What the upstream says that it was sent."""
        assert self.status == 200, f"{self.status} {self.body[:500]!r}"
        return Arrived(**json.loads(self.body))


def bearer(credential: str) -> Headers:
    return [("Authorization", f"Bearer {credential}")]


def request_bytes(method: str, path: str, headers: Headers, body: bytes = b"", *, host: str = "app.example") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body and not any(name.lower() == "transfer-encoding" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def exchange(port: int, *requests: bytes, methods: list[str] | None = None, timeout: float = 30,
             source: str = "127.0.0.1") -> list[Response]:
    """Sends all requests at once and reads as many answers, all on one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0)) as connection:
        connection.sendall(b"".join(requests))
        with connection.makefile("rb") as stream:
            methods = methods or [request.split(b" ", 1)[0].decode() for request in requests]
            return [read_response(stream, method) for method in methods]


def ask(port: int, method: str = "GET", path: str = "/", headers: Headers = (), body: bytes = b"",
        **options) -> Response:
    return exchange(port, request_bytes(method, path, list(headers), body), **options)[0]


def read_response(stream, method: str) -> Response:
    while True:
        line = stream.readline()
        if not line:
            raise ConnectionError("the proxy closed the connection without an answer")
        status = int(line.split(b" ")[1])
        headers = http.client.parse_headers(stream)
        if status != 100:
            break
    if method == "HEAD" or status in (204, 304):
        return Response(status, headers, b"")
    if (headers.get("Transfer-Encoding") or "").lower() == "chunked":
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        while stream.readline().strip():
            pass
        return Response(status, headers, body)
    length = headers.get("Content-Length")
    return Response(status, headers, stream.read() if length is None else stream.read(int(length)))
