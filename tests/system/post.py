"""A mail server that keeps what it is given and says what it is told to say.

It speaks real SMTP (aiosmtpd): in the clear, with STARTTLS or with implicit TLS, with or without authentication, and can
refuse any recipient, at RCPT or after DATA, for a while or for good.
"""

from __future__ import annotations

import email
import email.policy
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from postgres import free_port

# The same expression as the parsers that people already have (see the mail's section of the contract).
CODE_LINE = re.compile(r"(?im)^\s*Verification code:\s*([0-9]{6})\s*$")
TOKEN_LINE = re.compile(r"(?im)^\s*Security token\s*\(case-sensitive\):\s*([A-Za-z0-9]{16,64})\s*$")
LINK = re.compile(r"https?://[^\s<>\"')\]]+")


@dataclass
class Mail:
    """One message as it came over the wire."""

    to: list[str]
    sender: str
    raw: bytes
    began_at: float
    ended_at: float
    secured: bool
    login: str | None
    message: EmailMessage = field(init=False)

    def __post_init__(self) -> None:
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"] or "")

    def part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        return "" if body is None else body.get_content()

    @property
    def text(self) -> str:
        return self.part("plain").replace("\r\n", "\n")

    @property
    def html(self) -> str:
        return self.part("html")

    @property
    def token(self) -> str | None:
        found = TOKEN_LINE.findall(self.text)
        return found[0] if len(found) == 1 else None

    @property
    def code(self) -> str | None:
        found = CODE_LINE.findall(self.text)
        return found[0] if len(found) == 1 else None

    @property
    def links(self) -> list[str]:
        return [link.rstrip(".,;") for link in LINK.findall(self.text)]


@dataclass
class Order:
    """What to answer a recipient: at which command, with which words, how many times (None: always)."""

    reply: str
    stage: str
    times: int | None


class Sink:
    """The mail server. `url` is what goes into `--mail`."""

    def __init__(self, *, tls: str = "none", certificate: ssl.SSLContext | None = None,
                 login: tuple[str, str] | None = None, host: str = "127.0.0.1"):
        self.tls = tls
        self.login = login
        self.host = host
        self.port = free_port()
        self.mails: list[Mail] = []
        self.turned_away: list[Mail] = []
        self.attempts: list[tuple[str, str]] = []
        self.rejected_logins = 0
        self._orders: dict[str, Order] = {}
        self._changed = threading.Condition()
        self._certificate = certificate
        self._controller: Controller | None = None

    # Starting and stopping.

    def start(self) -> "Sink":
        options: dict = {"data_size_limit": 10_000_000, "enable_SMTPUTF8": True, "timeout": 60}
        if self.login is not None:
            options |= {"authenticator": self._authenticate, "auth_required": True,
                        "auth_require_tls": self.tls == "starttls"}
        if self.tls == "starttls":
            options |= {"tls_context": self._certificate, "require_starttls": True}
        # With implicit TLS aiosmtpd does not know that the line is safe already.
        sink = self

        class Listener(Controller):
            def factory(self) -> SMTP:
                return SMTP(self.handler, **options)

        self._controller = Listener(
            _Handler(sink), hostname=self.host, port=self.port,
            ssl_context=self._certificate if self.tls == "implicit" else None,
        )
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop(no_assert=True)
            self._controller = None

    def __enter__(self) -> "Sink":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        who = "" if self.login is None else f"{self.login[0]}:{self.login[1]}@"
        if self.tls == "implicit":
            return f"smtps://{who}localhost:{self.port}"
        if self.tls == "starttls":
            return f"smtp://{who}localhost:{self.port}"
        return f"smtp://{who}{self.host}:{self.port}?tls=none"

    # Orders.

    def answer(self, to: str, reply: str, *, stage: str = "rcpt", times: int | None = None) -> None:
        """From now on `reply` is said for recipient `to`; `stage` is `rcpt` or `data`."""
        with self._changed:
            self._orders[to.lower()] = Order(reply, stage, times)

    def accept(self, to: str) -> None:
        with self._changed:
            self._orders.pop(to.lower(), None)

    def order_for(self, to: str, stage: str) -> str | None:
        with self._changed:
            self.attempts.append((to.lower(), stage))
            self._changed.notify_all()
            order = self._orders.get(to.lower())
            if order is None or order.stage != stage:
                return None
            if order.times is not None:
                if order.times <= 0:
                    return None
                order.times -= 1
            return order.reply

    # What came.

    def keep(self, mail: Mail) -> None:
        with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()

    def all_for(self, to: str, subject: str = "") -> list[Mail]:
        with self._changed:
            return [mail for mail in self.mails
                    if to.lower() in mail.to and subject.lower() in mail.subject.lower()]

    def tokens_for(self, to: str) -> list[str]:
        return [mail.token for mail in self.all_for(to) if mail.token is not None]

    def wait_for(self, to: str, subject: str = "", *, after: int = 0, within: float = 60, holds=None) -> Mail:
        """Waits for a mail to `to` beyond the first `after` ones that fit."""
        deadline = time.monotonic() + within
        with self._changed:
            while True:
                fitting = [mail for mail in self.mails
                           if to.lower() in mail.to and subject.lower() in mail.subject.lower()
                           and (holds is None or holds(mail))]
                if len(fitting) > after:
                    return fitting[after]
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    if time.monotonic() >= deadline:
                        seen = [(mail.to, mail.subject) for mail in self.mails]
                        raise AssertionError(
                            f"no mail to {to} with subject {subject!r} (beyond {after}) in {within} s; came: {seen}")

    def wait_for_token(self, to: str, *, after: int = 0, within: float = 60) -> str:
        """The token of the mail beyond the first `after` token mails to `to`."""
        mail = self.wait_for(to, after=after, within=within, holds=lambda mail: mail.token is not None)
        assert mail.token is not None
        return mail.token

    def codes_for(self, to: str) -> list[str]:
        return [mail.code for mail in self.all_for(to) if mail.code is not None]

    def wait_for_code(self, to: str, *, after: int = 0, within: float = 60) -> str:
        """The code of the mail beyond the first `after` mails with a code to `to`."""
        mail = self.wait_for(to, after=after, within=within, holds=lambda mail: mail.code is not None)
        assert mail.code is not None
        return mail.code

    def wait_for_attempt(self, to: str, *, after: int = 0, within: float = 60) -> None:
        deadline = time.monotonic() + within
        with self._changed:
            while sum(1 for who, _ in self.attempts if who == to.lower()) <= after:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"the server never tried to hand over a mail to {to}")
                self._changed.wait(left)

    def _authenticate(self, server, session, envelope, mechanism, data) -> AuthResult:
        if isinstance(data, LoginPassword) and self.login is not None:
            if (data.login.decode(), data.password.decode()) == self.login:
                session.symbolon_login = data.login.decode()
                return AuthResult(success=True)
        self.rejected_logins += 1
        return AuthResult(success=False, handled=False)


class _Handler:
    def __init__(self, sink: Sink):
        self.sink = sink

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        envelope.symbolon_began_at = time.time()
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.sink.order_for(address, "rcpt")
        if reply is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = Mail(
            to=[address.lower() for address in envelope.rcpt_tos],
            sender=envelope.mail_from or "",
            raw=envelope.original_content,
            began_at=getattr(envelope, "symbolon_began_at", time.time()),
            ended_at=time.time(),
            secured=bool(session.ssl) or self.sink.tls == "implicit",
            login=getattr(session, "symbolon_login", None),
        )
        for address in envelope.rcpt_tos:
            reply = self.sink.order_for(address, "data")
            if reply is not None:
                self.sink.turned_away.append(mail)
                return reply
        self.sink.keep(mail)
        return "250 2.0.0 kept"


class SilentPort:
    """A mail server that takes the connection and never says a word."""

    def __enter__(self) -> "SilentPort":
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}?tls=none"
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


__all__ = ["LINK", "TOKEN_LINE", "Mail", "SilentPort", "Sink"]
