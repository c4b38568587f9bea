"""Second factors with an independent generator of codes: enrolled, asked for, taken once, and kept when keys rotate."""

from __future__ import annotations

import pytest
from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from authenticator import Authenticator, enrol, password_given
from engines import on_both_engines
from house import CONFIRM, House, User
from pages import Browser


def verify(browser: Browser, code: str):
    return browser.fill_and_press({"Verification Code": code}, "Verify")


def enrolled(house: House, user: User) -> tuple[Authenticator, list[str]]:
    return enrol(house.logged_in(user))


@on_both_engines
def test_a_code_lets_a_fresh_browser_in_and_the_same_code_no_other(house: House):
    user = house.add_user()
    app, _ = enrolled(house, user)
    mailed = len(house.sink.codes_for(user.email))
    code = app.code()

    first, second = password_given(house, user), password_given(house, user)
    asked = first.page
    wrong = verify(first, app.wrong_code())
    inside = verify(first, code)
    replayed = verify(second, code)

    assert asked.path == "/login/challenge"
    assert "Verify Your Identity" in asked.headings
    assert len(house.sink.codes_for(user.email)) == mailed, "whoever has a second factor is not offered mail"
    assert (wrong.status, wrong.path) == (401, "/login/challenge")
    assert (inside.status, inside.path) == (200, "/setup")
    assert (replayed.status, replayed.path) == (401, "/login/challenge")
    assert verify(second, app.code()).path == "/setup"
    assert house.wait_for_history(user, lambda row: row["reason"] == "password and authenticator")


@on_both_engines
def test_a_recovery_code_lets_in_once_and_its_owner_is_told(house: House):
    user = house.add_user()
    _, recovery_codes = enrolled(house, user)

    first, second = password_given(house, user), password_given(house, user)
    inside = verify(first, recovery_codes[0])
    again = verify(second, recovery_codes[0])

    assert len(set(recovery_codes)) == 10
    assert inside.path == "/setup"
    assert (again.status, again.path) == (401, "/login/challenge")
    assert verify(second, recovery_codes[1]).path == "/setup"
    assert "8 recovery codes left" in second.go("/setup/second-factors").text
    assert house.sink.wait_for(user.email, "recovery code", after=1)


def test_the_code_of_another_user_opens_nothing(house: House):
    ada, eve = house.add_user(), house.add_user()
    enrolled(house, ada)
    hers, _ = enrolled(house, eve)

    refused = verify(password_given(house, ada), hers.code())

    assert (refused.status, refused.path) == (401, "/login/challenge")


def test_under_the_duty_a_known_browser_is_asked_again_and_a_token_does_not_do(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)
    app, _ = enrol(browser)
    house.do("profile", "set", "Standard", "--duty", "web")
    browser.submit(browser.page.form("Log Out"), "Log Out")

    browser.go("/login")
    asked = browser.fill_and_press({"Username": user.username, "Password": user.password}, "Log In")

    assert asked.path == "/login/challenge"
    token = asked.form("Verify").field_by_label("Security Token")
    assert "disabled" in token.attributes, "the field stays in sight"
    assert "a security token is none" in asked.text
    assert verify(browser, app.code()).path == "/setup"


@pytest.mark.house(tls=True)
@on_both_engines
def test_simple_salesforce_logs_in_with_the_code_in_the_place_of_the_token(house: House, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(house.authority))
    domain = f"127.0.0.1:{house.tls_port}/login"
    user = house.user_with_token()
    app, _ = enrolled(house, user)
    house.do("profile", "set", "Standard", "--duty", "web-and-api")
    code = app.code()

    def log_in(security_token: str) -> Salesforce:
        return Salesforce(username=user.username, password=user.password, security_token=security_token, domain=domain)

    client = log_in(code)

    assert house.session_works(client.session_id)
    row = house.wait_for_history(user, lambda row: row["reason"] == "password and authenticator code")
    assert "simple-salesforce" in row["client"].lower()
    for stale in (user.token, code, ""):
        with pytest.raises(SalesforceAuthenticationFailed) as refused:
            log_in(stale)
        assert refused.value.code == "INVALID_LOGIN"


@pytest.mark.house(tls=True)
def test_simple_salesforce_logs_in_by_oauth_with_the_code_behind_the_password(house: House, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(house.authority))
    domain = f"127.0.0.1:{house.tls_port}/login"
    user = house.user_with_token()
    app, _ = enrolled(house, user)
    house.do("profile", "set", "Standard", "--duty", "web-and-api")
    client_id, client_secret = house.api_client()

    def log_in(secret: str) -> tuple[str, str]:
        return SalesforceLogin(username=user.username, password=secret, consumer_key=client_id,
                               consumer_secret=client_secret, domain=domain)

    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        log_in(user.secret)
    session_id, _ = log_in(user.password + app.code())

    assert refused.value.code == "invalid_grant"
    assert house.session_works(session_id)
    assert house.wait_for_history(user, lambda row: row["reason"] == "password and authenticator code")


@on_both_engines
def test_an_app_that_was_enrolled_makes_right_codes_after_the_keys_have_rotated(house: House):
    user = house.add_user()
    app, recovery_codes = enrolled(house, user)
    house.stop()

    where = {"SYMBOLON_DATABASE": house.database} if house.database else {}
    rotated = house.run("keys", "rotate", environment=where)
    house.start()

    assert rotated.code == 0, rotated.err
    assert verify(password_given(house, user), app.code()).path == "/setup"
    assert verify(password_given(house, user), recovery_codes[0]).path == "/setup"


@on_both_engines
def test_who_has_not_enrolled_in_time_is_let_in_to_enrol_and_to_nothing_else(house: House):
    user = house.user_with_token()
    house.do("profile", "set", "Standard", "--duty", "web", "--enrol-grace", "14d")
    told = house.logged_in(user).go("/setup")
    house.do("profile", "set", "Standard", "--enrol-grace", "0d")

    browser = house.logged_in(user)
    confined = {address: browser.go(address).path for address in ("/setup", "/setup/tokens", "/setup/users", CONFIRM)}
    enrol(browser)

    assert "Your profile demands a second factor: enrol by" in told.text
    assert set(confined.values()) == {"/setup/second-factors"}, confined
    assert browser.go("/setup/tokens").path == "/setup/tokens"
    assert "Your profile demands" not in browser.page.text


@on_both_engines
def test_what_matters_wants_a_proof_and_the_session_gets_another_secret(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)
    browser.submit(browser.page.form("Log Out"), "Log Out")
    # A browser that is known proves nobody: the password alone is no fresh proof.
    house.log_in(browser, user)
    gated = browser.go(CONFIRM)
    before = dict(browser.cookies)
    mailed = len(house.sink.codes_for(user.email))

    wrong = browser.fill_and_press({"Security Token": user.token[:-1] + ("0" if user.token[-1] != "0" else "1")}, "Verify")
    browser.submit(browser.page.form("Mail Me a Code"), "Mail Me a Code")
    code = house.sink.wait_for_code(user.email, after=mailed)
    proved = browser.fill_and_press({"Verification Code": code}, "Verify")

    assert gated.path == "/setup/verify"
    assert (wrong.status, wrong.path) == (401, "/setup/verify")
    assert (proved.status, proved.path) == (200, CONFIRM)
    renewed = [name for name, value in before.items() if browser.cookies.get(name) != value]
    assert renewed, "the session has another secret"
    old = house.browser()
    old.cookies = before
    assert old.go("/setup").path == "/login"
    assert house.wait_for_history(user, lambda row: row["reason"].startswith("asked to verify before a change: "))


def test_before_a_change_a_code_of_the_app_or_the_token_is_taken_and_no_mailed_one_is_offered(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)
    app, _ = enrol(browser)
    proofs = {"Verification Code": app.code, "Security Token": lambda: user.token}

    for field, proof in proofs.items():
        browser.submit(browser.go("/setup").form("Log Out"), "Log Out")
        house.log_in(browser, user)
        asked = browser.go(CONFIRM)
        assert asked.path == "/setup/verify"
        assert not asked.has_form("Mail Me a Code"), "who has a second factor is not offered mail"
        assert browser.fill_and_press({field: proof()}, "Verify").path == CONFIRM, field
