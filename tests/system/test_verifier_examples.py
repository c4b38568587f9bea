"""The examples of docs/verify.md, word for word: against a whole Symbolon, and against answers that none would give."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from house import ROOT, House, clean_environment, made_up_token

# The first to come may have to build the Rust example.
pytestmark = pytest.mark.timeout(900)

PAGE = ROOT / "docs" / "verify.md"
RUST_EXAMPLE = ROOT / "crates" / "client" / "examples" / "verify.rs"
LANGUAGES = ["Rust", "Python", "JavaScript", "curl"]
ACTIVE, FAILED, INACTIVE, UNAVAILABLE = 0, 1, 3, 7


def block(language: str) -> str:
    """The one fenced block below the heading of that language."""
    section = re.split(r"^## ", PAGE.read_text(), flags=re.M)
    section = [text for text in section if text.startswith(language + "\n")]
    assert len(section) == 1, f"one section about {language}"
    blocks = re.findall(r"^```\w+\n(.*?)^```$", section[0], flags=re.M | re.S)
    assert len(blocks) == 1, f"one block about {language}"
    return blocks[0]


@cache
def rust_example(name: str) -> Path:
    # Over the whole workspace, so that what the unit tests have built is used again.
    subprocess.run(["cargo", "build", "--quiet", "--workspace", "--example", name], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "examples" / name


@dataclass
class Verdict:
    code: int
    out: str
    err: str


@dataclass
class Example:
    command: list[str]
    directory: Path

    def run(self, url: str, client: tuple[str, str], presented: str, *words: str, ca: Path | None = None) -> Verdict:
        secret = self.directory / "secret"
        secret.write_text(client[1] + "\n")
        settings = {"SYMBOLON_URL": url, "SYMBOLON_CLIENT_ID": client[0], "SYMBOLON_CLIENT_SECRET_FILE": str(secret)}
        if ca is not None:
            settings |= {"SYMBOLON_CA_FILE": str(ca), "NODE_EXTRA_CA_CERTS": str(ca)}
        # What others may have set for themselves, and where secrets would go astray.
        settings |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
        ran = subprocess.run([*self.command, *words], input=presented, capture_output=True, text=True, timeout=60,
                             cwd=self.directory, env=clean_environment(settings), check=False)
        verdict = Verdict(ran.returncode, ran.stdout, ran.stderr)
        said = verdict.out + verdict.err
        secrets = [client[1], *(line for line in presented.splitlines() if line)]
        assert not any(secret in said for secret in secrets), said
        return verdict

    def ask(self, url: str, client: tuple[str, str], credential: str, *, ca: Path | None = None) -> Verdict:
        verdict = self.run(url, client, credential + "\n", ca=ca)
        # Code and words never contradict each other.
        assert (verdict.code == ACTIVE) == verdict.out.startswith("active: "), verdict
        return verdict


@pytest.fixture(params=LANGUAGES)
def example(request, tmp_path) -> Example:
    directory = tmp_path / "example"
    directory.mkdir()
    if request.param == "Rust":
        return Example([str(rust_example("verify"))], directory)
    name, interpreter = {"Python": ("verify.py", sys.executable), "JavaScript": ("verify.mjs", "node"),
                         "curl": ("verify.sh", "sh")}[request.param]
    (directory / name).write_text(block(request.param))
    return Example([interpreter, name], directory)


def test_the_page_shows_the_rust_example_as_it_is_built():
    assert RUST_EXAMPLE.read_text().endswith("\n" + block("Rust"))


# A whole Symbolon.

@pytest.mark.house(tls=True)
def test_an_example_tells_good_from_bad_and_a_reset_at_once(house: House, example: Example):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id

    def ask(credential: str) -> Verdict:
        return example.ask(house.base, house.api_client(), credential, ca=house.authority)

    good = ask(session)
    assert good.code == ACTIVE, good
    assert user.username in good.out
    for bad in (made_up_token(), session[:-1], "junk", user.token):
        assert ask(bad).code == INACTIVE, bad

    house.reset(user)

    assert ask(session).code == INACTIVE


@pytest.mark.house(tls=True)
def test_an_example_with_a_wrong_secret_learns_nothing(house: House, example: Example):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    client_id, secret = house.api_client()

    for client in ((client_id, secret[::-1]), ("nobody", secret)):
        asked = example.ask(house.base, client, session, ca=house.authority)
        assert asked.code == FAILED, asked
        assert "401" in asked.err or "Unauthorised" in asked.err, asked
        assert user.username not in asked.out + asked.err


@pytest.mark.house(tls=True)
def test_an_example_asks_nobody_whom_it_cannot_trust_and_says_when_there_is_nobody(house: House, example: Example):
    client = house.api_client()

    assert example.ask(house.base, client, made_up_token()).code == UNAVAILABLE

    house.kill()

    assert example.ask(house.base, client, made_up_token(), ca=house.authority).code == UNAVAILABLE


@pytest.mark.house(tls=True)
def test_many_credentials_each_get_the_verdict_that_they_would_get_alone(house: House, tmp_path: Path):
    users = [house.user_with_token() for _ in range(2)]
    sessions = [house.soap_login(user.username, user.secret).session_id for user in users]
    example = Example([str(rust_example("verify_many"))], tmp_path)
    # More than one batch holds, with good ones at both ends and what is no credential in between.
    presented = [sessions[0], made_up_token(), "", "not one", sessions[1], users[0].token]
    presented += [made_up_token() for _ in range(1000)] + [sessions[0]]

    def ask(*words: str) -> Verdict:
        return example.run(house.base, house.api_client(), "\n".join(presented) + "\n", *words, ca=house.authority)

    good = ask()
    assert good.code == 0, good
    first, second = (user.username for user in users)
    assert good.out.split("\n") == [first, "", "", "", second, ""] + [""] * 1000 + [first, ""]

    house.reset(users[0])

    assert ask().out.split("\n") == ["", "", "", "", second, ""] + [""] * 1000 + ["", ""]
    assert ask("1").code == 0
    assert ask("999999999").code == UNAVAILABLE, "that is still to come"


# Answers of another kind.

@dataclass
class Pretender:
    """Answers every question alike, and remembers what it was asked."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict] = field(default_factory=list)

    def __enter__(self) -> "Pretender":
        pretender = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                pretender.asked.append({"path": self.path, "form": urllib.parse.parse_qs(form, strict_parsing=True),
                                        "authorization": self.headers["Authorization"]})
                self.send_response(pretender.status)
                for name, value in pretender.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(pretender.body)))
                self.end_headers()
                self.wfile.write(pretender.body.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


WHOLE = ('{"active":true,"sub":"005","username":"ada@example.com","profile":"Standard","device_type":"server",'
         '"iat":1800000000,"auth_time":1800000000,"revision":1}')
CLIENT = ("my-client", "its secret: 100% & more")


def test_an_example_asks_what_the_page_says(example: Example):
    with Pretender(200, WHOLE) as pretender:
        asked = example.ask(pretender.url + "/", ("my-client", "itsSecret"), "00D!x&active=true+%2B")

    assert asked.code == ACTIVE, asked
    assert asked.out.startswith("active: ada@example.com")
    assert pretender.asked == [{
        "path": "/services/oauth2/introspect", "form": {"token": ["00D!x&active=true+%2B"]},
        "authorization": "Basic " + base64.b64encode(b"my-client:itsSecret").decode()}]


@pytest.mark.parametrize("example", ["Rust", "Python", "JavaScript"], indirect=True)
def test_an_example_encodes_the_client_as_oauth_wants_it(example: Example):
    with Pretender(200, WHOLE) as pretender:
        example.ask(pretender.url, CLIENT, "t0")

    sent = base64.b64decode(pretender.asked[0]["authorization"].removeprefix("Basic "))
    assert sent == b"my-client:its+secret%3A+100%25+%26+more"


@pytest.mark.parametrize(("status", "body", "code"), [
    (200, '{"active":false}', INACTIVE),
    (200, '{"active":"true"}', FAILED),
    (200, '{"active":1}', FAILED),
    (200, "{}", FAILED),
    (200, "", FAILED),
    (200, "<html>active</html>", FAILED),
    (200, WHOLE[:-1], FAILED),
    (401, WHOLE, FAILED),
    (403, WHOLE, FAILED),
    (404, WHOLE, FAILED),
    (500, WHOLE, FAILED),
    (429, WHOLE, UNAVAILABLE),
    (502, WHOLE, UNAVAILABLE),
    (503, WHOLE, UNAVAILABLE),
])
def test_an_example_lets_nobody_in_by_mistake(example: Example, status: int, body: str, code: int):
    with Pretender(status, body) as pretender:
        asked = example.ask(pretender.url, CLIENT, "t0")

    assert asked.code == code, asked


def test_an_example_takes_its_secrets_nowhere_else(example: Example):
    with Pretender(200, WHOLE) as elsewhere:
        with Pretender(307, "", {"Location": elsewhere.url + "/services/oauth2/introspect"}) as pretender:
            asked = example.ask(pretender.url, CLIENT, "t0")

    assert asked.code == FAILED, asked
    assert elsewhere.asked == []
