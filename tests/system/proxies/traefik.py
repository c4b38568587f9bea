"""Traefik's ForwardAuth by its documented request shape, for Traefik itself cannot be installed from a package index.

It reads the dynamic configuration that `symbolon proxy-config traefik` prints, sends Symbolon what Traefik 3 sends
with it, and copies headers by Traefik's rules: those of `authResponseHeaders` are removed from the client's request
and taken from the answer, no others are touched.
"""

from __future__ import annotations

import http.client
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

# What neither reaches Symbolon nor comes back from it (net/http/httputil, without Proxy-Authorization).
HOP_BY_HOP = {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Te", "Trailer", "Trailers",
              "Transfer-Encoding", "Upgrade"}
# What the HTTP client of Go writes by itself, whatever the header map says.
OF_THE_MESSAGE = {"Host", "Content-Length", "Transfer-Encoding", "Trailer"}


def canonical(name: str) -> str:
    """As textproto.CanonicalMIMEHeaderKey: letters behind a hyphen are upper case, all others lower."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


class HeaderMap(dict[str, list[str]]):
    """Go's http.Header."""

    @classmethod
    def of(cls, pairs) -> "HeaderMap":
        made = cls()
        for name, value in pairs:
            made.setdefault(canonical(name), []).append(value)
        return made

    def put(self, name: str, value: str) -> None:
        self[canonical(name)] = [value]

    def drop(self, name: str) -> None:
        self.pop(canonical(name), None)

    def pairs(self) -> list[tuple[str, str]]:
        return [(name, value) for name, values in self.items() for value in values]


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def __getattr__(self, name: str):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        length, body = int(self.headers.get("Content-Length") or 0), b""
        if "Transfer-Encoding" in self.headers:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            body = self.rfile.read(length)
        headers = HeaderMap.of(self.headers.items())
        for name in self.server.middlewares:
            refused = self.server.apply(name, self, headers)
            if refused is not None:
                self.send(*refused)
                return
        for name in HOP_BY_HOP | {"Content-Length"}:
            headers.drop(name)
        headers.put("X-Forwarded-For", self.client_address[0])
        self.send(*self.server.pass_on(self.command, self.path, headers, body))

    def send(self, status: int, headers: HeaderMap, body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.pairs():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Traefik(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, configuration: str):
        self.configuration = yaml.safe_load(configuration)["http"]
        (router,) = self.configuration["routers"].values()
        self.middlewares: list[str] = router["middlewares"]
        (server,) = self.configuration["services"][router["service"]]["loadBalancer"]["servers"]
        self.service = urllib.parse.urlsplit(server["url"]).netloc
        super().__init__(("127.0.0.1", port), Request)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def handle_error(self, *_):
        """A client that hangs up is no fault of Traefik's."""

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.shutdown()
            self.thread.join(5)
        self.server_close()

    def apply(self, middleware: str, request: Request, headers: HeaderMap):
        """Changes `headers`, or answers what the client gets instead of the service."""
        (kind, settings), = self.configuration["middlewares"][middleware].items()
        if kind == "headers":
            for name, value in settings["customRequestHeaders"].items():
                if value == "":
                    headers.drop(name)
                else:
                    headers.put(name, value)
            return None
        assert kind == "forwardAuth", kind
        return self.forward_auth(settings, request, headers)

    def forward_auth(self, settings: dict, request: Request, headers: HeaderMap):
        url = urllib.parse.urlsplit(settings["address"])
        question = HeaderMap({name: values for name, values in headers.items() if name not in HOP_BY_HOP})
        if settings.get("authRequestHeaders"):
            allowed = {canonical(name) for name in settings["authRequestHeaders"]}
            question = HeaderMap({name: values for name, values in question.items() if name in allowed})
        assert settings["trustForwardHeader"] is False
        for name, value in {"X-Forwarded-For": request.client_address[0], "X-Forwarded-Method": request.command,
                            "X-Forwarded-Proto": "http", "X-Forwarded-Host": request.headers["Host"],
                            "X-Forwarded-Uri": request.path, "X-Forwarded-Port": str(self.server_port)}.items():
            question.put(name, value)
        for name in OF_THE_MESSAGE:
            question.drop(name)
        question.setdefault("User-Agent", ["Go-http-client/1.1"])
        question.setdefault("Accept-Encoding", ["gzip"])
        try:
            status, answered, body = send(url.netloc, "GET", f"{url.path}?{url.query}" if url.query else url.path,
                                          url.netloc, question, b"")
        except (OSError, http.client.HTTPException):
            return 500, HeaderMap(), b""
        if len(body) > settings["maxResponseBodySize"]:
            return 401, HeaderMap(), b""
        if not 200 <= status < 300:
            for name in HOP_BY_HOP | {"Content-Length"}:
                answered.drop(name)
            return status, answered, body
        for name in settings["authResponseHeaders"]:
            headers.drop(name)
            if canonical(name) in answered:
                headers[canonical(name)] = answered[canonical(name)]
        return None

    def pass_on(self, method: str, path: str, headers: HeaderMap, body: bytes):
        host = headers.pop("Host", [""])[0]
        status, answered, said = send(self.service, method, path, host, headers, body)
        for name in HOP_BY_HOP | {"Content-Length"}:
            answered.drop(name)
        return status, answered, said


def send(netloc: str, method: str, target: str, host: str, headers: HeaderMap, body: bytes):
    connection = http.client.HTTPConnection(netloc, timeout=30)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers.pairs():
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return response.status, HeaderMap.of(response.getheaders()), response.read()
    finally:
        connection.close()
