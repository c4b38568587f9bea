"""Rotation by the binary: a new token beside the old one, until the new one is first used or a deadline."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from engines import on_both_engines
from house import House, User
from test_fault_points import clock_off_by

DAY = timedelta(days=1)


@pytest.fixture
def rotated(house: House) -> User:
    """A user whose device type allows rotation, with a live token."""
    house.do("device-type", "set", "any", "--overlap", "allowed")
    return house.user_with_token()


def rotate(house: House, user: User, *words: str) -> str:
    """Begins a rotation; answers the new token, once it is mailed. `user` keeps the old one."""
    before = len(house.sink.tokens_for(user.email))
    house.cli("token", "rotate", user.username, *words)
    return house.sink.wait_for_token(user.email, after=before)


def lives(house: House, user: User, token: str) -> bool:
    return house.soap_login(user.username, user.password + token).status == 200


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def expiry_told(answer) -> datetime:
    return instant(answer.headers["X-Symbolon-Expires-At"])


@on_both_engines
def test_both_tokens_work_until_the_new_one_is_first_used(house: House, rotated: User):
    new = rotate(house, rotated)
    assert lives(house, rotated, rotated.token) and lives(house, rotated, rotated.token)

    first_use = house.oauth_login(rotated.username, rotated.password + new)

    assert first_use.status == 200
    assert not lives(house, rotated, rotated.token), "the old token outlived the first use of the new one"
    assert lives(house, rotated, new)
    assert len(house.live_tokens(rotated)) == 1
    house.do("audit", "verify")


@on_both_engines
def test_a_cancelled_rotation_leaves_the_old_token_alone(house: House, rotated: User):
    new = rotate(house, rotated)

    house.do("token", "rotate", rotated.username, "--cancel")

    assert not lives(house, rotated, new)
    assert lives(house, rotated, rotated.token)
    assert len(house.live_tokens(rotated)) == 1
    assert house.run("token", "rotate", rotated.username, "--cancel").code != 0, "cancelled twice"
    assert lives(house, rotated, rotated.token)


@on_both_engines
def test_a_request_that_is_sent_again_rotates_once(house: House, rotated: User):
    first = house.cli("token", "rotate", rotated.username, "--request-key", "night-job-7")
    new = house.sink.wait_for_token(rotated.email, after=1)
    again = house.cli("token", "rotate", rotated.username, "--request-key", "night-job-7")

    assert (first["fresh"], again["fresh"]) == (True, False)
    for told in ("token", "outgoing", "outgoing_until"):
        assert first[told] == again[told], told
    assert lives(house, rotated, rotated.token) and lives(house, rotated, new)
    after = house.cli("token", "rotate", rotated.username, "--request-key", "night-job-7")
    assert not after["fresh"] and after["token"] == first["token"]
    house.wait_until_mail_rests()
    assert len(house.sink.tokens_for(rotated.email)) == 2, "a letter for each time that it was sent"


def test_no_second_rotation_begins_beside_one_that_is_under_way(house: House, rotated: User):
    new = rotate(house, rotated)

    refused = house.run("token", "rotate", rotated.username)

    assert refused.code == 4 and "under way" in refused.err
    assert lives(house, rotated, rotated.token) and lives(house, rotated, new)


def test_without_leave_of_the_device_type_nothing_rotates(house: House):
    user = house.user_with_token()
    house.do("device-type", "set", "any", "--overlap", "forbidden")

    refused = house.run("token", "rotate", user.username)

    assert refused.code == 4 and "do not overlap" in refused.err
    assert len(house.tokens(user)) == 1 and house.accepts(user)


@on_both_engines
def test_the_deadline_ends_the_old_token_and_a_clock_set_back_does_not_revive_it(house: House, rotated: User):
    new = rotate(house, rotated, "--overlap", "2h")

    for shift, old_lives in [("+1h", True), ("+3h", False), (None, False)]:
        house.stop()
        house.environment = clock_off_by(shift) if shift else {}
        house.start()
        assert lives(house, rotated, rotated.token) == old_lives, shift

    assert lives(house, rotated, new)
    assert len(house.live_tokens(rotated)) == 1


@pytest.mark.parametrize("overlap", ["59s", "8d", "soon", ""])
def test_an_overlap_out_of_bounds_is_refused(house: House, rotated: User, overlap: str):
    assert house.run("token", "rotate", rotated.username, "--overlap", overlap).code != 0

    assert len(house.tokens(rotated)) == 1


@on_both_engines
def test_a_login_tells_when_its_token_ends_and_a_rotation_moves_that(house: House, rotated: User):
    year = datetime.now(timezone.utc) + 365 * DAY
    for answer in (house.soap_login(rotated.username, rotated.secret),
                   house.soap_login(rotated.username, rotated.secret, head="c"),
                   house.oauth_login(rotated.username, rotated.secret)):
        assert answer.status == 200
        assert abs(expiry_told(answer) - year) < DAY

    begun = house.cli("token", "rotate", rotated.username, "--overlap", "5h")
    new = house.sink.wait_for_token(rotated.email, after=1)
    outgoing = expiry_told(house.soap_login(rotated.username, rotated.secret))
    fresh = expiry_told(house.soap_login(rotated.username, rotated.password + new))

    assert abs(outgoing - instant(begun["outgoing_until"])) < timedelta(seconds=1)
    assert abs(fresh - year) < DAY


def test_no_answer_to_a_failed_login_tells_of_an_expiry(house: House, rotated: User):
    for answer in (house.soap_login(rotated.username, rotated.password),
                   house.oauth_login(rotated.username, "wrong" + rotated.token)):
        assert answer.status != 200
        assert answer.headers["X-Symbolon-Expires-At"] is None


def test_a_rotation_survives_a_kill_at_once_after_it_was_begun(house: House, rotated: User):
    house.cli("token", "rotate", rotated.username)
    house.kill()
    house.start()

    new = house.sink.wait_for_token(rotated.email, after=1, within=60)

    assert lives(house, rotated, rotated.token) and lives(house, rotated, new)
    assert not lives(house, rotated, rotated.token)
