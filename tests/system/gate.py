"""A control socket in front of a house's own that lets a known number of requests through and holds the next one: what
a command does between two of its requests can be stopped at, whoever of the two is quicker."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

from house import House

NAME = "control.sock"
PATIENCE = 60


class Gate:
    """`directory` is what a command takes for the data dir. Each request comes on a connection of its own."""

    def __init__(self, house: House, lets_through: int):
        self.house = house
        self.lets_through = lets_through
        self.directory = Path(tempfile.mkdtemp(prefix="symbolon-gate-"))
        self._holds = threading.Event()
        self._held: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / NAME))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self.let_go()
        self._listener.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait_until_one_is_held(self) -> None:
        assert self._holds.wait(PATIENCE), "no request came that is to be held"

    def let_go(self) -> None:
        """Breaks off the requests that are held: nobody has heard of them."""
        for held in self._held:
            held.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.lets_through == 0:
                self._held.append(client)
                self._holds.set()
                continue
            self.lets_through -= 1
            with client, self._connected() as server:
                answering = threading.Thread(target=_hand_on, args=(server, client), daemon=True)
                answering.start()
                _hand_on(client, server)
                answering.join(PATIENCE)

    def _connected(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        # The path of a socket has at most 107 bytes.
        directory = os.open(self.house.data, os.O_RDONLY)
        try:
            server.connect(f"/proc/self/fd/{directory}/{NAME}")
        finally:
            os.close(directory)
        return server


def _hand_on(giver: socket.socket, taker: socket.socket) -> None:
    while given := giver.recv(65536):
        taker.sendall(given)
    try:
        taker.shutdown(socket.SHUT_WR)
    except OSError:
        pass
