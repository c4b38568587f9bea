"""Why a login is refused: told beforehand on the command line, and afterwards on the page that the history leads to."""

from __future__ import annotations

import re

from house import House

MEMBERS = {"rule", "input", "verdict", "remedy"}


def with_token(house: House):
    user = house.add_user()
    house.do("token", "reset", user.username)
    return user


def test_a_login_that_would_be_let_in_is_explained_with_code_0(house: House):
    user = with_token(house)

    steps = house.cli("login", "explain", user.username, "--from", "192.0.2.7")

    assert [step["rule"] for step in steps][:3] == ["failures from the address", "user exists", "user is active"]
    assert all(set(step) == MEMBERS for step in steps)
    assert {step["verdict"] for step in steps} <= {"passed", "not-asked"}
    assert all(step["remedy"] is None for step in steps)


def test_what_would_be_asked_for_more_is_no_refusal(house: House):
    user = house.add_user()

    steps = house.cli("login", "explain", user.username, "--from", "192.0.2.7", "--head", "web")

    demanded = [step for step in steps if step["verdict"] == "demanded"]
    assert [step["rule"] for step in demanded] == ["known place"]
    assert demanded[0]["remedy"]


def test_a_login_that_would_be_refused_is_explained_with_code_3(house: House):
    user = with_token(house)
    house.do("user", "freeze", user.username)
    before = house.history(user)

    ran = house.run("login", "explain", user.username, "--from", "2001:db8::7")
    steps = house.cli("login", "explain", user.username, "--from", "192.0.2.7", code=3)

    assert ran.code == 3
    assert "What would have to change:\n- user is active: An administrator unfreezes the user." in ran.out
    assert "the login is refused by: user is active" in ran.err
    refused = [step for step in steps if step["verdict"] == "refused"]
    assert refused[0]["input"].startswith("frozen since ")
    assert house.history(user) == before


def test_nobody_is_not_found_and_nonsense_is_wrong_usage(house: House):
    user = house.add_user()

    assert house.run("login", "explain", "nobody@example.com", "--from", "192.0.2.7").code == 5
    for wrong in (["--from", "here"], ["--from", "192.0.2.7", "--head", "ftp"], ["--from", "192.0.2.7", "--at", "soon"], []):
        assert house.run("login", "explain", user.username, *wrong).code == 2, wrong


def test_a_token_that_will_have_expired_is_told_beforehand(house: House):
    user = with_token(house)

    steps = house.cli("login", "explain", user.username, "--from", "192.0.2.7", "--at", "2100-01-01T00:00:00Z", code=3)

    refused = [step for step in steps if step["verdict"] == "refused"]
    assert [step["remedy"] for step in refused] == ["Reset the security token."]


def test_the_history_of_the_owner_leads_to_the_steps_of_each_refusal(house: House):
    user = with_token(house)
    browser = house.logged_in(user)
    fault = house.soap_login(user.username, "wrong password").fault_message
    reference = re.search(r"\(([^)]+)\)", fault).group(1)

    listed = browser.go("/setup/login-history").text
    page = browser.go(f"/setup/login-history/{reference}").text

    assert f"Explain the refusal {reference}" in listed
    assert "wrong password" in page
    assert "trusted network or security token" in page
