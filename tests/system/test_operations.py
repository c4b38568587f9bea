"""Health, metrics, the end, and bad days: slow clients, a locked or full database, a database that is gone."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from house import CONFIRM, House, login_envelope, wait_until
from postgres import Postgres, create_database


def test_health_is_on_every_listener_and_metrics_on_the_operators_alone(house: House):
    for port in (house.port, house.ops_port):
        assert house.request("GET", "/livez", port=port).status == 200
        assert house.request("GET", "/readyz", port=port).status == 200
        assert house.request("GET", "/readyz?verbose", port=port).text.strip()

    metrics = house.request("GET", "/metrics", port=house.ops_port)

    assert metrics.status == 200
    assert re.search(r"^# TYPE \S+ (counter|gauge|histogram)", metrics.text, re.M)
    assert house.request("GET", "/metrics", port=house.port).status in (401, 403, 404)
    assert house.request("GET", "/login", port=house.ops_port).status == 404, "no pages for operators"


def test_health_needs_no_right_host(house: House):
    assert house.request("GET", "/livez", headers={"Host": "10.2.3.4"}).status == 200
    assert house.request("GET", "/readyz", headers={"Host": "10.2.3.4"}).status == 200


@pytest.mark.house(arguments=["--log-format", "json"])
def test_json_logs_are_one_object_a_line(house: House):
    user = house.user_with_token()
    house.soap_login(user.username, user.secret)
    house.stop()

    lines = [line for line in house.log_file.read_text().splitlines() + house.out_file.read_text().splitlines()
             if line.startswith("{")]

    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict)
    assert user.email not in "".join(lines), "no e-mail address in a log"


def is_shut(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_ends_with_0_and_lets_the_running_request_end(house: House):
    user = house.user_with_token()
    body = login_envelope(user.username, user.secret)
    with socket.create_connection(("127.0.0.1", house.port), timeout=60) as line:
        line.sendall(b"POST /services/Soap/u/59.0 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/xml\r\n"
                     b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (house.port, len(body)))
        assert line.recv(65536).startswith(b"HTTP/1.1 100"), "the request is running: its body is asked for"
        line.sendall(body[:100])
        house.process.terminate()
        wait_until(lambda: is_shut(house.port), what="the server to let nobody in any more")
        line.sendall(body[100:])
        received = b""
        while True:
            piece = line.recv(65536)
            if not piece:
                break
            received += piece

    assert received.startswith(b"HTTP/1.1 200"), received[:200]
    assert house.process.wait(60) == 0


def test_a_second_server_on_the_same_data_directory_is_refused(house: House, build_house):
    second = build_house(name="second", start=False)
    second.data = house.data

    second.start(ready=False)

    assert second.process.wait(60) in (1, 6)
    assert house.request("GET", "/readyz").status == 200
    assert house.cli("user", "list") == []


def test_a_restart_keeps_everything(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)
    session = house.soap_login(user.username, user.secret).session_id

    house.restart()

    assert house.accepts(user)
    assert house.session_works(session)
    assert browser.request("GET", "/setup").status == 200


# Slow clients.

def test_slow_clients_are_cut_off_while_others_are_served(house: House):
    limit = 75.0
    user = house.user_with_token()
    cut: dict[str, float | None] = {}

    def dawdle(name: str, first: bytes, drop: bytes) -> None:
        began = time.monotonic()
        cut[name] = None
        with socket.create_connection(("127.0.0.1", house.port), timeout=1) as line:
            line.sendall(first)
            while time.monotonic() - began < limit:
                try:
                    line.sendall(drop)
                    if line.recv(65536) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            else:
                return
            cut[name] = time.monotonic() - began

    head = b"POST /services/Soap/u/59.0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    slow = [threading.Thread(target=dawdle, args=each) for each in (
        ("in the headers", head, b"X"),
        ("in the body", head + b"Content-Type: text/xml\r\nContent-Length: 5000\r\n\r\n<", b" "),
    )]
    for each in slow:
        each.start()

    assert house.accepts(user)
    for each in slow:
        each.join(limit + 10)
    for name, took in cut.items():
        assert took is not None, f"a client slow {name} was still served after {limit} s"


def test_many_idle_connections_do_not_shut_others_out(house: House):
    user = house.user_with_token()
    idle = [socket.create_connection(("127.0.0.1", house.port), timeout=60) for _ in range(300)]

    try:
        assert house.accepts(user)
    finally:
        for each in idle:
            each.close()


# The embedded database.

def database_file(house: House):
    for path in house.data.rglob("*"):
        if path.is_file():
            with open(path, "rb") as start:
                if start.read(16) == b"SQLite format 3\0":
                    return path
    raise AssertionError(f"no SQLite database in {list(house.data.iterdir())}")


def test_a_locked_database_answers_503_and_nothing_is_half_done(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
    holder = sqlite3.connect(database_file(house), isolation_level=None, timeout=60)
    holder.execute("BEGIN IMMEDIATE")

    try:
        page = browser.submit(form, "Save", follow=False)
    finally:
        holder.execute("ROLLBACK")
        holder.close()

    assert page.status == 503, page.status
    wait_until(lambda: house.request("GET", "/readyz").status == 200, what="the server to be ready again")
    assert house.accepts(user)
    assert len(house.live_tokens(user)) == 1
    assert browser.submit(form, "Save").status == 200, "the same form may be sent again"
    user.token = sink.wait_for_token(user.email, after=1)
    assert house.accepts(user)


@pytest.mark.parametrize(("calls", "error"), [("pwrite64,ftruncate,fallocate", "ENOSPC"), ("fsync,fdatasync", "EIO")])
def test_a_full_or_failing_disk_answers_503_and_what_was_acknowledged_is_there(house: House, sink, tmp_path, calls, error):
    user = house.user_with_token()
    browser = house.logged_in(user)
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
    trace = tmp_path / "trace"
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", str(trace), "-p", str(house.process.pid), "-e", f"trace={calls}",
                               "-e", f"inject={calls}:error={error}"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: "TracerPid:\t0" not in open(f"/proc/{house.process.pid}/status").read(), what="strace to attach")
        page = browser.submit(form, "Save", follow=False)
    finally:
        strace.terminate()
        strace.wait(60)

    assert "INJECTED" in trace.read_text(), "the fault did not fire, so this proves nothing"
    assert page.status == 503, page.status
    if house.process.poll() is not None:
        # Ending is one honest answer to a disk that lost a write; coming up again must then work.
        house.start()
    else:
        wait_until(lambda: house.request("GET", "/readyz").status == 200, what="the server to be ready again")
    house.restart()
    assert len(house.live_tokens(user)) == 1
    working = [token for token in {user.token, *sink.tokens_for(user.email)} if house.accepts(user, token)]
    assert len(working) == 1
    house.reset(user)
    assert house.accepts(user)


def test_a_damaged_database_is_not_served(house: House):
    house.user_with_token()
    file = database_file(house)
    house.stop()
    with open(file, "r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xa5" * 8192)

    house.start(ready=False)

    def said() -> int | None:
        """What it ended with, or what it answers."""
        if house.process.poll() is not None:
            return house.process.returncode
        try:
            return house.request("GET", "/readyz").status
        except OSError:
            return None

    outcome = wait_until(said, what=lambda: f"an end or an answer:\n{house.log()[-2000:]}")
    if house.process.poll() is None:
        assert outcome == 503
    else:
        assert house.process.returncode in (1, 3, 7)
        assert "panicked" not in house.log()


# PostgreSQL.

@pytest.fixture
def own_postgres():
    cluster = Postgres().start()
    yield cluster
    cluster.remove()


def test_postgres_gone_is_503_and_when_it_is_back_all_is_there(build_house, own_postgres):
    house = build_house(database=create_database(own_postgres.url))
    user = house.user_with_token()
    old = user.token
    house.reset(user)
    session = house.oauth_login(user.username, user.secret).json()["access_token"]
    browser = house.logged_in(user)
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)

    own_postgres.stop("immediate")

    wait_until(lambda: house.request("GET", "/readyz").status == 503, within=60, what="/readyz to say 503")
    assert house.request("GET", "/livez").status == 200
    # Each of them waits for the database for a while: they do so side by side.
    with ThreadPoolExecutor(4) as pool:
        page = pool.submit(browser.submit, form, "Save", follow=False)
        oauth = pool.submit(house.oauth_login, user.username, user.secret)
        soap = pool.submit(house.soap_login, user.username, user.secret)
        info = pool.submit(house.request, "GET", "/services/oauth2/userinfo",
                           headers={"Authorization": f"Bearer {session}"})
    assert page.result().status == 503
    assert oauth.result().status == 503
    assert soap.result().status == 503 or soap.result().fault_code == "SERVER_UNAVAILABLE"
    assert info.result().status == 503, "cannot know is never yes, and never no"

    own_postgres.start()
    wait_until(lambda: house.request("GET", "/readyz").status == 200, within=60, what="/readyz to say 200 again")
    assert house.accepts(user)
    assert not house.accepts(user, old)
    assert house.session_works(session)
    house.reset(user)
    assert house.accepts(user)


def test_a_paused_postgres_does_not_hang_its_clients_for_ever(build_house, own_postgres):
    house = build_house(database=create_database(own_postgres.url))
    user = house.user_with_token()
    postmaster = int((own_postgres.data / "postmaster.pid").read_text().split()[0])
    children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=True).stdout.split()
    paused = [str(postmaster), *children]

    subprocess.run(["kill", "-STOP", *paused], check=True)
    try:
        answer = house.soap_login(user.username, user.secret)
    finally:
        subprocess.run(["kill", "-CONT", *paused], check=True)

    assert answer.status != 200
    wait_until(lambda: house.request("GET", "/readyz").status == 200, within=60, what="/readyz to say 200 again")
    assert house.accepts(user)


def test_a_postgres_that_is_not_there_yet_is_waited_for_or_refused_at_once(build_house, own_postgres):
    url = create_database(own_postgres.url)
    own_postgres.stop()

    house = build_house(start=False, database=url)
    house.start(ready=False)
    own_postgres.start()

    try:
        house.wait_ready()
    except RuntimeError:
        assert house.process.poll() == 7
        house.start()
    house.user_with_token()
