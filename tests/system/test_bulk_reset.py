"""The reset of a whole profile by the binary: every user one new token and one letter, whoever interrupts it."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from crowd import copies_of, end_leases
from engines import on_both_engines
from gate import Gate
from house import House, Ran, User, binary, clean_environment, wait_until

# Users of one step, and so many that the reset takes three.
IN_STEP = 50
MANY = 120


@pytest.fixture
def users(house: House) -> list[User]:
    """More than two steps' worth of users, each with a token."""
    return house_of(house, MANY)


def house_of(house: House, many: int) -> list[User]:
    first = house.user_with_token()
    house.wait_until_mail_rests()
    house.stop()
    others = copies_of(house, first, many)
    house.start()
    return [first, *others]


def token_mails(house: House) -> Counter[str]:
    """How many mails with a token each address has, copies of one letter counted once."""
    letters = {(mail.message_id, mail.token, mail.to[0]) for mail in list(house.sink.mails) if mail.token is not None}
    return Counter(to for _, _, to in letters)


def assert_each_reset_once(house: House, users: list[User]) -> None:
    wait_until(lambda: len(house.sink.mails) > len(users), within=120,
               what=lambda: f"{len(users) + 1} mails; there are {len(house.sink.mails)}")
    house.wait_until_mail_rests(within=120)
    # The first user has got another before, from the form.
    assert token_mails(house) == Counter(user.email for user in [users[0], *users])
    tokens = house.cli("token", "list")
    assert Counter(token["user"] for token in tokens) == {user.username: 2 for user in users}
    assert {user: 1 for user in Counter(t["user"] for t in tokens)} == Counter(
        token["user"] for token in tokens if token["state"] == "live")
    for user in (users[0], users[1], users[-1]):
        user.token = house.sink.tokens_for(user.email)[-1]
        assert house.accepts(user)
    house.do("audit", "verify")


def begin(data_dir: Path) -> subprocess.Popen:
    return subprocess.Popen([binary(), "token", "reset", "--profile", "Standard", "--data-dir", str(data_dir)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            cwd=data_dir, env=clean_environment(), text=True)


def interrupted_in_the_middle(house: House) -> tuple[Ran, dict]:
    """Begins a reset of the profile and presses Ctrl-C after the first step; answers how it ended, and the row."""
    with Gate(house, lets_through=2) as gate:
        client = begin(gate.directory)
        gate.wait_until_one_is_held()
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=60)
    return Ran(client.returncode, out, err), house.cli("token", "bulk-resets")[0]


@on_both_engines
def test_everybody_of_a_profile_gets_one_token_and_one_letter(house: House, users: list[User]):
    forecast = house.cli("token", "reset", "--profile", "Standard", "--dry-run")
    assert house.cli("token", "bulk-resets") == []

    done = house.run("token", "reset", "--profile", "Standard", "--reason", "drill")

    assert (forecast["users"], forecast["tokens"]) == (len(users), len(users))
    assert done.code == 0
    assert done.out == f"Done: {len(users)} reset, 0 passed over. The new tokens are mailed.\n"
    assert done.err == "", "a progress bar where nobody looks at a terminal"
    assert not house.accepts(users[0])
    assert_each_reset_once(house, users)


@on_both_engines
def test_what_ctrl_c_broke_off_is_resumed_and_nobody_is_reset_twice(house: House):
    users = house_of(house, MANY)

    ended, stands = interrupted_in_the_middle(house)

    assert ended.code == 1 and ended.out == ""
    assert f"token reset --resume {stands['id']}" in ended.err and "\r" not in ended.err
    assert len(ended.err.splitlines()) == 1, "one line of reason"
    assert (stands["state"], stands["done"]) == ("running", IN_STEP)
    house.kill()
    end_leases(house)
    house.start()
    done = house.cli("token", "reset", "--resume", stands["id"])
    again = house.cli("token", "reset", "--resume", stands["id"])
    assert done["state"] == again["state"] == "done"
    assert done["done"] == again["done"] == len(users)
    assert_each_reset_once(house, users)


def test_a_server_that_is_killed_in_the_middle_leaves_a_reset_that_can_be_resumed(house: House):
    users = house_of(house, MANY)
    with Gate(house, lets_through=2) as gate:
        client = begin(gate.directory)
        gate.wait_until_one_is_held()

        house.kill()
        gate.let_go()

        _, err = client.communicate(timeout=60)
    assert client.returncode not in (0, None)
    house.start()
    stands = house.cli("token", "bulk-resets")[0]
    assert (stands["state"], stands["done"]) == ("running", IN_STEP)
    assert stands["id"] in err
    assert house.cli("token", "reset", "--resume", stands["id"])["done"] == len(users)
    assert_each_reset_once(house, users)


@on_both_engines
def test_a_cancelled_reset_stays_where_it_stood(house: House):
    users = house_of(house, MANY)
    _, stands = interrupted_in_the_middle(house)

    cancelled = house.cli("token", "reset", "--cancel", stands["id"])

    done = cancelled["done"]
    assert (cancelled["state"], done) == ("cancelled", stands["done"]) and done < len(users)
    assert house.run("token", "reset", "--resume", stands["id"]).code == 4
    retired = {token["user"] for token in house.cli("token", "list") if token["state"] != "live"}
    assert len(retired) == done
    wait_until(lambda: len(house.sink.mails) > done, what="the mails")
    house.wait_until_mail_rests(within=60)
    assert sum(token_mails(house).values()) == done + 1
    assert max((token_mails(house) - Counter([users[0].email])).values()) == 1


def test_frozen_users_are_passed_over_and_counted(house: House, users: list[User]):
    house.do("user", "freeze", users[3].username)

    done = house.cli("token", "reset", "--profile", "Standard")

    assert (done["done"], done["passed_over"]) == (len(users) - 1, 1)
    house.wait_until_mail_rests(within=60)
    assert users[3].email not in token_mails(house)


@pytest.mark.parametrize("words, code", [
    (["--profile", "Nobody's"], 5), (["--resume", "0Tnone"], 5), (["--cancel", "0Tnone"], 5), ([], 2),
    (["ada@example.com", "--profile", "Standard"], 2),
])
def test_what_cannot_be_reset_ends_with_its_code(house: House, words: list[str], code: int):
    assert house.run("token", "reset", *words).code == code
