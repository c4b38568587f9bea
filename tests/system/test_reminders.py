"""Reminders of tokens that expire, over kills, clocks that step and days on which no server ran: none lost, none doubled."""

from __future__ import annotations

import random
import time
from collections import Counter

from crowd import copies_of, count, end_leases
from engines import on_both_engines
from house import House, User, wait_until
from test_fault_points import clock_off_by

KIND = "token-reminder"
# Tokens that a sweep writes of in one transaction.
PAGE = 500


def start_after(house: House, shift: str | None, *, ready: bool = True) -> None:
    """Starts a house that stands still, with its clock off by so much."""
    house.environment = clock_off_by(shift) if shift else {}
    house.start(ready=ready)


def reminders(house: House) -> list[dict]:
    return [letter for letter in house.letters() if letter["kind"] == KIND]


def reminded(house: House, users: list[User]) -> Counter[str]:
    """How many letters came to each of these, copies of one letter counted once; letters with tokens are none."""
    addresses = {user.email for user in users}
    letters = {(mail.message_id, mail.to[0]) for mail in list(house.sink.mails)
               if mail.token is None and mail.to[0] in addresses and "expire" in mail.subject.lower()}
    return Counter(to for _, to in letters)


@on_both_engines
def test_a_sweep_that_is_killed_again_and_again_loses_no_reminder_and_doubles_none(house: House):
    first = house.user_with_token()
    house.wait_until_mail_rests()
    house.stop()
    users = [first, *copies_of(house, first, 100)]
    chance = random.Random(20)

    kills = 0
    for _ in range(6):
        start_after(house, "+358d", ready=False)
        time.sleep(chance.uniform(0.05, 0.6))
        house.kill()
        kills += 1
    end_leases(house)
    start_after(house, "+358d")
    wait_until(lambda: len(reminded(house, users)) == len(users), within=60,
               what=lambda: f"a reminder to each; {len(reminded(house, users))} came")
    house.wait_until_mail_rests(within=60)

    assert kills == 6
    assert reminded(house, users) == Counter(user.email for user in users)
    house.restart()
    assert reminded(house, users) == Counter(user.email for user in users), "reminded again after a start"
    house.do("audit", "verify")


@on_both_engines
def test_a_sweep_of_several_pages_that_is_killed_between_them_goes_on_where_it_was(house: House):
    first = house.user_with_token()
    house.wait_until_mail_rests()
    house.stop()
    users = [first, *copies_of(house, first, 1700)]
    noted = "reminder WHERE days = 7"

    for page in (1, 2, 3):
        start_after(house, "+358d", ready=False)
        wait_until(lambda: count(house, noted) >= page * PAGE, pause=0.001, what=f"page {page} of the sweep")
        house.kill()
        written = count(house, noted)
        assert page * PAGE <= written < len(users), "it was not killed in the middle"
        assert count(house, f"letter WHERE kind = '{KIND}'") == written, "a note without its letter, or the reverse"
    end_leases(house)
    start_after(house, "+358d")
    ended = f"letter WHERE kind = '{KIND}' AND ended_at IS NOT NULL"
    wait_until(lambda: count(house, ended) == len(users), within=180,
               what=lambda: f"the end of {len(users)} letters; {count(house, ended)} have come to it")

    assert reminded(house, users) == Counter(user.email for user in users)
    assert count(house, f"letter WHERE kind = '{KIND}'") == len(users)
    house.do("audit", "verify")


@on_both_engines
def test_a_server_that_was_down_on_the_day_reminds_after_it_and_a_clock_set_back_reminds_of_nothing_twice(house: House):
    user = house.user_with_token()
    house.wait_until_mail_rests()

    # On day 335 the first reminder was due, 30 days before the end; nobody was there.
    for shift, expected in [("+334d", 0), ("+340d", 1), ("+336d", 1), (None, 1), ("+341d", 1), ("+359d", 2),
                            ("+364d12h", 3)]:
        house.stop()
        start_after(house, days_of(shift))
        wait_until(lambda: len(reminders(house)) >= expected, what=lambda: f"{expected} reminders at {shift}")
        house.wait_until_mail_rests(within=60)
        assert len(reminders(house)) == expected, shift
        assert reminded(house, [user])[user.email] == expected, shift


def days_of(shift: str | None) -> str | None:
    """In the one unit that the false clock takes at a time."""
    if shift is None or not shift.endswith("h"):
        return shift
    days, hours = shift[1:-1].split("d")
    return f"+{int(days) * 24 + int(hours)}h"


def test_who_reset_in_time_is_not_reminded_of_the_old_token(house: House):
    user = house.user_with_token()
    house.wait_until_mail_rests()
    house.stop()
    start_after(house, "+330d")
    house.reset(user)
    house.wait_until_mail_rests()
    house.stop()

    start_after(house, "+364d")
    other = house.add_user()
    house.wait_until_mail_rests(within=60)

    assert other and reminders(house) == []
    assert reminded(house, [user]) == Counter()
