"""Profiles by the command line: what `profile set` says holds for the next login, and `login explain` tells it beforehand."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from engines import on_both_engines
from house import House

MONDAY_NOON = "2026-11-23T12:00:00Z"
SUNDAY_NOON = "2026-11-22T12:00:00Z"


def refusing(steps: list[dict]) -> list[str]:
    return [step["rule"] for step in steps if step["verdict"] == "refused"]


def other_days() -> str:
    """Windows of two days that are neither today nor next to it."""
    today = datetime.now(timezone.utc)
    return "; ".join(f"{(today + timedelta(days=off)).strftime('%a').lower()} 08:00-18:00" for off in (3, 4))


@on_both_engines
def test_login_hours_are_explained_in_the_profiles_time_zone(house: House):
    user = house.user_with_token()
    house.do("profile", "set", "Standard", "--login-hours", "mon-fri 08:00-18:00", "--time-zone", "Asia/Tokyo")

    def explain(at: str, code: int) -> list[dict]:
        return house.cli("login", "explain", user.username, "--from", "127.0.0.1", "--at", at, code=code)

    assert refusing(explain("2026-11-23T02:00:00Z", 0)) == []
    for at in (MONDAY_NOON, SUNDAY_NOON):
        steps = explain(at, 3)
        assert refusing(steps) == ["login hours"]
        assert next(step for step in steps if step["rule"] == "login hours")["remedy"]


def test_a_login_outside_the_hours_is_refused_and_its_page_names_the_rule(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)
    house.do("profile", "set", "Standard", "--login-hours", other_days(), "--time-zone", "UTC")

    refused = house.soap_login(user.username, user.secret)
    page = browser.go(f"/setup/login-history/{refused.correlation_id}")

    assert refused.fault_code == "INVALID_LOGIN"
    assert re.search(r"login hours [^.]* refuses", page.text), page.text[:1500]


@on_both_engines
def test_login_ranges_refuse_from_outside_and_ask_no_token_inside(house: House):
    user = house.user_with_token()
    house.do("profile", "add", "Office", "--login-ranges", "127.0.0.1/32, 2001:db8::/32")
    house.do("user", "set-profile", user.username, "Office")

    outside = house.cli("login", "explain", user.username, "--from", "192.0.2.7", code=3)
    inside = house.cli("login", "explain", user.username, "--from", "2001:db8::7")

    assert refusing(outside) == ["login IP ranges"]
    assert refusing(inside) == []
    assert house.soap_login(user.username, user.password).session_id
    assert house.soap_login(user.username, user.secret, source="127.0.0.2").fault_code == "INVALID_LOGIN"


def test_the_stricter_of_two_profiles_holds(house: House):
    user = house.user_with_token()
    house.do("profile", "set", "Standard", "--login-ranges", "127.0.0.0/8")
    house.do("profile", "set", "Organization", "--login-ranges", "127.0.0.1/32, 192.0.2.0/24")

    def refused_from(source: str, code: int) -> list[str]:
        return refusing(house.cli("login", "explain", user.username, "--from", source, code=code))

    assert refused_from("127.0.0.1", 0) == []
    assert refused_from("127.0.0.2", 3) == ["login IP ranges"]
    assert refused_from("192.0.2.7", 3) == ["login IP ranges"]


def test_nonsense_is_refused_and_changes_nothing(house: House):
    before = house.cli("profile", "list")

    for wrong in (["--login-hours", "noon"], ["--time-zone", "Mars/Olympus"], ["--login-ranges", "everywhere"],
                  ["--lockout-failures", "0"], ["--duty", "sometimes"], ["--password-min-length", "3"]):
        assert house.run("profile", "set", "Standard", *wrong).code != 0, wrong
    assert house.run("profile", "set", "Nobody's", "--duty", "web").code == 5

    assert house.cli("profile", "list") == before
