"""How people come in: setup link, invitation, forgotten password; and how they change what is theirs."""

from __future__ import annotations

import re
import secrets
import urllib.parse

import pytest

from engines import on_both_engines
from house import House, User, made_up_token, strong_password
from pages import Browser, Form, Page


def link_in(mail) -> str:
    """The link that the mail is for: the longest one in the text part, longer than the one that freezes."""
    assert mail.links, mail.text
    return max(mail.links, key=len)


def fill_passwords(form: Form, new: str, current: str | None = None) -> Form:
    for control in form.controls_of_type("password"):
        label = next((label.text.lower() for label in form.element.find_all("label")
                      if label.get("for") == control.get("id")), control.get("name").lower())
        form.set_name(control.get("name"), current if current is not None and "current" in label else new)
    return form


def form_with_password(page: Page) -> Form:
    for form in page.forms():
        if form.controls_of_type("password"):
            return form
    raise AssertionError(f"no form with a password on {page.url} ({page.status}): {page.text[:500]}")


def choose_password(browser: Browser, link: str, new: str) -> Page:
    return browser.submit(fill_passwords(form_with_password(browser.go(link)), new))


def has_password_form(page: Page) -> bool:
    return page.status == 200 and any(len(form.controls_of_type("password")) >= 1 and not form.has_button("Log In")
                                      for form in page.forms())


# The first administrator.

@on_both_engines
def test_the_setup_link_makes_the_first_administrator_once(house: House):
    link = house.setup_link()
    assert link.startswith(house.base)
    browser = house.browser()
    page = browser.go(link)
    admin = User("root@example.com", "root@example.org", strong_password())
    form = fill_passwords(form_with_password(page), admin.password)
    for control in form.controls_of_type("text", "email"):
        label = next((label.text.lower() for label in form.element.find_all("label")
                      if label.get("for") == control.get("id")), control.get("name").lower())
        value = admin.email if "mail" in label else admin.username if "user" in label else "Root"
        form.set_name(control.get("name"), value)

    done = browser.submit(form)

    assert done.status == 200, done.text[:400]
    assert "Administration" in house.logged_in(admin).go("/setup").text
    again = house.browser().go(link)
    assert not has_password_form(again), "the setup link works once"
    house.restart()
    assert not has_password_form(house.browser().go(link))


def test_the_setup_link_is_not_spent_by_looking_at_it(house: House):
    link = house.setup_link()

    for _ in range(3):
        assert has_password_form(house.browser().go(link))


def test_no_setup_link_is_printed_once_there_is_an_administrator(house: House):
    house.add_user(admin=True)
    house.stop()
    house.log_file.write_text("")
    house.out_file.write_text("")

    house.start()

    assert not re.findall(r"https?://\S{45,}", house.log())


def test_recover_admin_prints_a_new_link(house: House):
    house.add_user(admin=True)

    ran = house.do("recover-admin")

    link = re.search(r"https?://\S+", ran.out).group(0)
    assert has_password_form(house.browser().go(link))


def test_ordinary_users_see_no_administration(house: House):
    page = house.logged_in(house.add_user()).go("/setup")

    assert "Administration" not in page.text


# Invitations.

@on_both_engines
def test_an_invited_user_chooses_a_password_by_a_link_that_works_once(house: House, sink):
    user = User("new@example.com", "new@example.org", strong_password())
    house.do("user", "add", user.username, "--email", user.email)
    link = link_in(sink.wait_for(user.email))
    assert link.startswith(house.base + "/activate/")

    house.browser().go(link)  # A mail scanner looks at it first.
    done = choose_password(house.browser(), link, user.password)

    assert done.status == 200, done.text[:400]
    house.reset(user)
    assert house.accepts(user)
    assert not has_password_form(house.browser().go(link))


def test_an_invited_user_cannot_log_in_before(house: House, sink):
    house.do("user", "add", "new@example.com", "--email", "new@example.org")
    sink.wait_for("new@example.org")

    for secret in ("", "x", "null"):
        assert house.soap_login("new@example.com", secret).status == 500


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa", "password1234", "new@example.com", "qwertyuiop12"])
def test_a_weak_password_is_refused_with_the_reason_and_the_link_stays_good(house: House, sink, weak):
    house.do("user", "add", "new@example.com", "--email", "new@example.org")
    link = link_in(sink.wait_for("new@example.org"))
    browser = house.browser()

    page = choose_password(browser, link, weak)

    assert page.status in (200, 400, 422)
    assert not page.has_form("Log In")
    assert form_with_password(page), "the form is there again"
    assert re.search(r"password", page.text, re.I)
    assert choose_password(house.browser(), link, strong_password()).status == 200


@pytest.mark.parametrize("weak", [pytest.param(weak, id=name) for name, weak in {
    "short": "short", "one-letter": "aaaaaaaaaaaaaaaa", "common": "password1234",
    "ends-in-a-token": "lantern orbits-73 quilt!" + made_up_token()}.items()])
def test_the_command_line_refuses_weak_passwords_too(house: House, weak):
    ran = house.run("user", "add", "new@example.com", "--email", "new@example.org", "--password-stdin", stdin=weak + "\n")

    assert ran.code in (1, 2)
    assert len(ran.err.strip().splitlines()) == 1, "a one-line reason"
    assert weak not in ran.err
    assert house.run("user", "show", "new@example.com").code == 5


# Forgotten.

def ask_for_link(house: House, username: str) -> Page:
    browser = house.browser()
    form = next(form for form in browser.go("/forgot-password").forms() if form.controls_of_type("text", "email"))
    form.set_name(form.controls_of_type("text", "email")[0].get("name"), username)
    return browser.submit(form)


@on_both_engines
def test_a_forgotten_password_is_replaced_by_a_link_that_works_once_and_ends_the_token(house: House, sink):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    browser = house.logged_in(user)
    count = len(sink.all_for(user.email))
    ask_for_link(house, user.username)
    mail = sink.wait_for(user.email, holds=lambda mail: mail.token is None and any(
        "/activate/recovery/" in link for link in mail.links))
    assert len(sink.all_for(user.email)) > count
    link = link_in(mail)
    house.browser().go(link)
    old_password, user.password = user.password, strong_password()

    done = choose_password(house.browser(), link, user.password)

    assert done.status == 200, done.text[:400]
    assert house.soap_login(user.username, old_password + user.token).status == 500
    assert not house.accepts(user), "a recovery retires the token"
    assert not house.session_works(session)
    assert browser.request("GET", "/setup").status in (302, 303, 307), "and ends the web sessions"
    assert not has_password_form(house.browser().go(link))
    user.token = ""
    house.reset(user)
    assert house.accepts(user)


def test_the_answer_is_the_same_for_names_that_nobody_has(house: House, sink):
    user = house.add_user()

    known, unknown = ask_for_link(house, user.username), ask_for_link(house, "nobody@example.com")

    assert known.status == unknown.status
    assert known.text.replace(user.username, "NAME") == unknown.text.replace("nobody@example.com", "NAME")
    sink.wait_for(user.email)
    assert sink.all_for("nobody@example.com") == []


def test_a_made_up_link_is_refused(house: House):
    for path in ("/activate/" + "A" * 43, "/activate/x", "/activate/%00", "/activate/" + "A" * 5000):
        page = house.browser().go(path)

        assert 400 <= page.status < 500, (path[:30], page.status)
        assert not has_password_form(page)


def test_frozen_users_get_no_way_back_in_by_forgetting(house: House, sink):
    user = house.user_with_token()
    house.do("user", "freeze", user.username)
    house.wait_until_mail_rests()

    ask_for_link(house, user.username)
    house.wait_until_mail_rests()

    for mail in sink.all_for(user.email):
        for link in mail.links:
            if "/activate/" in link or "/forgot-password" in link:
                assert not has_password_form(house.browser().go(link))


# Not me.

def test_the_link_in_the_mail_freezes_the_tokens_without_a_login_once(house: House, sink):
    user = house.user_with_token()
    mail = sink.wait_for(user.email, holds=lambda mail: mail.token is not None)
    link = link_in(mail)
    assert link.startswith(house.base)
    page = house.browser().go(link)
    assert house.accepts(user), "looking at the link does nothing: mail scanners do"
    browser = house.browser()
    page = browser.go(link)
    form = next(form for form in page.forms() if form.method == "POST" and form.buttons())

    done = browser.submit(form, form.buttons()[0])

    assert done.status == 200, done.text[:300]
    assert not house.accepts(user)
    again = house.browser().go(link)
    assert again.status >= 400 or not any(form.method == "POST" and "token" in " ".join(form.buttons()).lower()
                                          for form in again.forms())


@on_both_engines
def test_the_confirming_click_ends_every_session_of_the_account(house: House, sink):
    user, other = house.user_with_token(), house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    foreign = house.soap_login(other.username, other.secret).session_id
    logged_in = house.logged_in(user)
    mail = sink.wait_for(user.email, holds=lambda mail: mail.token is not None)
    browser = house.browser()
    page = browser.go(link_in(mail))
    assert house.session_works(session), "looking at the link ends nothing"
    form = next(form for form in page.forms() if form.method == "POST" and form.buttons())

    browser.submit(form, form.buttons()[0])

    assert not house.session_works(session)
    assert logged_in.request("GET", "/setup").status in (302, 303, 307)
    assert house.session_works(foreign)
    assert house.cli("user", "show", user.username)["tokens_frozen_by"] == "owner"


# Changing what is one's own.

def personal_form(house: House, browser: Browser, wanted) -> Form:
    """The form on My Personal Information, or one link further, that fits."""
    page = browser.go("/setup/personal-information")
    pages = [page]
    for anchor in page.document.find_all("a"):
        if re.search(r"change|edit|e-?mail|password|name", anchor.text, re.I) and anchor.get("href"):
            address = urllib.parse.urljoin(page.url, anchor.get("href"))
            if "/setup" in address and "reset" not in address:
                pages.append(browser.request("GET", address))
    for candidate in pages:
        for form in candidate.forms():
            if wanted(form):
                browser.page = candidate
                return form
    raise AssertionError(f"no such form under My Personal Information: {[p.path for p in pages]}")


@on_both_engines
def test_changing_the_password_leaves_the_token_alive_and_tells_the_owner(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    house.wait_until_mail_rests()
    before = len(sink.all_for(user.email))
    form = personal_form(house, browser, lambda form: len(form.controls_of_type("password")) >= 2)
    new = strong_password()

    page = browser.submit(fill_passwords(form, new, current=user.password))

    assert page.status == 200, page.text[:400]
    assert not house.accepts(user)
    user.password = new
    assert house.accepts(user)
    notice = sink.wait_for(user.email, after=before)
    assert re.search("password", notice.text, re.I)
    assert new not in notice.text


def test_changing_the_password_needs_the_current_one(house: House):
    user = house.user_with_token()
    browser = house.logged_in(user)
    form = personal_form(house, browser, lambda form: len(form.controls_of_type("password")) >= 2)

    browser.submit(fill_passwords(form, strong_password(), current="not the current one"))

    assert house.accepts(user)


@on_both_engines
def test_a_new_address_counts_only_once_both_addresses_have_confirmed(house: House, sink):
    user = house.user_with_token()
    browser = house.logged_in(user)
    house.wait_until_mail_rests()
    old, new = user.email, f"moved-{secrets.token_hex(3)}@example.org"
    before = len(sink.all_for(old))

    def names_address(form: Form) -> bool:
        return any(re.search(r"e-?mail", control.get("name") + control.get("type"), re.I)
                   for control in form.controls_of_type("text", "email"))

    form = personal_form(house, browser, names_address)
    control = next(control for control in form.controls_of_type("text", "email")
                   if re.search(r"e-?mail", control.get("name") + control.get("type"), re.I))
    form.set_name(control.get("name"), new)
    browser.submit(fill_passwords(form, user.password, current=user.password))
    links = [link_in(sink.wait_for(old, after=before)), link_in(sink.wait_for(new))]
    house.reset(user)
    assert sink.tokens_for(new) == [], "until it is confirmed nothing goes to the new address"

    for link in links:
        visitor = house.logged_in(user)
        page = visitor.go(link)
        confirm = [form for form in page.forms() if form.method == "POST" and not form.action.endswith("/logout")
                   and form.buttons()]
        if confirm:
            visitor.submit(confirm[-1], confirm[-1].buttons()[0])
    user.email = new
    house.reset(user)

    assert house.accepts(user)
