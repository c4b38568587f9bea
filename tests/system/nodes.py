"""Several nodes of one authority, questions to them, and what may come between a node and its database."""

from __future__ import annotations

import http.client
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from house import PATIENCE, Answer, House, User, send_signal, wait_until
from postgres import Postgres, free_port
from test_fault_points import state_of

FORWARD, NGINX = "/authz/forward-auth", "/authz/auth-request"
# How long a node may answer without hearing from the database.
LEASE = 5.0
# Below what a node that is waited for costs, which renewed its lease a second ago; far beyond what a change takes.
HELD_UP = 3.5


def another_node(build_house, first: House, **options) -> House:
    """Another node of the same authority: the same keys in a data directory of its own."""
    options.setdefault("database", first.database)
    second = build_house(name="second", start=False, **options)
    second.data.mkdir(parents=True, mode=0o700)
    shutil.copy(first.data / "keys.toml", second.data / "keys.toml")
    return second.start()


def know_each_other(node: House) -> None:
    """Waits until both nodes follow each other closely; until then a change may take a second longer."""
    node.cli("device-type", "add", f"known{secrets.token_hex(3)}")
    time.sleep(1.1)


def ask(node: House, credential: str, path: str = FORWARD, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return node.request("GET", path, headers={"Authorization": f"Bearer {credential}", **sent})


def status(node: House, credential: str) -> int:
    return ask(node, credential).status


def session_of(node: House, user: User) -> str:
    answer = node.soap_login(user.username, user.secret)
    assert answer.status == 200, answer.text
    return answer.session_id


def log_out(node: House, session: str) -> None:
    answer = node.oauth("/services/oauth2/revoke", {"token": session})
    assert answer.status == 200, f"{answer.status} {answer.text}"


def bearer_user(node: House, **options) -> User:
    """A user with a token of a kind that stands alone: a credential that needs no log-in."""
    node.cli("device-type", "set", "server", "--bearer", "on")
    user = node.add_user(**options)
    reset(node, user)
    user.token = node.sink.wait_for_token(user.email)
    return user


def reset(node: House, user: User) -> dict:
    """Resets and waits for no mail; answers what the command says."""
    return node.cli("token", "reset", user.username, "--device-type", "server")


def seconds_of(work) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def is_held_up(took: list[float]) -> bool:
    """Whether changes waited for a node that is gone: each of them would, so the half of them may be slow because the
    machine is."""
    return statistics.median(took) > HELD_UP


@contextmanager
def stopped(node: House):
    send_signal(node.process, signal.SIGSTOP)
    try:
        wait_until(lambda: state_of(node) == "T", pause=0.001, what="the node to stand still")
        yield
    finally:
        if node.alive:
            send_signal(node.process, signal.SIGCONT)


class Questions:
    """The same question on many connections, sent before the node can read it: they meet its first instant awake."""

    def __init__(self, node: House, credential: str, connections: int = 24):
        words = (f"GET {FORWARD} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nAuthorization: Bearer {credential}\r\n"
                 "Connection: close\r\n\r\n").encode()
        self.lines = [socket.create_connection(("127.0.0.1", node.port), timeout=60) for _ in range(connections)]
        for line in self.lines:
            line.sendall(words)

    def answers(self) -> set[int]:
        statuses = set()
        for line in self.lines:
            response = http.client.HTTPResponse(line)
            response.begin()
            statuses.add(response.status)
            line.close()
        return statuses


def hammer(node: House, credential: str, seconds: float, threads: int = 6, *, and_until: int | None = None) -> set[int]:
    """Asks as fast as it can for a while, and on until it hears the status `and_until`; answers every status that
    came."""
    began, heard = time.monotonic(), set()

    def is_enough() -> bool:
        took = time.monotonic() - began
        return took >= seconds and (and_until is None or and_until in heard or took >= PATIENCE)

    def go_on(_) -> None:
        line = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
        while not is_enough():
            line.request("GET", FORWARD, headers={"Authorization": f"Bearer {credential}"})
            answer = line.getresponse()
            answer.read()
            heard.add(answer.status)
        line.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(go_on, range(threads)))
    return heard


class Wire:
    """Between one node and the database: passes everything on, until it is cut; nobody hears of a cut."""

    def __init__(self, url: str):
        found = re.search(r"@([^:/]+):(\d+)/", url)
        self.target = (found.group(1), int(found.group(2)))
        self.listener = socket.create_server(("127.0.0.1", free_port()), backlog=64)
        self.url = url.replace(found.group(0), f"@127.0.0.1:{self.listener.getsockname()[1]}/")
        self.whole = threading.Event()
        self.whole.set()

    def __enter__(self) -> "Wire":
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.mend()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def cut(self) -> None:
        self.whole.clear()

    def mend(self) -> None:
        self.whole.set()

    def listen(self) -> None:
        while True:
            try:
                node, _ = self.listener.accept()
                database = socket.create_connection(self.target)
            except OSError:
                return
            for ends in ((node, database), (database, node)):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    def copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while said := source.recv(65536):
                self.whole.wait()
                sink.sendall(said)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@contextmanager
def paused(cluster: Postgres):
    postmaster = (cluster.data / "postmaster.pid").read_text().split()[0]
    found = subprocess.run(["pgrep", "-P", postmaster], capture_output=True, text=True, check=True)
    processes = [postmaster, *found.stdout.split()]
    subprocess.run(["kill", "-STOP", *processes], check=True)
    try:
        yield
    finally:
        subprocess.run(["kill", "-CONT", *processes], check=True)


@contextmanager
def gone(cluster: Postgres):
    cluster.stop("immediate")
    try:
        yield
    finally:
        cluster.start()
