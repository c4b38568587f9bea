"""Decides whether a crash run broke a promise, from what the clients saw and nothing else.

A second implementation of the rules, independent of the product: it reads a journal of client-side events and knows nothing
of databases or of the server's code. An outcome that is unknown (the connection broke, 5xx) may or may not have happened;
it is never dropped and never taken for a success.

Events are dictionaries with a `kind`; every instant `at`, `invoked_at`, `acked_at`, … is seconds since the epoch, on one
machine's clock:

    reset    {user, key, invoked_at, ended_at, outcome: acked|refused|unknown}    `key` names the form: a retry repeats it
    mail     {user, token, message_id, began_at, ended_at}                        handed over by the server, kept by our mail server
    login    {user, token, invoked_at, ended_at, outcome: accepted|refused|unknown, rest: number or None}
    kill     {at, mode, fired}                                                    `fired`: the process was seen to die of it
    rest     {number, at, tokens: [...], letters: [...]}

At a rest nobody resets, all mail has come to its end, every token that may still be alive has been tried (`login` with that
rest's number), and then `token list` and `mail status` are read. There is one after each restart: later resets would
otherwise heal what a crash broke before anybody looked.
"""

from __future__ import annotations

import collections
import datetime

TERMINAL = {"handed-over", "refused", "superseded", "too-old"}
LIVE = {"live", "active", "valid", "current"}


def seconds(instant: str) -> tuple[float, float]:
    """An RFC 3339 instant, and how much later it may really have been (a clock read-out is cut, not rounded)."""
    fraction = instant.partition(".")[2].rstrip("Zz")
    grain = 10.0 ** -len(fraction) if fraction else 1.0
    return datetime.datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp(), grain


def check(events: list[dict]) -> list[str]:
    """Every broken promise, in words; an empty list is a clean run."""
    by_kind: dict[str, list[dict]] = collections.defaultdict(list)
    for event in events:
        by_kind[event["kind"]].append(event)
    if not by_kind["rest"]:
        return ["the journal has no read-out at rest: nothing can be concluded"]
    users = sorted({event["user"] for event in by_kind["reset"]})
    complaints: list[str] = []
    for user in users:
        own = {kind: [event for event in by_kind[kind] if event["user"] == user] for kind in ("reset", "mail", "login")}
        complaints += no_retired_token_is_accepted(user, own["reset"], own["mail"], own["login"])
        complaints += nobody_rises_from_the_dead(user, own["login"])
        for rest in by_kind["rest"]:
            # What came after the rest is no concern of its read-out.
            resets = [reset for reset in own["reset"] if reset["invoked_at"] < rest["at"]]
            mails = [mail for mail in own["mail"] if mail["ended_at"] < rest["at"]]
            logins = [login for login in own["login"] if login["ended_at"] <= rest["at"]]
            complaints += [f"rest {rest['number']}: {complaint}" for complaint in (
                nothing_acknowledged_is_lost(user, resets, rest) + exactly_one_token_lives(user, resets, rest)
                + the_newest_letter_works(user, resets, mails, logins, rest)
                + one_letter_for_each_reset(user, resets, mails, rest))]
    complaints += check_duplicates(by_kind["mail"], by_kind["kill"])
    for rest in by_kind["rest"]:
        complaints += check_letters(rest)
    return complaints


def first_arrivals(mails: list[dict]) -> dict[str, dict]:
    """Each token's first hand-over."""
    first: dict[str, dict] = {}
    for mail in sorted(mails, key=lambda mail: mail["ended_at"]):
        first.setdefault(mail["token"], mail)
    return first


def acknowledged(resets: list[dict]) -> list[dict]:
    """The resets that were acknowledged, each invoked when its form was first sent: an earlier try without an answer may have
    done it, and the acknowledged one then only says so."""
    first: dict[str, float] = {}
    for reset in resets:
        first[reset["key"]] = min(reset["invoked_at"], first.get(reset["key"], reset["invoked_at"]))
    return [reset | {"invoked_at": first[reset["key"]]} for reset in resets if reset["outcome"] == "acked"]


def no_retired_token_is_accepted(user: str, resets: list[dict], mails: list[dict], logins: list[dict]) -> list[str]:
    """I2: a token that its owner had in hand before a reset was asked for is dead once that reset is acknowledged."""
    arrivals = first_arrivals(mails)
    complaints = []
    acked = acknowledged(resets)
    for login in logins:
        if login["outcome"] != "accepted":
            continue
        arrival = arrivals.get(login["token"])
        if arrival is None:
            complaints.append(f"{user}: a token that was never mailed was accepted at {login['invoked_at']:.3f}")
            continue
        killers = [reset for reset in acked
                   if arrival["ended_at"] < reset["invoked_at"] and reset["ended_at"] < login["invoked_at"]]
        if killers:
            complaints.append(
                f"{user}: a retired token ({login['token'][:6]}…) was accepted at {login['invoked_at']:.3f}, though the reset "
                f"{killers[0]['key']} was acknowledged at {killers[0]['ended_at']:.3f}")
    return complaints


def nobody_rises_from_the_dead(user: str, logins: list[dict]) -> list[str]:
    """I3: once refused, refused for ever; each token of the run was live before it was mailed, so a refusal means retired."""
    refused_at: dict[str, float] = {}
    complaints = []
    for login in sorted(logins, key=lambda login: login["ended_at"]):
        if login["outcome"] == "refused":
            refused_at.setdefault(login["token"], login["ended_at"])
        elif login["outcome"] == "accepted":
            since = refused_at.get(login["token"])
            if since is not None and since < login["invoked_at"]:
                complaints.append(f"{user}: the token {login['token'][:6]}… was refused at {since:.3f} and accepted again at "
                                  f"{login['invoked_at']:.3f}")
    return complaints


def nothing_acknowledged_is_lost(user: str, resets: list[dict], end: dict) -> list[str]:
    """I1: the live token is at least as young as the last acknowledged reset."""
    acked = acknowledged(resets)
    if not acked:
        return []
    last = max(acked, key=lambda reset: reset["invoked_at"])
    complaints = []
    for token in live_tokens(user, end):
        issued_at, grain = seconds(token["issued_at"])
        if issued_at + grain < last["invoked_at"]:
            complaints.append(f"{user}: the reset {last['key']}, asked for at {last['invoked_at']:.3f} and acknowledged, is lost: "
                              f"the live token is of {token['issued_at']}")
    return complaints


def live_tokens(user: str, end: dict) -> list[dict]:
    return [token for token in end["tokens"] if token["user"] == user and token["state"] in LIVE]


def exactly_one_token_lives(user: str, resets: list[dict], end: dict) -> list[str]:
    """I4: one live token per user and device type; none at all only if no reset was ever acknowledged."""
    count = collections.Counter(token["device_type"] for token in live_tokens(user, end))
    complaints = [f"{user}: {number} live tokens for device type {device_type}"
                  for device_type, number in count.items() if number != 1]
    if not count and any(reset["outcome"] == "acked" for reset in resets):
        complaints.append(f"{user}: no live token at all after an acknowledged reset")
    return complaints


def the_newest_letter_works(user: str, resets: list[dict], mails: list[dict], logins: list[dict], end: dict) -> list[str]:
    """At rest, of all tokens that were ever mailed exactly the newest one is let in."""
    if not any(reset["outcome"] == "acked" for reset in resets):
        return []
    arrivals = first_arrivals(mails)
    final: dict[str, str] = {}
    buried = set()
    for login in logins:
        if login.get("rest") == end["number"]:
            final[login["token"]] = login["outcome"]
        elif login["outcome"] == "refused":
            buried.add(login["token"])
    unknown = [token for token, outcome in final.items() if outcome == "unknown"]
    # What was refused once need not be tried again: that it stays dead is another rule's business.
    missing = [token for token in arrivals if token not in final and token not in buried]
    if unknown or missing:
        return [f"{user}: {len(unknown) + len(missing)} mailed tokens were not tried at rest: nothing can be concluded"]
    working = [token for token, outcome in final.items() if outcome == "accepted"]
    if len(working) != 1:
        return [f"{user}: {len(working)} of {len(arrivals)} mailed tokens work at rest, not exactly one"]
    good = arrivals.get(working[0])
    if good is None:
        return []
    complaints = []
    for token, arrival in arrivals.items():
        # A hand-over that began after another had ended is of a younger letter, or of a stale one that must not start.
        if token != working[0] and arrival["began_at"] > good["ended_at"]:
            complaints.append(f"{user}: the newest letter's token ({token[:6]}…, {arrival['began_at']:.3f}) does not work, an older one "
                              f"({working[0][:6]}…, {good['ended_at']:.3f}) does")
    last = max(acknowledged(resets), key=lambda reset: reset["invoked_at"])
    if good["ended_at"] < last["invoked_at"]:
        complaints.append(f"{user}: the token that works was mailed before the last acknowledged reset {last['key']} was asked for")
    return complaints


def one_letter_for_each_reset(user: str, resets: list[dict], mails: list[dict], end: dict) -> list[str]:
    """I5 and I12: each acknowledged reset owes one letter, a repeated form none; unknown ones may have made theirs."""
    keys: dict[str, set[str]] = collections.defaultdict(set)
    for reset in resets:
        keys[reset["key"]].add(reset["outcome"])
    acked = sum("acked" in outcomes for outcomes in keys.values())
    perhaps = sum("acked" not in outcomes and "unknown" in outcomes for outcomes in keys.values())
    letters = [letter for letter in end["letters"] if letter["user"] == user]
    complaints = []
    if len(letters) < acked:
        complaints.append(f"{user}: {acked} acknowledged resets but {len(letters)} letters")
    if len(letters) > acked + perhaps:
        complaints.append(f"{user}: {len(letters)} letters, but only {acked} acknowledged and {perhaps} unknown resets")
    mailed = len({mail["token"] for mail in mails})
    if mailed > acked + perhaps:
        complaints.append(f"{user}: {mailed} different tokens were mailed, but only {acked} acknowledged and {perhaps} unknown resets")
    handed_over = sum(letter["state"] == "handed-over" for letter in letters)
    if handed_over > mailed:
        complaints.append(f"{user}: {handed_over} letters are called handed over, but {mailed} came")
    return complaints


def check_letters(end: dict) -> list[str]:
    """I9: every letter comes to one of its four ends."""
    return [f"the letter {letter['id']} to {letter['to']} ended as {letter['state']!r}"
            for letter in end["letters"] if letter["state"] not in TERMINAL]


def check_duplicates(mails: list[dict], kills: list[dict]) -> list[str]:
    """I10: a letter comes twice only after a crash, with the same Message-ID and the same token."""
    complaints = []
    tokens_of: dict[str, set[str]] = collections.defaultdict(set)
    ids_of: dict[str, set[str]] = collections.defaultdict(set)
    for mail in mails:
        tokens_of[mail["message_id"]].add(mail["token"])
        ids_of[mail["token"]].add(mail["message_id"])
    complaints += [f"the Message-ID {key} came with {len(tokens)} different tokens"
                   for key, tokens in tokens_of.items() if len(tokens) > 1]
    complaints += [f"the token {key[:6]}… came under {len(ids)} Message-IDs" for key, ids in ids_of.items() if len(ids) > 1]
    for token in ids_of:
        came = sorted(mail["ended_at"] for mail in mails if mail["token"] == token)
        crashes = sum(1 for kill in kills if kill["fired"] and came[0] - 1 <= kill["at"] <= came[-1])
        if len(came) > 1 + crashes:
            complaints.append(f"the token {token[:6]}… came {len(came)} times with {crashes} crashes between")
    return complaints


# Forged journals: the checker must complain about each of these, and about nothing in the honest one.

def honest_journal() -> list[dict]:
    at = datetime.datetime.fromtimestamp
    utc = datetime.timezone.utc

    def mail(token: str, began: float, message_id: str | None = None) -> dict:
        return {"kind": "mail", "user": "ada", "token": token, "message_id": message_id or f"<{token}@x>", "began_at": began,
                "ended_at": began + 0.1}

    def login(token: str, invoked: float, outcome: str, rest: int | None = None) -> dict:
        return {"kind": "login", "user": "ada", "token": token, "invoked_at": invoked, "ended_at": invoked + 0.1,
                "outcome": outcome, "rest": rest}

    return [
        {"kind": "reset", "user": "ada", "key": "k1", "invoked_at": 10.0, "ended_at": 10.2, "outcome": "acked"},
        mail("t1", 10.3),
        login("t1", 11.0, "accepted"),
        {"kind": "reset", "user": "ada", "key": "k2", "invoked_at": 20.0, "ended_at": 20.2, "outcome": "acked"},
        login("t1", 20.5, "refused"),
        mail("t2", 20.4),
        {"kind": "kill", "at": 25.0, "mode": "random", "fired": True},
        mail("t2", 26.0),
        login("t2", 27.0, "accepted", rest=0),
        {"kind": "rest", "number": 0, "at": 28.0,
         "tokens": [{"user": "ada", "device_type": "any", "state": "retired", "issued_at": at(10.1, utc).isoformat()},
                    {"user": "ada", "device_type": "any", "state": "live", "issued_at": at(20.1, utc).isoformat()}],
         "letters": [{"id": str(number), "user": "ada", "to": "a@x", "state": "handed-over"} for number in range(2)]},
        {"kind": "reset", "user": "ada", "key": "k3", "invoked_at": 30.0, "ended_at": 31.0, "outcome": "unknown"},
        {"kind": "kill", "at": 30.9, "mode": "random", "fired": True},
        mail("t3", 33.0),
        login("t1", 40.0, "refused", rest=1),
        login("t2", 40.2, "refused", rest=1),
        login("t3", 40.4, "accepted", rest=1),
        # The form whose answer the kill took is sent again, and told of the reset that it made.
        {"kind": "reset", "user": "ada", "key": "k3", "invoked_at": 40.6, "ended_at": 40.7, "outcome": "acked"},
        login("t3", 40.8, "accepted"),
        {"kind": "rest", "number": 1, "at": 41.0,
         "tokens": [{"user": "ada", "device_type": "any", "state": "retired", "issued_at": at(20.1, utc).isoformat()},
                    {"user": "ada", "device_type": "any", "state": "live", "issued_at": at(30.8, utc).isoformat()}],
         "letters": [{"id": str(number), "user": "ada", "to": "a@x", "state": "handed-over"} for number in range(3)]},
    ]


def forgeries() -> dict[str, tuple[list[dict], str]]:
    """By name: a journal with one broken promise, and a piece of the complaint that it must draw."""
    made: dict[str, tuple[list[dict], str]] = {}

    def forge(name: str, expected: str, change) -> None:
        journal = honest_journal()
        changed = change(journal)
        made[name] = (changed if isinstance(changed, list) else journal, expected)

    def find(journal, kind, **wanted):
        return next(event for event in journal
                    if event["kind"] == kind and all(event.get(name) == value for name, value in wanted.items()))

    def end(journal):
        return find(journal, "rest", number=1)

    forge("retired token accepted", "retired token",
          lambda journal: journal.insert(5, {"kind": "login", "user": "ada", "token": "t1", "invoked_at": 21.0, "ended_at": 21.1,
                                             "outcome": "accepted"}))
    forge("token risen from the dead", "accepted again",
          lambda journal: journal.insert(5, {"kind": "login", "user": "ada", "token": "t1", "invoked_at": 22.0, "ended_at": 22.1,
                                             "outcome": "accepted"}))
    forge("token never mailed accepted", "never mailed",
          lambda journal: journal.append({"kind": "login", "user": "ada", "token": "t9", "invoked_at": 22.0, "ended_at": 22.1,
                                          "outcome": "accepted"}))
    forge("acknowledged reset lost", "is lost",
          lambda journal: end(journal)["tokens"].__setitem__(1, end(journal)["tokens"][1] | {
              "issued_at": "1970-01-01T00:00:10.100Z"}))
    forge("two live tokens", "2 live tokens",
          lambda journal: end(journal)["tokens"][0].update(state="live"))
    forge("no live token", "no live token",
          lambda journal: end(journal)["tokens"][1].update(state="retired"))
    forge("retire without issue", "no live token", lambda journal: end(journal)["tokens"].pop())
    forge("letter still waiting", "ended as 'waiting'",
          lambda journal: end(journal)["letters"][2].update(state="waiting"))
    forge("letter missing", "letters", lambda journal: end(journal).update(letters=end(journal)["letters"][:1]))
    forge("form sent twice reset twice", "different tokens",
          lambda journal: journal.append({"kind": "mail", "user": "ada", "token": "t4", "message_id": "<t4@x>", "began_at": 9.0,
                                          "ended_at": 9.1}))
    forge("letter called handed over that never came", "called handed over",
          lambda journal: [event for event in journal if event.get("token") != "t1"])
    forge("mail before commit", "newest letter's token",
          lambda journal: [event | {"outcome": {"t2": "accepted", "t3": "refused"}.get(event["token"], event["outcome"])}
                           if event["kind"] == "login" and event.get("rest") else event for event in journal])
    forge("nothing works at rest", "0 of 3",
          lambda journal: find(journal, "login", token="t3", rest=1).update(outcome="refused"))
    forge("two tokens work at rest", "2 of 3",
          lambda journal: find(journal, "login", token="t2", rest=1).update(outcome="accepted"))
    forge("a token left untried at rest", "not tried",
          lambda journal: [event for event in journal if event.get("outcome") != "refused" or event.get("token") != "t2"])
    forge("the working token is older than the last acknowledged reset", "mailed before the last",
          lambda journal: find(journal, "reset", key="k3").update(outcome="acked", invoked_at=35.0, ended_at=35.5))
    forge("the same Message-ID with another token", "different tokens",
          lambda journal: find(journal, "mail", token="t3").update(message_id="<t2@x>"))
    forge("the same token under another Message-ID", "under 2 Message-IDs",
          lambda journal: [event for event in journal if event["kind"] == "mail" and event["token"] == "t2"][1].update(
              message_id="<again@x>"))
    forge("a duplicate without a crash", "came 2 times with 0 crashes",
          lambda journal: journal.remove(find(journal, "kill", at=25.0)))
    forge("a duplicate with a fault that did not fire", "came 2 times with 0 crashes",
          lambda journal: find(journal, "kill", at=25.0).update(fired=False))
    forge("no read-out at rest", "nothing can be concluded",
          lambda journal: [event for event in journal if event["kind"] != "rest"])
    forge("broken after a crash and healed by a later reset", "rest 0: ada: no live token",
          lambda journal: find(journal, "rest", number=0)["tokens"].pop())
    forge("a token mailed and never live, healed by a later reset", "rest 0: ada: the newest letter's token",
          lambda journal: journal.extend([
              {"kind": "mail", "user": "ada", "token": "t5", "message_id": "<t5@x>", "began_at": 26.3, "ended_at": 26.4},
              {"kind": "login", "user": "ada", "token": "t5", "invoked_at": 26.5, "ended_at": 26.6, "outcome": "refused",
               "rest": 0}]))
    return made


def self_test() -> list[str]:
    """What is wrong with the checker itself."""
    faults = [f"the honest journal draws: {complaint}" for complaint in check(honest_journal())]
    for name, (journal, expected) in forgeries().items():
        complaints = check(journal)
        if not any(expected in complaint for complaint in complaints):
            faults.append(f"the forgery {name!r} should draw {expected!r}, but drew {complaints}")
    return faults
