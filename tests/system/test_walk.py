"""The walk, by plain HTTP forms: what a person does to reset a security token, with the labels that people are told."""

from __future__ import annotations

import re
import threading

import pytest

from engines import on_both_engines
from house import CONFIRM, House
from pages import Browser

WRONG_PASSWORD = re.compile(r"password[^.]{0,60}(wrong|incorrect|not right|not correct|does not match|did not match)"
                            r"|(wrong|incorrect|invalid)[^.]{0,30}password", re.I)


@on_both_engines
def test_the_owner_resets_the_token_by_the_labels_of_the_walk(house: House, sink):
    user = house.add_user()
    browser = house.browser()

    login = browser.go("/")
    assert login.path == "/login"
    assert "Log In" in login.headings
    house.log_in(browser, user)
    browser.click("Setup")
    assert "Accounts & Settings" in browser.page.text
    browser.click("My Personal Information")
    assert browser.page.path == "/setup/personal-information"
    assert "Personal Information" in browser.page.headings
    browser.click("Reset Security Token")
    assert browser.page.path == CONFIRM
    receipt = browser.fill_and_press({"Current Password": user.password}, "Save")

    assert receipt.status == 200
    assert receipt.path != CONFIRM, "success must redirect to a receipt"
    user.token = sink.wait_for_token(user.email)
    assert house.accepts(user)


@on_both_engines
def test_the_administrators_variant_goes_over_the_button_at_the_bottom(house: House, sink):
    user = house.add_user(admin=True)
    browser = house.logged_in(user)

    browser.click("Setup")
    browser.click("My Personal Information")
    page = browser.click("Reset My Security Token")
    assert page.path == "/setup/reset-security-token"
    if page.has_form("Reset Security Token"):
        browser.submit(page.form("Reset Security Token"), "Reset Security Token")
    else:
        browser.click("Reset Security Token")
    browser.fill_and_press({"Current Password": user.password}, "Save")

    user.token = sink.wait_for_token(user.email)
    assert house.accepts(user)


def test_every_page_of_the_walk_asks_strangers_to_log_in(house: House):
    for path in ("/setup", "/setup/personal-information", "/setup/reset-security-token", CONFIRM):
        page = house.browser().request("GET", path)

        assert page.status in (302, 303, 307), f"{path} answers {page.status} to a stranger"
        assert page.headers["Location"].split("?")[0].endswith("/login")


def test_the_setup_link_stands_on_every_page_of_a_logged_in_user(house: House):
    browser = house.logged_in(house.add_user())

    for path in ("/setup", "/setup/personal-information", "/setup/reset-security-token", CONFIRM):
        assert browser.go(path).has_link("Setup"), path


def test_the_sidebar_has_quick_find_and_the_accounts_section(house: House):
    browser = house.logged_in(house.add_user())

    page = browser.go("/setup")

    labels = [label.text for label in page.document.find_all("label")]
    aria = [field.get("aria-label") for field in page.document.find_all("input")]
    assert any("Quick Find" in words for words in labels + aria)
    for entry in ("My Personal Information", "Reset My Security Token", "Login History"):
        assert page.has_link(entry), entry


def test_each_field_of_the_walk_has_a_real_label(house: House):
    user = house.add_user()
    browser = house.browser()
    pages = [browser.go("/login"), browser.go("/forgot-password")]
    browser = house.logged_in(user)
    pages += [browser.go("/setup/personal-information"), browser.go(CONFIRM)]

    for page in pages:
        labelled = {label.get("for") for label in page.document.find_all("label")}
        for field in page.document.find_all("input", "select", "textarea"):
            if field.get("type", "text").lower() in ("hidden", "submit", "button"):
                continue
            named = field.get("id") in labelled or field.inside("label") is not None
            assert named, f"{page.path}: the field {field.get('name')!r} has no label"


def test_a_name_without_script_cannot_become_one(house: House):
    user = house.add_user(name="<script>alert(1)</script><b>Ada</b>")
    browser = house.logged_in(user)

    page = browser.go("/setup/personal-information")

    assert "<script>alert(1)" not in page.html
    assert "<b>Ada</b>" not in page.html


@on_both_engines
def test_the_token_of_the_past_is_dead_the_moment_the_receipt_is_there(house: House, sink):
    user = house.user_with_token()
    old = user.token
    browser = house.logged_in(user)
    browser.go(CONFIRM)

    browser.fill_and_press({"Current Password": user.password}, "Save")
    answer = house.soap_login(user.username, user.password + old)

    assert answer.status == 500
    assert answer.fault_code == "INVALID_LOGIN"
    user.token = sink.wait_for_token(user.email, after=1)
    assert user.token != old
    assert house.accepts(user)
    assert not house.accepts(user, old)


@on_both_engines
def test_a_wrong_current_password_is_said_and_changes_nothing(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    browser.go(CONFIRM)

    page = browser.fill_and_press({"Current Password": "not " + user.password}, "Save")

    assert page.status < 500
    assert WRONG_PASSWORD.search(page.text), page.text[:800]
    assert page.has_form("Save"), "the person must be able to try again at once"
    assert house.accepts(user)
    house.wait_until_mail_rests()
    assert len(sink.tokens_for(user.email)) == 1


def test_after_a_wrong_password_the_right_one_in_the_same_form_resets(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    browser.go(CONFIRM)
    browser.fill_and_press({"Current Password": "not " + user.password}, "Save")

    browser.fill_and_press({"Current Password": user.password}, "Save")

    user.token = sink.wait_for_token(user.email, after=1)
    assert house.accepts(user)


def test_wrong_current_passwords_are_counted_like_wrong_logins(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)

    for _ in range(10):
        if not browser.go(CONFIRM).has_form("Save"):
            break
        browser.fill_and_press({"Current Password": "a wrong one entirely"}, "Save")

    shown = browser.go(CONFIRM)
    if shown.has_form("Save"):
        shown = browser.fill_and_press({"Current Password": user.password}, "Save")
    assert "/receipt/" not in shown.path, "ten wrong current passwords must lock as ten wrong logins do"
    assert house.accepts(user), "but whoever guesses in one place locks that one alone"
    house.do("user", "unlock", user.username)
    house.reset(user, browser)
    assert house.accepts(user)


def test_the_password_is_never_sent_back_to_the_page(house: House):
    user = house.add_user()
    browser = house.logged_in(user)
    browser.go(CONFIRM)

    page = browser.fill_and_press({"Current Password": "wrong-but-secret-8472"}, "Save")

    assert "wrong-but-secret-8472" not in page.html
    assert "wrong-but-secret-8472" not in page.url


@on_both_engines
def test_the_same_form_sent_twice_resets_once(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
    assert form.value("request_key"), "the form carries an idempotency key"

    first = browser.submit(form, "Save", follow=False)
    second = browser.submit(form, "Save", follow=False)

    assert first.status == 303
    assert second.status == 303
    assert second.headers["Location"] == first.headers["Location"]
    user.token = sink.wait_for_token(user.email, after=1)
    house.wait_until_mail_rests()
    assert len(sink.tokens_for(user.email)) == 2
    assert house.accepts(user)


@on_both_engines
def test_a_double_click_resets_once(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
    statuses: list[int] = []

    def click():
        twin = house.browser()
        twin.cookies, twin.page = dict(browser.cookies), browser.page
        statuses.append(twin.submit(form, "Save", follow=False).status)

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()

    assert set(statuses) <= {303, 409}, statuses
    assert 303 in statuses
    user.token = sink.wait_for_token(user.email, after=1)
    house.wait_until_mail_rests()
    assert len(sink.tokens_for(user.email)) == 2
    assert house.accepts(user)


def test_reloading_the_receipt_and_going_back_reset_nothing(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password)
    receipt = browser.submit(form, "Save")
    user.token = sink.wait_for_token(user.email, after=1)

    for _ in range(3):
        assert browser.go(receipt.url).status == 200
    browser.submit(form, "Save")

    house.wait_until_mail_rests()
    assert len(sink.tokens_for(user.email)) == 2
    assert house.accepts(user)


def test_a_form_nonce_is_of_no_use_to_another_user(house: House, sink):
    user, other = house.user_with_token(), house.user_with_token()
    form = house.logged_in(user).go(CONFIRM).form("Save")
    stranger = house.logged_in(other)
    own = stranger.go(CONFIRM).form("Save").set("Current Password", other.password)

    stranger.submit(own.set_name("request_key", form.value("request_key") or ""), "Save")

    assert house.accepts(user), "the other user's form must not touch this user's token"


@on_both_engines
def test_two_browsers_reset_one_after_the_other_and_one_token_lives(house: House, sink):
    user = house.user_with_token()
    first, second = house.logged_in(user), house.logged_in(user)
    forms = [(browser, browser.go(CONFIRM).form("Save").set("Current Password", user.password))
             for browser in (first, second)]
    statuses: list[int] = []

    presses = [threading.Thread(target=lambda b=browser, f=form: statuses.append(b.submit(f, "Save", follow=False).status))
               for browser, form in forms]
    for press in presses:
        press.start()
    for press in presses:
        press.join()

    assert statuses == [303, 303]
    assert len(house.live_tokens(user)) == 1
    house.wait_until_mail_rests()
    working = [token for token in set(sink.tokens_for(user.email)) if house.accepts(user, token)]
    assert len(working) == 1


@on_both_engines
def test_a_dozen_racing_resets_leave_one_live_token(house: House, sink):
    user = house.user_with_token()
    browsers = [house.logged_in(user) for _ in range(4)]
    forms = [(browser, browser.go(CONFIRM).form("Save").set("Current Password", user.password))
             for browser in browsers for _ in range(3)]
    statuses: list[int] = []

    def press(browser: Browser, form):
        twin = house.browser()
        twin.cookies, twin.page = dict(browser.cookies), form.page
        statuses.append(twin.submit(form, "Save", follow=False).status)

    presses = [threading.Thread(target=press, args=pair) for pair in forms]
    for each in presses:
        each.start()
    for each in presses:
        each.join()

    assert set(statuses) <= {303, 409, 429}, statuses
    assert 303 in statuses
    assert len(house.live_tokens(user)) == 1
    house.wait_until_mail_rests(within=60)
    working = [token for token in set(sink.tokens_for(user.email)) if house.accepts(user, token)]
    assert len(working) == 1
    assert not house.accepts(user, user.token), "the token of before the race is dead"


def test_the_receipt_masks_the_address_and_tells_the_state_of_the_mail(house: House, sink):
    user = house.add_user()

    receipt = house.reset(user)

    assert user.email not in receipt.text
    assert user.email.split("@")[1][-3:] in receipt.text, "something of the address is shown, so that its owner knows it"
    assert user.token not in receipt.html
    assert re.search(r"waiting|handed over", receipt.text, re.I), receipt.text[:800]


def test_the_receipt_says_handed_over_once_the_mail_server_has_it(house: House, sink):
    user = house.add_user()
    browser = house.logged_in(user)
    browser.go(CONFIRM)
    receipt = browser.fill_and_press({"Current Password": user.password}, "Save")
    sink.wait_for_token(user.email)
    house.wait_until_mail_rests()

    assert re.search(r"handed over", browser.go(receipt.url).text, re.I)


def test_the_token_is_shown_on_no_page(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)

    for path in ("/setup", "/setup/personal-information", "/setup/reset-security-token", CONFIRM):
        assert user.token not in browser.go(path).html, path
    assert user.token not in browser.click("Login History").html


def test_the_reset_page_tells_which_clients_used_the_token(house: House):
    user = house.user_with_token()
    house.soap_login(user.username, user.secret, client="NightlyExport/4.2", source="127.0.0.44")
    house.wait_for_history(user, lambda row: "NightlyExport" in str(row["client"]))

    page = house.logged_in(user).go("/setup/reset-security-token")

    assert "NightlyExport" in page.text
    assert "127.0.0.44" in page.text


def test_the_login_history_page_shows_the_owner_the_true_reason(house: House):
    user = house.user_with_token()
    old = user.token
    house.reset(user)
    house.soap_login(user.username, user.password + old, client="OldJob/1.0", source="127.0.0.45")
    house.wait_for_history(user, lambda row: str(row["reason"]).startswith("token retired "))

    page = house.logged_in(user)
    page.go("/setup")
    history = page.click("Login History")

    assert "127.0.0.45" in history.text
    assert "OldJob" in history.text
    assert re.search(r"retired", history.text, re.I)


def test_logging_out_ends_the_web_session(house: House):
    user = house.add_user()
    browser = house.logged_in(user)
    browser.go("/setup")
    kept = dict(browser.cookies)

    form = next(form for form in browser.page.forms() if form.action.endswith("/logout"))
    browser.submit(form)
    browser.cookies = kept
    page = browser.request("GET", "/setup/personal-information")

    assert page.status in (302, 303, 307)


def test_logging_in_gives_a_new_session_cookie(house: House):
    user = house.add_user()
    browser = house.browser()
    browser.go("/login")
    before = set(browser.cookies.values())

    house.log_in(browser, user)

    assert set(browser.cookies.values()) - before, "a session fixed before the login must not survive it"


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(house: House):
    browser = house.logged_in(house.add_user())

    session_lines = [line for line in browser.cookie_lines if len(line.split(";")[0].partition("=")[2]) >= 16]

    assert session_lines
    for line in session_lines:
        attributes = line.lower()
        assert "httponly" in attributes, line
        assert "samesite=" in attributes and "samesite=none" not in attributes, line


@pytest.mark.house(tls=True)
def test_over_tls_the_session_cookie_is_secure(house: House):
    browser = house.logged_in(house.add_user())

    assert any("secure" in line.lower().split(";", 1)[1] for line in browser.cookie_lines)


def test_a_wrong_login_says_the_same_for_unknown_names_and_wrong_passwords(house: House):
    user = house.add_user()
    said = []

    for username in (user.username, "nobody@example.com"):
        browser = house.browser()
        browser.go("/login")
        page = browser.fill_and_press({"Username": username, "Password": "no such password 42"}, "Log In")
        assert page.status < 500
        # The correlation id differs, and the page may repeat the name that was typed.
        said.append(re.sub(r"\([0-9A-Za-z-]{6,64}\)", "()", page.text.replace(username, "NAME")))

    assert said[0] == said[1]


def test_the_pages_may_not_be_framed_cached_or_sniffed(house: House):
    browser = house.logged_in(house.add_user())

    page = browser.go(CONFIRM)

    policy = page.headers.get("Content-Security-Policy", "")
    assert "frame-ancestors 'none'" in policy or page.headers.get("X-Frame-Options", "").upper() == "DENY"
    assert "unsafe-inline" not in policy.replace("style-src 'self' 'unsafe-inline'", "")
    assert "no-store" in page.headers.get("Cache-Control", "")
    assert page.headers.get("X-Content-Type-Options", "").lower() == "nosniff"


def test_an_administrator_resets_for_a_user_and_never_sees_the_token(house: House, sink):
    user = house.user_with_token()
    old = user.token

    ran = house.do("token", "reset", user.username, "--reason", "the laptop was lost")

    user.token = sink.wait_for_token(user.email, after=1)
    assert user.token not in ran.out + ran.err
    assert house.accepts(user)
    assert not house.accepts(user, old)
