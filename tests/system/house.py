"""A whole Symbolon for one test: the real binary, a data directory of its own, a mail server, free ports.

Nothing here knows the product's code. It starts the program, talks to it as people and clients do, and reads what the
public contract promises.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import time
import urllib.parse
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from pages import Browser, Page
from post import LINK, Sink
from postgres import free_port

ROOT = Path(__file__).resolve().parents[2]
# Far beyond what anything takes: it ends a wait that is in vain, and tells nothing of speed.
PATIENCE = 60.0
CONFIRM = "/setup/reset-security-token/confirm"


def binary() -> str:
    """The program under test: SYMBOLON_TEST_BINARY, else the release build."""
    named = os.environ.get("SYMBOLON_TEST_BINARY")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(named) if named else target / "release" / "symbolon"
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run `cargo build --release` (or set SYMBOLON_TEST_BINARY)")
    return str(path)


def clean_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Our environment without anything that the server would take for configuration."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("SYMBOLON_", "OTEL_", "RUST_LOG", "NOTIFY_SOCKET"))}
    kept["NO_COLOR"] = "1"
    kept.update(extra or {})
    return kept


def strong_password() -> str:
    """Passes the rules: long, unguessable, and its end does not look like a security token."""
    return f"lantern {secrets.token_hex(4)} orbits-{secrets.token_hex(3)} quilt!"


@dataclass
class User:
    username: str
    email: str
    password: str
    token: str = ""
    past_tokens: list[str] = field(default_factory=list)

    @property
    def secret(self) -> str:
        """What a client sends as its password: the password with the token appended."""
        return self.password + self.token


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        return (self.headers.get("Content-Type") or "").split(";")[0].strip().lower()

    # What SOAP clients pick out, by text as they do.

    def _element(self, name: str) -> str | None:
        found = re.search(rf"<{name}>(.*?)</{name}>", self.text, re.S)
        return found.group(1) if found else None

    @property
    def session_id(self) -> str | None:
        return self._element("sessionId")

    @property
    def server_url(self) -> str | None:
        return self._element("serverUrl")

    @property
    def fault_code(self) -> str | None:
        return self._element("sf:exceptionCode")

    @property
    def fault_message(self) -> str | None:
        return self._element("sf:exceptionMessage")

    @property
    def correlation_id(self) -> str | None:
        said = self.fault_message
        if said is None:
            try:
                said = self.json().get("error_description", "")
            except ValueError:
                return None
        found = re.search(r"\(([^()\s]+)\)$", said)
        return found.group(1) if found else None


class CommandFailed(AssertionError):
    pass


@dataclass
class Ran:
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


class House:
    """Options: `database` is None for the embedded one, else a postgres URL; `mail` a URL, or None for no mail server."""

    def __init__(self, directory: Path, *, database: str | None = None, tls: bool = False, mail: str | None = None,
                 sink: Sink | None = None, arguments: list[str] | None = None, environment: dict[str, str] | None = None):
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.database = database
        self.tls = tls
        self.mail = mail
        self.sink = sink
        self.arguments = list(arguments or [])
        self.environment = dict(environment or {})
        self.wrapper: list[str] = []
        self.process: subprocess.Popen | None = None
        self.log_file = self.directory / "server.log"
        self.out_file = self.directory / "server.out"
        self.port = free_port()
        self.tls_port = free_port() if tls else 0
        self.ops_port = free_port()
        self._context: ssl.SSLContext | None = None
        self._client: tuple[str, str] | None = None

    # Starting and stopping.

    @property
    def base(self) -> str:
        """The public address: HTTPS where the house has it."""
        return f"https://127.0.0.1:{self.tls_port}" if self.tls else f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        words = [binary(), "serve", "--data-dir", str(self.data), "--listen", f"127.0.0.1:{self.port}",
                 "--listen-ops", f"127.0.0.1:{self.ops_port}"]
        if self.tls:
            words += ["--listen-tls", f"127.0.0.1:{self.tls_port}", "--tls-self-signed", "--public-url", self.base]
        if self.database:
            words += ["--database", self.database]
        if self.mail:
            words += ["--mail", self.mail]
        return self.wrapper + words + self.arguments

    def start(self, *, ready: bool = True, within: float = PATIENCE) -> "House":
        assert self.process is None or self.process.poll() is not None, "the house runs already"
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log_file, "ab") as log, open(self.out_file, "ab") as out:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            cwd=self.directory, env=clean_environment(self.environment))
        if ready:
            self.wait_ready(within)
        return self

    def wait_ready(self, within: float = PATIENCE) -> None:
        deadline = time.monotonic() + within
        last = "no answer"
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            try:
                answer = self.request("GET", "/readyz", port=self.port, timeout=2)
                if answer.status == 200:
                    return
                last = f"{answer.status} {answer.text[:200]}"
            except OSError as error:
                last = str(error)
            except http.client.HTTPException as error:
                last = repr(error)
            time.sleep(0.03)
        raise RuntimeError(f"not ready within {within} s ({last}):\n{self.log()[-4000:]}")

    def stop(self, within: float = PATIENCE) -> int:
        """SIGTERM, as an operator or a supervisor does; answers the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE)
                raise AssertionError(f"the server did not end within {within} s of SIGTERM") from None
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL: what a crash, the kernel's memory killer or a careless hand does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        return "".join(file.read_text(errors="replace") for file in (self.log_file, self.out_file) if file.exists())

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    # The command line.

    def run(self, *words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None,
            timeout: float = PATIENCE, data_dir: bool = True) -> Ran:
        command = [binary(), *words]
        if data_dir:
            command += ["--data-dir", str(self.data)]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(command, input=given if given is not None else b"", capture_output=True,
                              cwd=self.directory, env=clean_environment(environment), timeout=timeout, check=False)
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def cli(self, *words: str, stdin: str | bytes | None = None, code: int = 0):
        """Runs a command that must end with `code`; answers what its `--json` says (None if it says nothing)."""
        ran = self.run(*words, "--json", stdin=stdin)
        if ran.code != code:
            raise CommandFailed(f"symbolon {' '.join(words)} ended with {ran.code}, not {code}: {ran.err or ran.out}")
        return json.loads(ran.out) if ran.out.strip() else None

    def do(self, *words: str, stdin: str | bytes | None = None, code: int = 0) -> Ran:
        """As `cli`, for commands that print no data."""
        ran = self.run(*words, stdin=stdin)
        if ran.code != code:
            raise CommandFailed(f"symbolon {' '.join(words)} ended with {ran.code}, not {code}: {ran.err or ran.out}")
        return ran

    # People.

    def add_user(self, username: str | None = None, *, password: str | None = None, email: str | None = None,
                 name: str | None = None, profile: str | None = None, admin: bool = False) -> User:
        username = username or f"ada{secrets.token_hex(3)}@example.com"
        user = User(username, email or f"mail-{secrets.token_hex(3)}@example.org", password or strong_password())
        words = ["user", "add", user.username, "--email", user.email, "--password-stdin"]
        if name is not None:
            words += ["--name", name]
        if profile is not None:
            words += ["--profile", profile]
        if admin:
            words.append("--admin")
        self.do(*words, stdin=user.password + "\n")
        return user

    def browser(self, source: str = "127.0.0.1") -> Browser:
        return Browser(self.base, tls=self.trust() if self.tls else None, source=source)

    def logged_in(self, user: User, source: str = "127.0.0.1") -> Browser:
        browser = self.browser(source)
        browser.go("/login")
        page = self.log_in(browser, user)
        assert page.status == 200 and not page.path.startswith("/login"), f"log in failed: {page.status} {page.text[:400]}"
        return browser

    def log_in(self, browser: Browser, user: User) -> Page:
        """Fills in the log-in page that the browser shows and, where it is asked for a code, the one that is mailed."""
        before = len(self.sink.codes_for(user.email)) if self.sink else 0
        page = browser.fill_and_press({"Username": user.username, "Password": user.password}, "Log In")
        if page.path != "/login/challenge" or self.sink is None:
            return page
        code = self.sink.wait_for_code(user.email, after=before)
        return browser.fill_and_press({"Verification Code": code}, "Verify")

    def reset(self, user: User, browser: Browser | None = None) -> Page:
        """Resets by the web form, waits for the mail, and leaves the token in `user`; answers the receipt."""
        assert self.sink is not None
        before = len(self.sink.tokens_for(user.email))
        browser = browser or self.logged_in(user)
        browser.go(CONFIRM)
        receipt = browser.fill_and_press({"Current Password": user.password}, "Save")
        assert receipt.status == 200, f"{receipt.status} {receipt.text[:400]}"
        if user.token:
            user.past_tokens.append(user.token)
        user.token = self.sink.wait_for_token(user.email, after=before)
        return receipt

    def user_with_token(self, **options) -> User:
        user = self.add_user(**options)
        self.reset(user)
        return user

    # Mail.

    def letters(self, to: str | None = None) -> list[dict]:
        """What `mail status` tells, but for the codes that log-ins from unknown browsers are asked for."""
        letters = [letter for letter in self.cli("mail", "status") if letter["kind"] != "verification-code"]
        return [letter for letter in letters if to is None or letter["to"].lower() == to.lower()]

    def wait_for_letter(self, to: str, state: str, *, within: float = PATIENCE) -> dict:
        return wait_until(
            lambda: next((letter for letter in self.letters(to) if letter["state"] == state), None),
            within=within, what=lambda: f"a letter to {to} in state {state}; there are {self.letters(to)}")

    def wait_until_mail_rests(self, *, within: float = PATIENCE) -> list[dict]:
        """Waits until no letter waits or is being handed over."""
        def resting():
            letters = self.letters()
            return [letters] if all(letter["state"] not in ("waiting", "leased") for letter in letters) else None
        return wait_until(resting, within=within, what=lambda: f"all mail to come to rest: {self.letters()}")[0]

    # Protocols.

    def trust(self) -> ssl.SSLContext:
        """Trusts the private authority in the data directory and nobody else."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=str(self.authority))
        return self._context

    @property
    def authority(self) -> Path:
        return self.data / "ca.pem"

    def request(self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None,
                source: str = "127.0.0.1", port: int | None = None, timeout: float = PATIENCE) -> Answer:
        """One bare request with exactly these headers (and those that HTTP itself needs)."""
        connection: http.client.HTTPConnection
        if self.tls and port is None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.tls_port, timeout=timeout, context=self.trust(),
                                                     source_address=(source, 0))
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout,
                                                    source_address=(source, 0))
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def soap(self, body: bytes, *, head: str = "u", version: str = "59.0", path: str | None = None,
             source: str = "127.0.0.1", headers: dict[str, str] | None = None) -> Answer:
        sent = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
        sent.update(headers or {})
        return self.request("POST", path or f"/services/Soap/{head}/{version}", body=body, headers=sent, source=source)

    def soap_login(self, username: str, secret: str, *, head: str = "u", version: str = "59.0",
                   source: str = "127.0.0.1", client: str = "system-tests/1.0", path: str | None = None) -> Answer:
        return self.soap(login_envelope(username, secret, head=head, client=client), head=head, version=version,
                         path=path, source=source, headers={"SOAPAction": "login"})

    def soap_call(self, session_id: str, call: str, *, head: str = "u", version: str = "59.0") -> Answer:
        return self.soap(call_envelope(session_id, call, head=head), head=head, version=version)

    def api_client(self) -> tuple[str, str]:
        """An API client of this house, registered at the first call: its id and secret."""
        if self._client is None:
            made = self.cli("client", "add", f"tests-{secrets.token_hex(3)}")
            self._client = (made["client_id"], made["client_secret"])
        return self._client

    def oauth(self, path: str, fields: dict[str, str], *, headers: dict[str, str] | None = None,
              source: str = "127.0.0.1") -> Answer:
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        sent.update(headers or {})
        return self.request("POST", path, body=urllib.parse.urlencode(fields).encode(), headers=sent, source=source)

    def oauth_login(self, username: str, secret: str, *, source: str = "127.0.0.1", **more: str) -> Answer:
        client_id, client_secret = self.api_client()
        return self.oauth("/services/oauth2/token", {
            "grant_type": "password", "client_id": client_id, "client_secret": client_secret,
            "username": username, "password": secret, **more}, source=source)

    def session_works(self, session_id: str) -> bool:
        """Whether an API session is alive, asked over REST and over SOAP; both must agree."""
        rest = self.request("GET", "/services/oauth2/userinfo", headers={"Authorization": f"Bearer {session_id}"})
        soap = self.soap_call(session_id, "<getUserInfo/>")
        assert (rest.status == 200) == (soap.status == 200), (
            f"the heads disagree about a session: userinfo {rest.status}, getUserInfo {soap.status}")
        return rest.status == 200

    def accepts(self, user: User, token: str | None = None, *, source: str = "127.0.0.1") -> bool:
        """Whether SOAP (partner, enterprise) and OAuth let this user in with this token; all must agree."""
        secret = user.password + (user.token if token is None else token)
        answers = [self.soap_login(user.username, secret, head="u", source=source).status,
                   self.soap_login(user.username, secret, head="c", source=source).status,
                   self.oauth_login(user.username, secret, source=source).status]
        assert answers in ([200, 200, 200], [500, 500, 400]), f"the heads disagree: {answers}"
        return answers[0] == 200

    def history(self, user: User | str | None = None) -> list[dict]:
        words = ["login", "history"]
        if user is not None:
            words += ["--user", user.username if isinstance(user, User) else user]
        return self.cli(*words)

    def wait_for_history(self, user: User | str, fits, *, within: float = PATIENCE) -> dict:
        """The newest row that fits; rows may be written in batches, so this waits for a while."""
        return wait_until(lambda: next((row for row in self.history(user) if fits(row)), None), within=within,
                          what=lambda: f"a login history row; there are {self.history(user)[:6]}")

    def tokens(self, user: User) -> list[dict]:
        return [token for token in self.cli("token", "list") if token["user"] == user.username]

    def live_tokens(self, user: User) -> list[dict]:
        return [token for token in self.tokens(user) if is_live(token)]

    def setup_link(self) -> str:
        """The single-use link that a server without an administrator prints."""
        def printed():
            links = [link.rstrip(".,;") for link in LINK.findall(self.log())]
            secret_ones = [link for link in links if len(urllib.parse.urlsplit(link).path.rsplit("/", 1)[-1]) >= 16
                           or "=" in urllib.parse.urlsplit(link).query]
            return secret_ones[-1] if secret_ones else None
        return wait_until(printed, what=lambda: f"a setup link in\n{self.log()}")


ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def check_characters(first: str) -> str:
    """The last five characters of a token, from its first 25; a second implementation of the contract's rule."""
    rest, check = zlib.crc32(first.encode()) % 62 ** 5, ""
    for _ in range(5):
        rest, digit = divmod(rest, 62)
        check = ALPHABET[digit] + check
    return check


def made_up_token() -> str:
    """Of the right form, with the right check, and never issued."""
    first = "sbn" + "".join(secrets.choice(ALPHABET) for _ in range(22))
    return first + check_characters(first)


def is_live(token: dict) -> bool:
    return token["state"] in ("live", "active", "valid", "current")


def wait_until(probe, *, within: float = PATIENCE, what="something", pause: float = 0.1):
    """Polls until `probe` answers something true; bounded, and says what was missing."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {within} s in vain for {what() if callable(what) else what}")
        time.sleep(pause)


NAMESPACE = {"u": "urn:partner.soap.sforce.com", "c": "urn:enterprise.soap.sforce.com"}


def login_envelope(username: str, secret: str, *, head: str = "u", client: str = "system-tests/1.0") -> bytes:
    urn = NAMESPACE[head]
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">'
        f'<env:Header><urn:CallOptions xmlns:urn="{urn}"><urn:client>{escape(client)}</urn:client>'
        '<urn:defaultNamespace>sf</urn:defaultNamespace></urn:CallOptions></env:Header>'
        f'<env:Body><n1:login xmlns:n1="{urn}"><n1:username>{escape(username)}</n1:username>'
        f'<n1:password>{escape(secret)}</n1:password></n1:login></env:Body></env:Envelope>'
    ).encode()


def call_envelope(session_id: str, call: str, *, head: str = "u") -> bytes:
    urn = NAMESPACE[head]
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{urn}">'
        f'<soapenv:Header><SessionHeader><sessionId>{escape(session_id)}</sessionId></SessionHeader></soapenv:Header>'
        f'<soapenv:Body>{call}</soapenv:Body></soapenv:Envelope>'
    ).encode()


def basic(client: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(f"{client[0]}:{client[1]}".encode()).decode()


def send_signal(process: subprocess.Popen, number: signal.Signals) -> None:
    os.kill(process.pid, number)
