"""Stands between a proxy and Symbolon, passes everything on and remembers what the proxy said."""

from __future__ import annotations

import socket
import threading

from postgres import free_port


class Tap:
    def __init__(self, target: int):
        self.port = free_port()
        self.target = target
        self.heard = bytearray()
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Tap":
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        # A shutdown wakes the thread that waits in accept; a close alone does not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def listen(self) -> None:
        while True:
            try:
                proxy, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            symbolon = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self.copy, args=(proxy, symbolon, self.heard), daemon=True).start()
            threading.Thread(target=self.copy, args=(symbolon, proxy, None), daemon=True).start()

    @staticmethod
    def copy(source: socket.socket, sink: socket.socket, heard: bytearray | None) -> None:
        try:
            while said := source.recv(65536):
                if heard is not None:
                    heard += said
                sink.sendall(said)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone; the other learns it by the end of its stream.
            for end in (source, sink):
                end.close()
