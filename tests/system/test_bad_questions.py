"""What verification is asked by strangers and broken proxies, over real sockets: refused as it should be, and nothing grows."""

from __future__ import annotations

import base64
import json
import re
import select
import shutil
import socket
import subprocess
import time
from typing import BinaryIO

import pytest

from house import House, basic, made_up_token

PROXIES = ["/authz/forward-auth", "/authz/auth-request", "/authz/ext-authz", "/authz/ext-authz/any/path"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "BREW"]
QUESTIONS = ["/services/oauth2/introspect", "/api/v1/verify"]
PAIR = base64.b64encode(b"ada@example.com:x").decode()


@pytest.fixture(scope="module")
def asked_house(tmp_path_factory):
    """One house for the whole table: it must live through all of it."""
    house = House(tmp_path_factory.mktemp("bad-questions") / "house").start()
    user = house.add_user()
    house.client = house.api_client()
    yield house
    assert house.alive, house.log()[-3000:]
    assert house.request("GET", "/livez").status == 200
    assert "panicked" not in house.log()
    assert user.username in json.dumps(house.cli("user", "list"))
    house.kill()


def statuses(house: House, request: bytes, count: int = 1, within: float = 60) -> list[int]:
    """Sends bytes as they are; the status of each answer, until there are so many or the server is done with us."""
    with socket.create_connection(("127.0.0.1", house.port), timeout=within) as line:
        received, found = b"", []
        try:
            line.sendall(request)
            deadline = time.monotonic() + within
            while len(found) < count and time.monotonic() < deadline:
                piece = line.recv(1 << 20)
                if not piece:
                    break
                received += piece
                found = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        return found


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize("path", PROXIES)
@pytest.mark.parametrize("method", METHODS)
def test_a_proxy_may_ask_by_any_method(asked_house: House, method, path):
    assert statuses(asked_house, head(method, path)) == [401]


BAD_CREDENTIALS = {
    "two of one kind": [f"Authorization: Bearer {'a' * 20}", f"Authorization: Bearer {'b' * 20}"],
    "bearer and basic": [f"Authorization: Bearer {'a' * 20}", f"Authorization: Basic {PAIR}"],
    "joined by a comma": [f"Authorization: Bearer {'a' * 20}, Basic {PAIR}"],
    "every header": [f"Authorization: Basic {PAIR}", "X-Api-Key: x", "Cookie: sid=x"],
    "two keys": ["X-Api-Key: x", "X-Api-Key: y"],
    "no text": ["Authorization: Bearer \xff\xfe"],
    "a scheme alone": ["Authorization: Bearer"],
    "broken base64": ["Authorization: Basic !!!"],
    "no colon": ["Authorization: Basic eA=="],
    "very long": [f"Authorization: Bearer {'a' * 7000}"],
    "of token shape, the check wrong": [f"Authorization: Bearer sbn{'a' * 27}"],
    "of token shape, never issued": [f"Authorization: Bearer {made_up_token()}"],
    "a session that never was": [f"Authorization: Bearer 00D000000000001!{'A' * 96}"],
}


@pytest.mark.parametrize("path", PROXIES)
@pytest.mark.parametrize("case", BAD_CREDENTIALS)
def test_a_credential_that_is_none_is_refused(asked_house: House, case, path):
    assert statuses(asked_house, head("GET", path, *BAD_CREDENTIALS[case])) == [401]


@pytest.mark.parametrize("path", PROXIES)
def test_a_body_is_not_waited_for(asked_house: House, path):
    # Of whom a body is waited for, until its time is up.
    with socket.create_connection(("127.0.0.1", asked_house.port), timeout=60) as waited_for:
        waited_for.sendall(head("POST", "/api/v1/verify", "Content-Type: application/json", "Content-Length: 1000000"))

        announced = statuses(asked_house, head("POST", path, "Content-Length: 1000000"))
        chunked = statuses(asked_house, head("POST", path, "Transfer-Encoding: chunked"))

        told, _, _ = select.select([waited_for], [], [], 0)
    assert (announced, chunked) == ([401], [401])
    assert not told, "they were answered no sooner than somebody whose body was waited for"


@pytest.mark.parametrize("path", PROXIES + QUESTIONS)
def test_questions_in_a_row_are_answered_one_by_one(asked_house: House, path):
    method = "GET" if path in PROXIES else "POST"
    one = head(method, path, "Content-Length: 0") if method == "POST" else head(method, path, f"Authorization: Bearer {'a' * 20}")

    answered = statuses(asked_house, one * 50, count=50)

    assert len(answered) == 50 and set(answered) <= {400, 401, 415}, answered


@pytest.mark.parametrize("path", PROXIES + QUESTIONS)
@pytest.mark.parametrize("lines", [
    ["X: " + "y" * 500_000], [f"X-{number}: y" for number in range(500)], ["Authorization: Bearer " + "a" * 500_000],
    ["X-Symbolon-Require-Profile: " + ",".join(["p"] * 60_000)],
], ids=["one long line", "many lines", "a long credential", "a long demand"])
def test_a_huge_head_is_refused(asked_house: House, path, lines):
    answered = statuses(asked_house, head("GET" if path in PROXIES else "POST", path, *lines))

    assert answered in ([], [400], [401], [403], [413], [415], [431]), answered


@pytest.mark.parametrize("demand", ["X-Symbolon-Min-Revision: 9223372036854775808", "X-Symbolon-Min-Revision: -1",
                                    "X-Symbolon-Deadline-Ms: 0", "X-Symbolon-Require-Device-Type: ,", "X-Symbolon-Require-Profile: \xff"])
@pytest.mark.parametrize("path", PROXIES)
def test_a_demand_that_cannot_be_read_admits_nobody(asked_house: House, path, demand):
    assert statuses(asked_house, head("GET", path, demand, f"Authorization: Bearer {'a' * 20}")) in ([401], [403])


BAD_BODIES = [b"", b"\x00", b"{", b"[]", b"null", b"token", b"token=", b"token=%zz", b"token=a&token=b", b"[" * 50_000, b"\xff\xfe",
              b'{"credentials":[]}', b'{"credentials":[7]}', b'{"credentials":["a"],"client_address":"nowhere"}',
              b"token=a&client_address=nowhere", b"token=a&client_agent=" + b"a" * 2000, b"a" * 300_000]


@pytest.mark.parametrize("number", range(len(BAD_BODIES)))
@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
def test_a_verifier_that_asks_nonsense_is_told_so_and_a_stranger_learns_nothing(asked_house: House, path, number, media_type):
    sent = {"Content-Type": media_type, "Authorization": basic(asked_house.client)}
    wrong = {**sent, "Authorization": basic((asked_house.client[0], "wrong"))}

    proved = asked_house.request("POST", path, body=BAD_BODIES[number], headers=sent)
    stranger = asked_house.request("POST", path, body=BAD_BODIES[number], headers=wrong)

    assert proved.status in (400, 401, 413, 415, 422), (proved.status, proved.text[:200])
    assert stranger.status in (400, 401, 413, 415), (stranger.status, stranger.text[:200])
    assert "Traceback" not in proved.text and "panicked" not in proved.text


@pytest.mark.skipif("HTTP2" not in subprocess.run([shutil.which("curl") or "true", "--version"], capture_output=True,
                                                  text=True, check=False).stdout, reason="curl here speaks no HTTP/2")
@pytest.mark.parametrize("path", PROXIES + QUESTIONS)
def test_http_2_with_prior_knowledge_gets_the_same_refusals(asked_house: House, path):
    words = ["curl", "--silent", "--show-error", "--http2-prior-knowledge", "--noproxy", "*", "--max-time", "60",
             "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}",
             "--header", f"Authorization: Bearer {'a' * 20}"]
    words += [] if path in PROXIES else ["--data", "token=a"]

    ran = subprocess.run([*words, f"http://127.0.0.1:{asked_house.port}{path}"], capture_output=True, text=True, check=False)

    version, status = ran.stdout.split()
    assert ran.returncode == 0, f"{ran.returncode}: {ran.stdout} {ran.stderr}"
    assert version == "2" and status in ("400", "401", "415"), ran.stdout


DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK = END_STREAM = 1
END_HEADERS = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113 §4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def header_block(lines: dict[str, str]) -> bytes:
    """RFC 7541 §6.2.2: each line as it is."""
    return b"".join(b"\0" + b"".join(bytes([len(word)]) + word.encode() for word in line) for line in lines.items())


def frames_until_pong(line: BinaryIO, mark: bytes) -> list[tuple[int, int]]:
    """Sends a PING with this mark; answers kind and flags of each frame that came before the answer to it."""
    line.write(frame(PING, 0, 0, mark))
    line.flush()
    found = []
    while True:
        head = line.read(9)
        assert len(head) == 9, f"the server has closed the connection after {found}"
        kind, flags, payload = head[3], head[4], line.read(int.from_bytes(head[:3], "big"))
        if (kind, flags, payload) == (PING, ACK, mark):
            return found
        found.append((kind, flags))


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "application/json", "text/plain"])
def test_over_http_2_a_refusal_waits_for_the_rest_of_the_question(asked_house: House, path, media_type):
    """Clients that are told to send no more take it for a failure and throw away the answer that came with it, whatever
    RFC 9113 §8.1 says; curl 7.88 does so."""
    lines = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": path, "content-type": media_type,
             "authorization": f"Bearer {'a' * 20}"}

    with socket.create_connection(("127.0.0.1", asked_house.port), timeout=60) as connection, \
            connection.makefile("rwb") as line:
        line.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
                   + frame(HEADERS, END_HEADERS, 1, header_block(lines)) + frame(DATA, 0, 1, b"token=a"))
        # Twice, so that whatever the question has set going has had its turn.
        early = [each for mark in (b"the 1st.", b"the 2nd.") for each in frames_until_pong(line, mark)]
        assert not {kind for kind, _ in early} & {HEADERS, DATA, RST_STREAM, GOAWAY}, early
        line.write(frame(DATA, END_STREAM, 1, b"&x=y"))
        late = []
        while (DATA, END_STREAM) not in late:
            late += frames_until_pong(line, b"the 3rd.")

    assert HEADERS in {kind for kind, _ in late} and RST_STREAM not in {kind for kind, _ in late}, late


def memory(house: House) -> int:
    """The peak of resident memory in KiB."""
    with open(f"/proc/{house.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_a_hundred_thousand_questions_about_junk_take_no_memory(asked_house: House):
    def ask(rounds: int) -> None:
        with socket.create_connection(("127.0.0.1", asked_house.port), timeout=60) as line:
            for number in range(rounds):
                path = PROXIES[number % len(PROXIES)]
                request = b"".join(head("GET", path, f"Authorization: Bearer {made_up_token()}", f"User-Agent: {number}-{each}")
                                   for each in range(100))
                line.sendall(request)
                received = b""
                while received.count(b"HTTP/1.1 ") < 100 or not received.endswith(b"accepted.\n"):
                    piece = line.recv(1 << 20)
                    assert piece, "the server has closed the connection"
                    received += piece
                assert received.count(b"HTTP/1.1 401 ") == 100

    # The first ones fill what is bounded: the notebook of what may turn out to be a retired token.
    ask(300)
    before = memory(asked_house)
    ask(1000)

    grown = memory(asked_house) - before
    assert grown < 16_000, f"{grown} KiB for 100 000 questions"
