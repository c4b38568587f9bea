"""Fault points of docs/order-of-writes.md that have to be met exactly: kills at each step of SMTP, a courier that
sleeps through its lease, clocks that differ or step, logs that cannot be written, too few files, a full disk.

Whatever is injected here is also observed (a clock that is really off, a client that really has to wait): a fault that
did not fire proves nothing.
"""

from __future__ import annotations

import asyncio
import email.utils
import http.client
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

import post
from crowd import end_leases
from engines import on_both_engines
from house import CONFIRM, House, User, send_signal, wait_until
from pages import Browser, Page
from post import Mail, Sink
from postgres import program, psql
from test_operations import database_file

CONNECT, EHLO, MAIL, RCPT, DATA = "connect", "EHLO", "MAIL", "RCPT", "DATA begun"
DOT, TAKEN = "after the final dot", "after the 250"


class HaltingSink(Sink):
    """Stands still at one named step until it is told to go on, and hangs up after each mail, so that every letter
    comes through every step. What it was given is kept before it says so. It wants its letters one after the other: so
    the one that stands still is the one in hand."""

    LONGEST = 40.0

    def __init__(self) -> None:
        super().__init__()
        self.step: str | None = None
        self._words: str | None = None
        self._reached = threading.Event()
        self._go_on = threading.Event()

    @property
    def url(self) -> str:
        return super().url + "&timeout=60s&connections=1"

    def start(self) -> "HaltingSink":
        sink = self

        class Steps(SMTP):
            async def _handle_client(self):
                await sink.pass_by(CONNECT)
                await super()._handle_client()

            async def smtp_EHLO(self, hostname):
                await sink.pass_by(EHLO)
                await super().smtp_EHLO(hostname)

            async def smtp_MAIL(self, arg):
                await sink.pass_by(MAIL)
                await super().smtp_MAIL(arg)

            async def smtp_RCPT(self, arg):
                await sink.pass_by(RCPT)
                await super().smtp_RCPT(arg)

            async def smtp_DATA(self, arg):
                await sink.pass_by(DATA)
                await super().smtp_DATA(arg)
                if self.transport is not None:
                    self.transport.close()

        class Handler(post._Handler):
            async def handle_DATA(self, server, session, envelope):
                reply = await super().handle_DATA(server, session, envelope)
                return await sink.pass_by(DOT) or reply

        class Listener(Controller):
            def factory(self) -> SMTP:
                return Steps(self.handler, data_size_limit=10_000_000, enable_SMTPUTF8=True, timeout=120)

        self._controller = Listener(Handler(self), hostname=self.host, port=self.port)
        self._controller.start()
        return self

    def stop(self) -> None:
        self.step = None
        self._go_on.set()
        super().stop()

    async def pass_by(self, step: str) -> str | None:
        """Answers the words with which it was told to go on."""
        if step != self.step:
            return None
        self._go_on.clear()
        self._reached.set()
        await asyncio.get_running_loop().run_in_executor(None, self._go_on.wait, self.LONGEST)
        return self._words

    def halt_at(self, step: str) -> None:
        self._reached.clear()
        self.step = step

    def go_on(self, words: str | None = None) -> None:
        self.step, self._words = None, words
        self._go_on.set()

    def catch_the_token(self, house: House, user: User) -> dict:
        """Waits until the sink stands still and the server has the letter with the token in hand; lets others pass."""
        for _ in range(4):
            assert self._reached.wait(self.LONGEST), f"nothing came to the step {self.step!r}"
            in_hand = [letter for letter in house.letters(user.email) if letter["state"] == "leased"]
            assert len(in_hand) == 1, in_hand
            if in_hand[0]["kind"] == "new-token":
                return in_hand[0]
            self._reached.clear()
            self._go_on.set()
        raise AssertionError("the letter with the token never came")


@pytest.fixture
def halting():
    with HaltingSink() as sink:
        yield sink


def save(house: House, user: User, browser: Browser | None = None) -> Page:
    """Resets by the form and waits for no mail; answers the receipt."""
    browser = browser or house.logged_in(user)
    browser.go(CONFIRM)
    receipt = browser.fill_and_press({"Current Password": user.password}, "Save")
    assert receipt.status == 200, f"{receipt.status} {receipt.text[:400]}"
    return receipt


def token_mails(user: User, *sinks: Sink) -> list[Mail]:
    return [mail for sink in sinks for mail in sink.all_for(user.email) if mail.token is not None]


def assert_copies_of_one_letter(mails: list[Mail]) -> None:
    assert len({mail.message_id for mail in mails}) == 1, [mail.message_id for mail in mails]
    assert len({mail.token for mail in mails}) == 1


def let_leases_run_out(house: House) -> None:
    assert end_leases(house) or not house.database, "no letter was in hand"


# F6 and F7.

@contextmanager
def nobody_can_write_letters(house: House):
    """Holds a lock under which the outbox can be read and not changed."""
    if house.database is None:
        holder = sqlite3.connect(database_file(house), isolation_level=None, timeout=60)
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        return
    holder = subprocess.Popen([program("psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", house.database],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("BEGIN; LOCK TABLE letter IN SHARE MODE; SELECT 'held';\n")
        holder.stdin.flush()
        assert holder.stdout.readline().strip() == "held"
        yield
    finally:
        holder.communicate("ROLLBACK;\n", timeout=60)


def kill_at(step: str, house: House, sink: HaltingSink, user: User) -> None:
    """Kills the server with the token's letter at this step of its delivery."""
    sink.catch_the_token(house, user)
    if step == TAKEN:
        handed_over = house.log().count("handed over letter")
        with nobody_can_write_letters(house):
            sink.go_on()
            wait_until(lambda: house.log().count("handed over letter") > handed_over, pause=0.01,
                       what="the server to hear that its letter was taken")
            house.kill()
    else:
        house.kill()
        sink.go_on()


@pytest.mark.parametrize("step", [CONNECT, EHLO, MAIL, RCPT, DATA, DOT, TAKEN])
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_kill_at_each_step_of_smtp_costs_no_letter_and_makes_no_more_copies_than_kills_after_data(
        build_house, halting, engine, step):
    house = build_house(engine, sink=halting)
    user = house.add_user()
    kills = 2

    desk = house.logged_in(user)
    halting.halt_at(DOT if step == TAKEN else step)
    save(house, user, desk)
    kill_at(step, house, halting, user)
    for _ in range(kills - 1):
        let_leases_run_out(house)
        halting.halt_at(DOT if step == TAKEN else step)
        house.start()
        kill_at(step, house, halting, user)
    let_leases_run_out(house)
    house.start()

    user.token = halting.wait_for_token(user.email)
    letters = house.wait_until_mail_rests()
    assert {letter["state"] for letter in letters} == {"handed-over"}, letters
    assert next(letter["attempts"] for letter in letters if letter["kind"] == "new-token") == 1 + kills
    copies = token_mails(user, halting)
    assert_copies_of_one_letter(copies)
    assert len(copies) == (1 + kills if step in (DOT, TAKEN) else 1)
    assert house.accepts(user)
    assert len(house.live_tokens(user)) == 1


# F9.

def second_node(build_house, first: House, **options) -> House:
    """Another node of the same authority: the same database and the same keys in a data directory of its own."""
    second = build_house(name="second", start=False, database=first.database, **options)
    second.data.mkdir(parents=True, mode=0o700)
    shutil.copy(first.data / "keys.toml", second.data / "keys.toml")
    return second.start()


def token_letter(house: House, user: User) -> str:
    """The whole row of the letter with the token, as the database has it."""
    return psql(house.database, "SELECT state, attempts, lease, leased_until, next_try_at, last_reply, nonce, ended_at "
                f"FROM letter WHERE kind = 'new-token' AND to_address = '{user.email}'").strip()


@pytest.mark.parametrize(("late_words", "said_in_log"), [
    ("250 2.0.0 kept", "ran out before its end was written down"),
    ("451 4.3.0 not now", "is to be tried again"),
    ("550 5.7.1 never", "ran out before its end was written down"),
], ids=["taken", "not now", "never"])
def test_a_courier_that_slept_through_its_lease_cannot_end_the_letter_that_another_node_carried(
        build_house, halting, late_words, said_in_log):
    with Sink() as others:
        sleeper = build_house("postgres", sink=halting)
        user, neighbour = sleeper.add_user(), sleeper.add_user()
        desk = sleeper.logged_in(user)
        carrier = second_node(build_house, sleeper, sink=others)
        halting.halt_at(DOT)
        save(sleeper, user, desk)
        halting.catch_the_token(sleeper, user)
        send_signal(sleeper.process, signal.SIGSTOP)
        try:
            wait_until(lambda: state_of(sleeper) == "T", what="the first node to stand still")
            save(carrier, neighbour)
            neighbour.token = others.wait_for_token(neighbour.email)
            assert token_mails(user, others) == [], "a lease that had not run out was not respected"

            let_leases_run_out(sleeper)
            carrier.do("mail", "retry")
            user.token = others.wait_for_token(user.email)
            carrier.wait_until_mail_rests()
            ended = token_letter(sleeper, user)
        finally:
            send_signal(sleeper.process, signal.SIGCONT)
        halting.go_on(late_words)
        wait_until(lambda: said_in_log in sleeper.log(), what=lambda: f"{said_in_log!r} in\n{sleeper.log()[-2000:]}")

        assert ended.startswith("handed-over|2|||"), ended
        assert sleeper.accepts(user) and carrier.accepts(user)
        copies = token_mails(user, halting, others)
        assert len(copies) == 2
        assert_copies_of_one_letter(copies)

        # A courier carries one letter after the other: once it has carried this one, it is done with that one.
        carrier.stop()
        save(sleeper, neighbour)
        neighbour.token = halting.wait_for_token(neighbour.email)
        assert token_letter(sleeper, user) == ended
        assert sleeper.accepts(user) and sleeper.accepts(neighbour)


def state_of(house: House) -> str:
    stat = Path(f"/proc/{house.process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


# F12.

def clock_off_by(shift: str) -> dict[str, str]:
    """The environment of a server whose clock is off; its stop-watch is not."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "libfaketime is missing (Debian: apt-get install faketime)"
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def hours_ahead(house: House) -> float:
    """How far this server's clock is ahead of ours, by what it says in each answer."""
    said = email.utils.parsedate_to_datetime(house.request("GET", "/livez").headers["Date"])
    return (said.timestamp() - time.time()) / 3600


def new_token(house: House, user: User, known: set[str]) -> str:
    """A token that is none of these: nodes with other clocks may mail a letter twice."""
    mail = house.sink.wait_for(user.email, holds=lambda mail: mail.token is not None and mail.token not in known)
    known.add(mail.token)
    return mail.token


@pytest.mark.parametrize("shift", ["+1h", "-1h"])
def test_what_is_reset_on_one_node_is_dead_at_once_on_a_node_whose_clock_is_an_hour_off(build_house, shift):
    first = build_house("postgres")
    user = first.add_user()
    second = second_node(build_house, first, environment=clock_off_by(shift))
    assert abs(hours_ahead(second) - float(shift[:-1])) < 0.05
    assert abs(hours_ahead(first)) < 0.05
    known: set[str] = set()
    save(first, user)
    user.token = new_token(first, user, known)
    assert first.accepts(user) and second.accepts(user)

    for here, there in [(first, second), (second, first), (first, second)]:
        old, session = user.token, there.soap_login(user.username, user.secret).session_id
        assert here.session_works(session) and there.session_works(session)

        save(here, user)

        assert not there.accepts(user, old), "a token that was reset lived on at the other node"
        assert not there.session_works(session)
        assert not here.accepts(user, old)
        user.token = new_token(here, user, known)
        assert there.accepts(user) and here.accepts(user)
        assert len(here.live_tokens(user)) == 1

    for node in (first, second):
        node.do("audit", "verify")
        assert all(not node.accepts(user, old) for old in known - {user.token}), "a retired token revived"
        assert node.accepts(user)


@on_both_engines
def test_no_retired_token_revives_when_the_clock_steps_a_day_at_a_restart(house: House):
    user, revoked = house.user_with_token(), house.user_with_token()
    house.reset(user)
    house.do("token", "revoke", house.live_tokens(revoked)[0]["id"])
    house.wait_until_mail_rests()

    for shift in ["-1d", "+1d", "-1d", None]:
        house.stop()
        house.environment = clock_off_by(shift) if shift else {}
        house.start()
        assert abs(hours_ahead(house) - (24 * int(shift[:-1]) if shift else 0)) < 0.05

        for old in user.past_tokens:
            assert house.soap_login(user.username, user.password + old).status == 500, "a retired token revived"
        assert house.soap_login(revoked.username, revoked.secret).status == 500, "a revoked token revived"
        assert house.accepts(user), "a token younger than a year is dead"
        house.reset(user)
        assert not house.accepts(user, user.past_tokens[-1])
        assert house.accepts(user)
        assert len(house.live_tokens(user)) == 1
        house.do("audit", "verify")


def test_the_expiry_of_a_token_follows_the_clock_forward_and_back(house: House):
    user = house.user_with_token()

    for shift, lives in [("+364d", True), ("+366d", False), (None, True)]:
        house.stop()
        house.environment = clock_off_by(shift) if shift else {}
        house.start()
        assert abs(hours_ahead(house) - (24 * int(shift[:-1]) if shift else 0)) < 0.05

        assert house.accepts(user) == lives
        if not lives:
            assert house.wait_for_history(user, lambda row: "expired" in row["reason"])


# F14. What else a mail server may say is in test_letters.py.

def test_a_letter_to_a_full_mailbox_is_tried_again_by_itself_and_arrives_once_there_is_room(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)
    sink.answer(user.email, "452 4.2.2 mailbox is full today", stage="data", times=2)

    save(house, user, desk)
    waiting = wait_until(lambda: [letter for letter in house.letters(user.email)
                                  if letter["attempts"] in (1, 2) and letter["state"] == "waiting"],
                         what=lambda: f"a letter that waits after an attempt: {house.letters(user.email)}")
    user.token = sink.wait_for_token(user.email, within=60)
    letters = house.wait_until_mail_rests(within=60)

    assert any("mailbox is full today" in letter["last_reply"] for letter in waiting)
    assert {letter["state"] for letter in letters} == {"handed-over"}
    assert len(token_mails(user, sink)) == 1
    assert house.accepts(user)


# F15.

def test_a_server_that_cannot_write_its_log_goes_on_serving_and_resetting(build_house):
    house = build_house(start=False, arguments=["--log-level", "trace"])
    house.wrapper = ["sh", "-c", 'exec "$0" "$@" 2>/dev/full']
    house.start()
    assert os.readlink(f"/proc/{house.process.pid}/fd/2") == "/dev/full"
    user = house.user_with_token()

    for _ in range(3):
        old = user.token
        house.reset(user)
        assert house.accepts(user)
        assert not house.accepts(user, old)
    assert house.request("GET", "/no/such/page").status == 404

    assert house.alive
    house.do("audit", "verify")
    house.wait_until_mail_rests()
    assert house.stop() == 0
    house.wrapper = []
    house.start()
    assert house.accepts(user)


def connections_waiting(house: House) -> int:
    """Clients whom the kernel keeps at the door because the server has not accepted them yet."""
    listening = f"0100007F:{house.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # In state 0A (listening) the second half of this column is the length of the queue.
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[1] == listening and row[3] == "0A")


class Resetter(threading.Thread):
    """Resets again and again, on a connection that it had before the files ran out."""

    def __init__(self, house: House, user: User):
        super().__init__()
        self.user = user
        self.browser = house.logged_in(user)
        self.line = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
        self.line.connect()
        self.over = threading.Event()
        self.acknowledged = self.unanswered = 0
        self.refused: list[int] = []

    def run(self) -> None:
        while not self.over.is_set():
            asking = False
            try:
                page = self.ask("GET", self.browser.base + CONFIRM)
                if page.status == 200:
                    _, address, values = page.form("Save").set("Current Password", self.user.password).press("Save")
                    asking = True
                    page = self.ask("POST", address, urllib.parse.urlencode(values))
            except (OSError, http.client.HTTPException):
                self.unanswered += asking
                self.line.close()
                continue
            if page.status == 303:
                self.acknowledged += 1
            else:
                self.refused.append(page.status)

    def ask(self, method: str, address: str, body: str | None = None) -> Page:
        cookies = "; ".join(f"{name}={value}" for name, value in self.browser.cookies.items())
        self.line.request(method, urllib.parse.urlsplit(address).path, body=body, headers={
            "Cookie": cookies, "Origin": self.browser.base, "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded"})
        answer = self.line.getresponse()
        return Page(address, answer.status, answer.headers, answer.read())


def press_on(house: House, crowd: list[socket.socket]) -> None:
    """Whoever was shown out lines up again."""
    shown_out, _, _ = select.select(crowd, [], [], 0)
    for each in shown_out:
        each.close()
        crowd[crowd.index(each)] = socket.create_connection(("127.0.0.1", house.port), timeout=60)


def test_a_server_that_runs_out_of_files_loses_no_acknowledged_reset_and_serves_normally_afterwards(build_house):
    house = build_house(start=False)
    house.wrapper = ["prlimit", "--nofile=64:64", "--"]
    house.start()
    people = [house.user_with_token() for _ in range(3)]
    house.wait_until_mail_rests()
    resetters = [Resetter(house, user) for user in people]
    crowd: list[socket.socket] = []
    try:
        # Few enough for the kernel's queue. Whoever says nothing is shown out after ten seconds; others move up.
        for _ in range(110):
            crowd.append(socket.create_connection(("127.0.0.1", house.port), timeout=60))
        for each in resetters:
            each.start()
        def are_answered() -> bool:
            press_on(house, crowd)
            return all(each.acknowledged + len(each.refused) >= 5 for each in resetters)

        wait_until(are_answered, within=60,
                   what=lambda: f"answers: {[(each.acknowledged, each.refused) for each in resetters]}")
        assert connections_waiting(house) > 0, "the server had files for everybody"
        for each in crowd:
            each.close()
        crowded = [each.acknowledged for each in resetters]
        wait_until(lambda: all(each.acknowledged >= 3 + done for each, done in zip(resetters, crowded)), within=60,
                   what=lambda: f"resets afterwards: {[(each.acknowledged, each.refused) for each in resetters]}")
    finally:
        for each in resetters:
            each.over.set()
        for each in crowd:
            each.close()
        for each in resetters:
            if each.ident is not None:
                each.join(70)
            each.line.close()

    assert house.alive and not any(each.is_alive() for each in resetters)
    assert {status for each in resetters for status in each.refused} <= {503}
    wait_until(lambda: house.request("GET", "/readyz").status == 200, what="the server to be ready again")
    house.do("mail", "retry")
    house.wait_until_mail_rests(within=60)
    for user, each in zip(people, resetters):
        made = len(house.tokens(user)) - 1
        assert each.acknowledged <= made <= each.acknowledged + each.unanswered, "an acknowledged reset was lost"
        assert len(house.live_tokens(user)) == 1
        mailed = house.sink.tokens_for(user.email)
        assert mailed[0] == user.token and not house.accepts(user)
        user.token = mailed[-1]
        assert house.accepts(user)
        house.reset(user)
        assert house.accepts(user)
    house.do("audit", "verify")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of four megabytes."""
    place = tmp_path / "small disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leaves no byte on this disk."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\xa5" * size)
            except OSError as error:
                assert error.errno == 28, error
    assert os.statvfs(disk).f_bavail == 0
    return ballast


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount; test_operations.py injects ENOSPC instead")
def test_on_a_disk_that_is_really_full_a_reset_is_503_and_what_was_acknowledged_is_there(small_disk, build_house):
    house = build_house(start=False)
    house.data = small_disk / "data"
    house.start()
    user = house.user_with_token()
    browser = house.logged_in(user)
    house.wait_until_mail_rests()
    acknowledged, failed = 1, 0

    ballast = fill(small_disk)
    # The write-ahead log has room for some more: what it held before can be written over.
    for _ in range(300):
        form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
        page = browser.submit(form, "Save", follow=False)
        assert page.status in (303, 503), page.status
        acknowledged += page.status == 303
        failed += page.status == 503
        if failed == 3:
            break
    assert failed == 3, "the disk was never full"
    assert house.soap_login(user.username, user.secret).status != 200, "a log-in that cannot be written down was let in"
    assert house.alive

    ballast.unlink()
    wait_until(lambda: house.request("GET", "/readyz").status == 200, what="the server to be ready again")
    assert browser.submit(form, "Save", follow=False).status == 303, "the same form may be sent again"
    acknowledged += 1
    house.do("mail", "retry")
    house.wait_until_mail_rests(within=60)
    house.restart()
    assert len(house.tokens(user)) == acknowledged
    assert len(house.live_tokens(user)) == 1
    tokens = house.sink.tokens_for(user.email)
    assert not any(house.accepts(user, token) for token in tokens[-3:-1])
    assert house.accepts(user, tokens[-1])
    house.reset(user)
    assert house.accepts(user)
    house.do("audit", "verify")
