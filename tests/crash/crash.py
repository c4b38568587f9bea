#!/usr/bin/env python3
"""Kills the server again and again while people reset their tokens, and checks what the clients saw.

    crash.py --kills N [--seed S] [--binary B] [--modes random,attach,start] [--keep]
    crash.py --sync-order     each acknowledged reset was on the disk before its answer (strace shows the order)
    crash.py --self-test      the checker complains about every forged journal, and about nothing in an honest one

Kills come in three modes: `random` sends SIGKILL at a random moment; `attach` and `start` let strace deliver SIGKILL at the
N-th call of one system call, the first to a running server, the second from its first instruction on. A fault that did not
fire is tried again and never counted. Journals are kept in target/crash/; a run that broke a promise keeps its data too.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "system"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import checker  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "crash"
# pwrite64 and fdatasync are the commit, sendto and writev the answer and the mail: there a crash hurts most.
CALLS = ["pwrite64", "fdatasync", "sendto", "writev", "fdatasync", "fsync", "pwrite64", "sendto", "writev", "write", "ftruncate"]
KILLS_PER_HOUSE = 10


class Journal:
    """What the clients saw, in the order in which they learnt it; on disk before anybody relies on it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.events: list[dict] = []
        self._lock = threading.Lock()
        self._file = open(path, "w", buffering=1)

    def note(self, kind: str, **event) -> dict:
        event = {"kind": kind, **event}
        with self._lock:
            self.events.append(event)
            self._file.write(json.dumps(event) + "\n")
        return event

    def count(self, kind: str, **wanted) -> int:
        with self._lock:
            return sum(event["kind"] == kind and all(event.get(name) == value for name, value in wanted.items())
                       for event in self.events)

    def close(self) -> None:
        self._file.close()


class Batch:
    """One data directory that lives through some kills."""

    def __init__(self, seed: str, kills: int, modes: list[str]):
        from house import House
        from post import Sink

        self.seed = seed
        self.random = random.Random(seed)
        self.wanted = kills
        self.modes = modes
        self.directory = Path(tempfile.mkdtemp(prefix="symbolon-crash-"))
        self.journal = Journal(OUT / f"{seed}.jsonl")
        self.sink = Sink().start()
        self.house = House(self.directory / "house", mail=self.sink.url, sink=self.sink)
        self.fired: collections.Counter[str] = collections.Counter()
        self.missed: collections.Counter[str] = collections.Counter()
        self.token_kind: str | None = None
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []
        self.users: list = []
        self.browsers: list = []
        self.pending: list[list] = []
        self.rests = 0
        self.letters: dict[str, dict] = {}
        self.mails_noted = 0

    # The load.

    def prepare(self) -> None:
        self.house.start()
        self.users = [self.house.add_user(f"user{number}@example.com", email=f"user{number}@example.org")
                      for number in range(3)]
        # The first user resets in two browsers at once.
        self.browsers = [(user, self.house.logged_in(user)) for user in [*self.users, self.users[0]]]
        # Forms whose outcome nobody knows: they are sent again, unchanged, until an answer comes.
        self.pending = [[] for _ in self.browsers]
        for user, browser in self.browsers[:3]:
            self.reset_once(user, browser, random.Random(0), [])
            self.sink.wait_for_token(user.email)
        self.token_kind = self.find_token_kind()

    def find_token_kind(self) -> str:
        """Which `kind` of letter carries a token: the contract leaves the word open."""
        mail = next(mail for mail in self.sink.all_for(self.users[0].email) if mail.token)
        letters = self.house.wait_until_mail_rests()
        for letter in letters:
            if str(letter["id"]) in mail.message_id:
                return letter["kind"]
        own = {letter["kind"] for letter in letters if letter["to"].lower() == self.users[0].email}
        named = [kind for kind in own if re.fullmatch(r"(new|your|security|reset)?[-_ ]?(security[-_ ])?token", kind, re.I)]
        if len(own) == 1 or len(named) == 1:
            return (named or list(own))[0]
        raise RuntimeError(f"cannot tell which of these kinds of letter carries a token: {own}")

    def reset_once(self, user, browser, chance: random.Random, pending: list) -> None:
        from house import CONFIRM

        try:
            if pending and chance.random() < 0.9:
                form = pending.pop()
            else:
                page = browser.go(CONFIRM)
                if page.path in ("/login", "/login/challenge"):
                    browser.go("/login")
                    self.house.log_in(browser, user)
                    page = browser.go(CONFIRM)
                if page.status != 200:
                    time.sleep(0.05)
                    return
                form = page.form("Save").set("Current Password", user.password)
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            return
        key = form.value("request_key")
        invoked_at = time.time()
        detail = ""
        try:
            answer = browser.submit(form, "Save", follow=False)
            target = (answer.headers.get("Location") or "").split("?")[0]
            detail = f"{answer.status} {target}"
            if answer.status == 303 and not target.endswith(("/login", "/confirm", "/challenge")):
                outcome = "acked"
            elif answer.status >= 500 or answer.status == 409:
                outcome = "unknown"
            else:
                outcome = "refused"
        except (OSError, http.client.HTTPException) as error:
            outcome, detail = "unknown", repr(error)
        self.journal.note("reset", user=user.username, key=key, invoked_at=invoked_at, ended_at=time.time(),
                          outcome=outcome, detail=detail)
        if outcome == "unknown":
            pending.append(form)

    def login_once(self, user, token: str, source: str, *, rest: int | None = None) -> str:
        invoked_at = time.time()
        detail = ""
        try:
            answer = self.house.soap_login(user.username, user.password + token, source=source, client="crash/1.0")
            if answer.status == 200 and answer.session_id:
                outcome = "accepted"
            elif answer.status == 500 and answer.fault_code == "INVALID_LOGIN":
                outcome = "refused"
            else:
                outcome, detail = "unknown", f"{answer.status} {answer.fault_code}"
        except (OSError, http.client.HTTPException) as error:
            outcome, detail = "unknown", repr(error)
        self.journal.note("login", user=user.username, token=token, invoked_at=invoked_at, ended_at=time.time(),
                          outcome=outcome, rest=rest, detail=detail)
        return outcome

    def keep_resetting(self, user, browser, pending: list, seed: str) -> None:
        chance = random.Random(seed)
        while not self.stop.is_set():
            self.reset_once(user, browser, chance, pending)
            time.sleep(chance.uniform(0, 0.1))

    def keep_logging_in(self, seed: str) -> None:
        chance = random.Random(seed)
        while not self.stop.is_set():
            user = chance.choice(self.users)
            known = self.sink.tokens_for(user.email)
            if known:
                token = known[-1] if chance.random() < 0.5 else chance.choice(known[-6:])
                self.login_once(user, token, f"127.0.2.{chance.randrange(1, 9)}")
            time.sleep(chance.uniform(0, 0.05))

    def begin_load(self) -> None:
        self.stop.clear()
        mark = self.random.random()
        self.threads = [threading.Thread(target=self.keep_resetting, args=(user, browser, self.pending[number],
                                                                        f"{mark}-{number}"), daemon=True)
                        for number, (user, browser) in enumerate(self.browsers)]
        self.threads.append(threading.Thread(target=self.keep_logging_in, args=(f"{mark}-login",), daemon=True))
        for thread in self.threads:
            thread.start()

    def end_load(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(90)
            if thread.is_alive():
                raise RuntimeError("a client hangs for 90 s: the server neither answers nor closes")

    # The kills.

    def note_kill(self, mode: str, fired: bool, detail: str = "") -> None:
        self.journal.note("kill", at=time.time(), mode=mode, fired=fired, detail=detail)
        (self.fired if fired else self.missed)[mode] += 1

    def note_end_by_hand(self, code: int) -> None:
        """A fault that did not fire ends in a crash all the same: the process is killed. It is no kill that counts."""
        died = code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        self.journal.note("kill", at=time.time(), mode="hand", fired=died, detail="the fault did not fire")

    def kill_at_random(self) -> None:
        self.begin_load()
        time.sleep(self.random.uniform(0.02, 1.2))
        process = self.house.process
        alive = process.poll() is None
        process.kill()
        process.wait(60)
        self.note_kill("random", alive and process.returncode == -signal.SIGKILL)
        self.end_load()

    def kill_by_attached_strace(self) -> None:
        call, number = self.random.choice(CALLS), self.random.randint(1, 12)
        process = self.house.process
        trace = self.directory / "trace"
        trace.unlink(missing_ok=True)
        strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", str(trace), "-p", str(process.pid), "-e", f"trace={call}",
             "-e", f"inject={call}:signal=KILL:when={number}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 5
        while "TracerPid:\t0" in Path(f"/proc/{process.pid}/status").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.begin_load()
        try:
            process.wait(4)
        except subprocess.TimeoutExpired:
            pass
        fired = process.poll() == -signal.SIGKILL
        self.end_attached(strace)
        self.note_kill("attach", fired, f"{call} #{number}")
        if not fired:
            process.kill()
            self.note_end_by_hand(process.wait(60))
        self.end_load()

    @staticmethod
    def end_attached(strace: subprocess.Popen) -> None:
        strace.terminate()
        try:
            strace.wait(5)
        except subprocess.TimeoutExpired:
            strace.kill()
            strace.wait(60)

    def kill_by_strace_from_the_start(self) -> None:
        call, number = self.random.choice(CALLS), self.random.randint(1, 25)
        self.house.stop()
        self.house.wrapper = ["strace", "-f", "-qq", "-o", str(self.directory / "trace"), "-e", f"trace={call}",
                              "-e", f"inject={call}:signal=KILL:when={number}"]
        loaded = False
        try:
            self.house.start(ready=False)
            strace = self.house.process
            try:
                self.house.wait_ready(15)
                self.begin_load()
                loaded = True
                strace.wait(4)
            except (subprocess.TimeoutExpired, RuntimeError):
                pass
            fired = strace.poll() in (-signal.SIGKILL, 128 + signal.SIGKILL)
            if strace.poll() is None:
                for pid in children(strace.pid):
                    os.kill(pid, signal.SIGKILL)
                self.note_end_by_hand(strace.wait(60))
            self.note_kill("start", fired, f"{call} #{number}{'' if loaded else ', before it was ready'}")
        finally:
            self.house.wrapper = []
        if loaded:
            self.end_load()

    # The reckoning.

    def come_back(self) -> None:
        """Starts the server anew and looks at once at everything that a crash may have broken."""
        self.house.start()
        self.come_to_rest()

    def note_mails(self) -> None:
        mails = list(self.sink.mails)
        for mail in mails[self.mails_noted:]:
            if mail.token is not None:
                user = next(user for user in self.users if user.email in mail.to)
                self.journal.note("mail", user=user.username, token=mail.token, message_id=mail.message_id,
                                  began_at=mail.began_at, ended_at=mail.ended_at)
        self.mails_noted = len(mails)

    def let_letters_end(self) -> None:
        """Gives every letter the time to come to its end; whether it did is the checker's business."""
        deadline = time.monotonic() + 90
        while any(letter["state"] in ("waiting", "leased") for letter in self.house.letters()):
            if time.monotonic() > deadline:
                break
            self.house.run("mail", "retry")
            time.sleep(0.3)

    def wait_until_mail_rests(self) -> None:
        deadline = time.monotonic() + 90
        while any(letter["state"] in ("waiting", "leased") for letter in self.house.letters()):
            if time.monotonic() > deadline:
                break
            self.house.run("mail", "retry")
            time.sleep(0.3)

    def come_to_rest(self) -> None:
        self.wait_until_mail_rests()
        self.note_mails()
        number, last = self.rests, sum(self.fired.values()) >= self.wanted
        self.rests += 1
        buried = set() if last else {event["token"] for event in self.journal.events
                                     if event["kind"] == "login" and event["outcome"] == "refused"}
        work = [(user, token) for user in self.users for token in dict.fromkeys(self.sink.tokens_for(user.email))
                if token not in buried]
        halves = [threading.Thread(target=lambda part=part: [
            self.login_once(user, token, "127.0.2.10", rest=number) for user, token in part]) for part in (work[::2], work[1::2])]
        for half in halves:
            half.start()
        for half in halves:
            half.join()
        # A retired token among those just tried has made the server write a warning.
        self.let_letters_end()
        by_address = {user.email: user.username for user in self.users}
        # `mail status` shows the newest thousand; what has left that window had come to its end.
        self.letters |= {letter["id"]: letter for letter in self.house.letters()}
        letters = [{**letter, "user": by_address.get(letter["to"].lower()) if letter["kind"] == self.token_kind else None}
                   for letter in self.letters.values()]
        tokens = [token for user in self.users for token in self.house.tokens(user)]
        self.note_mails()
        self.journal.note("rest", number=number, at=time.time(), tokens=tokens, letters=letters)

    def run(self) -> list[str]:
        began = time.monotonic()
        try:
            self.prepare()
            self.note_mails()
            turn = 0
            # On a busy machine a kill may come before any answer: then more of them are needed to prove anything.
            while sum(self.fired.values()) < self.wanted or self.journal.count("reset", outcome="acked") < self.wanted:
                mode = self.modes[turn % len(self.modes)]
                turn += 1
                if turn > 6 * self.wanted + 6:
                    raise RuntimeError(f"too many faults did not fire: {dict(self.missed)}")
                {"random": self.kill_at_random, "attach": self.kill_by_attached_strace,
                 "start": self.kill_by_strace_from_the_start}[mode]()
                self.come_back()
            complaints = checker.check(self.journal.events)
            acked = self.journal.count("reset", outcome="acked")
            if acked < self.wanted:
                complaints.append(f"only {acked} acknowledged resets in {self.wanted} kills: too little to prove anything")
            if "panicked" in self.house.log():
                complaints.append("the server's log tells of a panic")
        except (RuntimeError, AssertionError) as error:
            complaints = [f"the run could not go on: {error}"]
        finally:
            self.stop.set()
            for pid in children(self.house.process.pid) if self.house.process and self.house.process.poll() is None else []:
                os.kill(pid, signal.SIGKILL)
            self.house.kill()
            self.sink.stop()
            self.journal.close()
        self.report(time.monotonic() - began, complaints)
        return complaints

    def report(self, took: float, complaints: list[str]) -> None:
        count = self.journal.count
        print(f"seed {self.seed}: killed {dict(self.fired)}, did not fire {dict(self.missed)}; resets "
              + ", ".join(f"{count('reset', outcome=outcome)} {outcome}" for outcome in ("acked", "unknown", "refused"))
              + "; logins " + ", ".join(f"{count('login', outcome=outcome)} {outcome}"
                                        for outcome in ("accepted", "refused", "unknown"))
              + f"; {count('mail')} token mails; {took:.1f} s; {len(complaints)} violations", flush=True)
        for complaint in complaints:
            print(f"  {complaint}", flush=True)
        if complaints:
            print(f"  journal {self.journal.path}, data and log in {self.directory}", flush=True)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


# The order of writes, as the kernel sees it.

WRITE = re.compile(r"^(\d+) +(\d+\.\d+) (pwrite64|fdatasync|fsync)\(\d+<([^>]*)>(.*)$")
RESUMED = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (pwrite64|fdatasync|fsync) resumed>(.*)$")


def disk_calls(trace: str) -> list[tuple[float, str, str]]:
    """When each call *ended*, which it was, and on which file."""
    begun: dict[str, tuple[str, str]] = {}
    calls = []
    for line in trace.splitlines():
        found = WRITE.match(line)
        if found:
            pid, at, call, path, rest = found.groups()
            if "unfinished" in rest:
                begun[pid] = (call, path)
            elif not re.search(r"= -1 ", rest):
                calls.append((float(at) + duration(rest), call, path))
            continue
        found = RESUMED.match(line)
        if found and found.group(1) in begun:
            call, path = begun.pop(found.group(1))
            if not re.search(r"= -1 ", found.group(4)):
                calls.append((float(found.group(2)), call, path))
    return sorted(calls)


def duration(rest: str) -> float:
    found = re.search(r"<(\d+\.\d+)>$", rest)
    return float(found.group(1)) if found else 0.0


def sync_order(resets: int) -> int:
    """Shows for each acknowledged reset a write into the data directory and a finished sync of that file before the answer."""
    from house import CONFIRM, House
    from post import Sink

    directory = Path(tempfile.mkdtemp(prefix="symbolon-sync-"))
    trace = directory / "trace"
    spans = []
    with Sink() as sink:
        house = House(directory / "house", mail=sink.url, sink=sink).start()
        try:
            user = house.add_user()
            browser = house.logged_in(user)
            strace = subprocess.Popen(["strace", "-f", "-qq", "-y", "-T", "-ttt", "-s", "0", "-o", str(trace), "-p",
                                       str(house.process.pid), "-e", "trace=pwrite64,fdatasync,fsync"],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while "TracerPid:\t0" in Path(f"/proc/{house.process.pid}/status").read_text():
                time.sleep(0.01)
            for number in range(resets):
                form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
                invoked_at = time.time()
                answer = browser.submit(form, "Save", follow=False)
                if answer.status == 303:
                    spans.append((invoked_at, time.time()))
                # Let the courier's own writes come to rest, so that a sync of theirs is not taken for ours.
                sink.wait_for_token(user.email, after=number)
                house.wait_until_mail_rests()
            Batch.end_attached(strace)
        finally:
            house.kill()
    calls = disk_calls(trace.read_text())
    unsynced = 0
    for invoked_at, answered_at in spans:
        within = [call for call in calls if invoked_at <= call[0] <= answered_at and str(house.data) in call[2]]
        writes = [(at, path) for at, call, path in within if call == "pwrite64"]
        synced = any(call in ("fdatasync", "fsync") and path == written and at >= written_at
                     for written_at, written in writes[:1] for at, call, path in within)
        unsynced += not (writes and synced)
    print(f"sync order: {len(spans)} acknowledged resets, {unsynced} without a write and a finished sync before the answer; "
          f"{sum(call == 'pwrite64' for _, call, _ in calls)} writes, "
          f"{sum(call != 'pwrite64' for _, call, _ in calls)} syncs seen")
    shutil.rmtree(directory, ignore_errors=True)
    return 1 if unsynced or len(spans) < resets else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--binary", default=None)
    parser.add_argument("--modes", default="random,attach,random,start")
    parser.add_argument("--sync-order", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.binary:
        os.environ["SYMBOLON_TEST_BINARY"] = str(Path(arguments.binary).resolve())
    if arguments.self_test:
        faults = checker.self_test()
        for fault in faults:
            print(fault)
        print(f"checker: {len(checker.forgeries())} forged journals, {len(faults)} faults of the checker")
        return 1 if faults else 0
    if shutil.which("strace") is None:
        print("strace is missing: apt-get install strace", file=sys.stderr)
        return 1
    if arguments.sync_order:
        return sync_order(10)

    seed = arguments.seed or secrets.token_hex(4)
    modes = arguments.modes.split(",")
    began = time.monotonic()
    complaints: list[str] = []
    fired: collections.Counter[str] = collections.Counter()
    missed: collections.Counter[str] = collections.Counter()
    left, number = arguments.kills, 0
    while left > 0:
        batch = Batch(f"{seed}-{number}", min(left, KILLS_PER_HOUSE), modes)
        complaints += batch.run()
        fired += batch.fired
        missed += batch.missed
        if any("could not go on" in complaint for complaint in complaints):
            break
        left -= sum(batch.fired.values())
        number += 1
    if not complaints:
        complaints = [f"no kill of the mode {mode} fired" for mode in sorted(set(modes))
                      if not fired[mode] and arguments.kills >= 2 * len(modes)]
        for complaint in complaints:
            print(complaint)
    print(f"crash: seed {seed}, {sum(fired.values())} kills {dict(fired)}, {sum(missed.values())} faults did not fire, "
          f"{time.monotonic() - began:.0f} s, {len(complaints)} violations")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
