"""The mail: its two lines, its headers, and what becomes of it when the mail server is slow, strict, gone or rude."""

from __future__ import annotations

import email.utils
import re
import time

import pytest

from certificates import make_authority
from engines import on_both_engines
from house import CONFIRM, House, check_characters, wait_until
from post import SilentPort, Sink


def reset_by_form(house: House, user, browser=None):
    """Presses Save and answers the browser (on the receipt) without waiting for any mail."""
    browser = browser or house.logged_in(user)
    browser.go(CONFIRM)
    receipt = browser.fill_and_press({"Current Password": user.password}, "Save")
    assert receipt.status == 200, receipt.text[:400]
    return browser


def token_mail(house: House, sink, user, after: int = 0):
    return sink.wait_for(user.email, after=after, holds=lambda mail: mail.token is not None)


@pytest.mark.house(arguments=["--organization", "Acme & Söhne"])
def test_the_mail_has_the_two_lines_the_subject_and_the_headers(house: House, sink):
    user = house.add_user()
    asked_at = time.time()
    reset_by_form(house, user)

    mail = token_mail(house, sink, user)

    lines = mail.text.split("\n")
    assert lines.count(f"Username: {user.username}") == 1
    assert lines.count(f"Security token (case-sensitive): {mail.token}") == 1
    assert mail.subject == "Your new Acme & Söhne security token"
    assert abs(email.utils.parsedate_to_datetime(mail.message["Date"]).timestamp() - asked_at) < 60
    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", mail.message_id)
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.message.iter_parts()] == ["text/plain", "text/html"]
    for part in mail.message.iter_parts():
        assert part.get_content_charset() == "utf-8"
    assert email.utils.parseaddr(mail.message["To"])[1] == user.email
    assert mail.to == [user.email]


def test_the_mail_says_who_asked_from_where_for_what_and_until_when(house: House, sink):
    user = house.add_user()
    browser = house.logged_in(user, source="127.0.0.31")
    browser.go(CONFIRM)
    browser.fill_and_press({"Current Password": user.password}, "Save")

    text = token_mail(house, sink, user).text

    assert "127.0.0.31" in text
    assert re.search(r"expire", text, re.I)
    next_year = time.gmtime(time.time() + 365 * 86400).tm_year
    assert str(next_year) in text
    assert re.search(r"device type", text, re.I)
    assert re.search(r"earlier token", text, re.I)


def test_the_html_part_has_the_token_and_loads_nothing_from_outside(house: House, sink):
    user = house.add_user()
    reset_by_form(house, user)

    mail = token_mail(house, sink, user)

    assert mail.token in mail.html
    assert user.username in mail.html
    assert not re.search(r"<(img|script|link|iframe|object|embed)\b", mail.html, re.I)
    assert not re.search(r"\b(src|background)\s*=|@import|url\(", mail.html, re.I)
    for address in re.findall(r"href=\"([^\"]*)\"", mail.html):
        assert address.startswith((house.base, "mailto:")), address


def test_the_token_has_the_form_of_the_contract(house: House):
    user = house.user_with_token()

    assert re.fullmatch(r"sbn[0-9A-Za-z]{27}", user.token)
    assert user.token[25:] == check_characters(user.token[:25])


def test_a_second_notice_without_the_token_goes_to_the_owner(house: House, sink):
    user = house.user_with_token()

    notice = sink.wait_for(user.email, holds=lambda mail: mail.token is None)

    assert user.token not in notice.text + notice.html
    assert re.search(r"token", notice.text, re.I)


@pytest.mark.parametrize("name", ["Ada\r\nBcc: thief@example.net", "Ada\nSubject: gone"])
def test_a_name_cannot_inject_a_header(house: House, sink, name):
    ran = house.run("user", "add", "ada@example.com", "--email", "ada@example.org", "--name", name, "--password-stdin",
                    stdin="lantern orbits-73 quilt!\n")
    if ran.code != 0:
        assert ran.code in (1, 2), ran.err
        return

    house.do("token", "reset", "ada@example.com")
    mail = sink.wait_for("ada@example.org")

    assert mail.to == ["ada@example.org"]
    assert mail.message["Bcc"] is None
    assert len(mail.message.get_all("Subject")) == 1


@pytest.mark.parametrize("address", ["ada@example.org\r\nRCPT TO:<thief@example.net>", "a b@example.org", "no-at-sign",
                                     "ada@example.org, thief@example.net", "<ada@example.org>\n.\n"])
def test_an_address_that_is_none_is_refused(house: House, address):
    ran = house.run("user", "add", "ada@example.com", "--email", address, "--password-stdin",
                    stdin="lantern orbits-73 quilt!\n")

    assert ran.code in (1, 2), ran.out
    assert house.run("user", "show", "ada@example.com").code == 5


def tried_letter(house: House, user) -> dict:
    """A letter to this user once an attempt is over and the letter waits again."""
    return wait_until(lambda: next((letter for letter in house.letters(user.email)
                                    if letter["attempts"] >= 1 and letter["state"] == "waiting"), None),
                      what=lambda: f"a letter that waits after an attempt: {house.letters(user.email)}")


@on_both_engines
def test_a_temporary_refusal_is_retried_and_the_mail_is_handed_over_later(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "451 4.3.0 please come back after tea")

    browser = reset_by_form(house, user, desk)
    sink.wait_for_attempt(user.email)
    letter = tried_letter(house, user)

    assert "please come back after tea" in letter["last_reply"]
    assert letter["next_try"]
    assert re.search(r"waiting", browser.go(browser.page.url).text, re.I)
    assert sink.tokens_for(user.email) == []

    sink.accept(user.email)
    house.do("mail", "retry")
    user.token = sink.wait_for_token(user.email)
    house.wait_until_mail_rests()

    assert house.accepts(user)
    assert house.wait_for_letter(user.email, "handed-over")
    assert re.search(r"handed over", browser.go(browser.page.url).text, re.I)


@pytest.mark.parametrize("reply", ["421 4.3.2 shutting down for a moment", "452 4.2.2 mailbox is full today"])
@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_each_temporary_reply_leaves_the_letter_waiting(house: House, sink, reply, stage):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, reply, stage=stage)

    reset_by_form(house, user, desk)
    sink.wait_for_attempt(user.email)
    letter = tried_letter(house, user)

    assert reply[10:] in letter["last_reply"]


@on_both_engines
def test_a_permanent_refusal_is_shown_to_the_owner_and_the_administrator_in_the_servers_words(house: House, sink):
    user = house.user_with_token()
    old = user.token
    house.wait_until_mail_rests()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "550 5.1.1 nobody of that name lives here")

    browser = reset_by_form(house, user, desk)
    letter = house.wait_for_letter(user.email, "refused")

    assert "nobody of that name lives here" in letter["last_reply"]
    assert "nobody of that name lives here" in browser.go(browser.page.url).text
    assert not house.accepts(user, old), "a reset whose mail failed is not undone"


@pytest.mark.parametrize("reply", ["552 5.2.2 over quota for good", "554 5.7.1 we do not like you"])
@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_each_permanent_reply_ends_the_letter_as_refused(house: House, sink, reply, stage):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, reply, stage=stage)

    reset_by_form(house, user, desk)
    letter = house.wait_for_letter(user.email, "refused")

    assert reply[10:] in letter["last_reply"]
    house.run("mail", "retry")
    neighbour = house.add_user()
    house.do("token", "reset", neighbour.username)
    assert sink.wait_for_token(neighbour.email), "whatever waited has left"
    house.wait_until_mail_rests()
    assert [state["state"] for state in house.letters(user.email)].count("handed-over") == 0
    assert sink.tokens_for(user.email) == []


def test_after_a_refusal_a_new_reset_reaches_the_owner(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "550 5.1.1 nobody of that name lives here")
    reset_by_form(house, user, desk)
    house.wait_until_mail_rests()
    assert house.wait_for_letter(user.email, "refused")
    sink.accept(user.email)

    house.reset(user)

    assert house.accepts(user)


def test_the_letter_of_a_token_that_a_later_reset_ended_is_superseded_and_never_sent(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "451 4.3.0 later")
    reset_by_form(house, user, desk)
    sink.wait_for_attempt(user.email)
    reset_by_form(house, user, desk)
    sink.accept(user.email)

    house.do("mail", "retry")
    user.token = sink.wait_for_token(user.email)
    house.wait_until_mail_rests()

    assert len(sink.tokens_for(user.email)) == 1
    assert house.accepts(user)
    assert any(letter["state"] == "superseded" for letter in house.letters(user.email))


@pytest.mark.house(mail=None)
def test_without_a_mail_server_the_letter_waits_and_every_page_says_so_to_administrators(house: House):
    admin = house.add_user(admin=True)

    browser = house.logged_in(admin)
    if browser.go(CONFIRM).path == "/setup/verify":
        browser.fill_and_press({"Current Password": admin.password}, "Verify")
    browser.go(CONFIRM)
    browser.fill_and_press({"Current Password": admin.password}, "Save")

    assert [letter["state"] for letter in house.letters(admin.email)].count("waiting") >= 1
    for path in ("/setup", "/setup/personal-information", "/setup/reset-security-token"):
        assert re.search(r"no mail server|mail[^.]{0,40}not configured|without a mail server|mail waits",
                         browser.go(path).text, re.I), path


@on_both_engines
def test_letters_survive_a_restart(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "451 4.3.0 later")
    reset_by_form(house, user, desk)
    sink.wait_for_attempt(user.email)

    house.restart()
    sink.accept(user.email)
    house.do("mail", "retry")
    user.token = sink.wait_for_token(user.email)

    assert house.accepts(user)


@on_both_engines
def test_letters_survive_a_kill(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "451 4.3.0 later")
    reset_by_form(house, user, desk)
    if house.database:
        # What a killed node was handing over stays its own for some minutes, for other nodes may be at work.
        wait_until(lambda: all(letter["attempts"] and letter["state"] == "waiting" for letter in house.letters(user.email)),
                   what=lambda: house.letters(user.email))

    house.kill()
    house.start()
    sink.accept(user.email)
    house.do("mail", "retry")
    user.token = sink.wait_for_token(user.email, within=60)

    assert house.accepts(user)


def test_each_attempt_carries_the_same_message_id_and_the_same_token(house: House, sink):
    user = house.add_user()
    desk = house.logged_in(user)  # Before mail fails: a browser that is not known is asked for a code.
    sink.answer(user.email, "451 4.3.0 later", stage="data")
    reset_by_form(house, user, desk)
    wait_until(lambda: any(mail.token for mail in sink.turned_away), what="a first attempt at the token's mail")
    sink.accept(user.email)
    house.do("mail", "retry")

    kept = token_mail(house, sink, user)

    tried = next(mail for mail in sink.turned_away if mail.token)
    assert kept.message_id == tried.message_id
    assert kept.token == tried.token
    house.wait_until_mail_rests()
    assert len(sink.tokens_for(user.email)) == 1


def test_a_mail_server_that_is_down_comes_back_and_gets_the_mail(build_house, sink):
    house = build_house()
    user = house.add_user()
    desk = house.logged_in(user)
    sink.stop()
    reset_by_form(house, user, desk)
    wait_until(lambda: any(letter["attempts"] >= 1 for letter in house.letters(user.email)),
               what=lambda: house.letters(user.email))
    assert all(letter["state"] in ("waiting", "leased") for letter in house.letters(user.email))

    sink.start()
    house.do("mail", "retry")

    assert sink.wait_for_token(user.email)


def test_a_mail_server_that_never_speaks_does_not_hold_up_a_reset(build_house):
    with SilentPort() as silent:
        house = build_house(mail=silent.url)
        user = house.add_user()

        house.do("token", "reset", user.username)

        letters = house.letters(user.email)
        assert any(letter["state"] in ("waiting", "leased") for letter in letters)
        assert not any(letter["last_reply"] for letter in letters), "it waited until the mail server was given up"
        assert house.stop() == 0, "a stuck mail server must not hold up the end either"


def test_mail_goes_over_starttls_with_a_login(build_house, tmp_path):
    authority, context = make_authority(tmp_path)
    with Sink(tls="starttls", certificate=context, login=("postbox", "s3cret-relay-word")) as sink:
        house = build_house(sink=sink, mail=None,
                            environment={"SSL_CERT_FILE": str(authority), "SYMBOLON_MAIL": sink.url})
        user = house.add_user()

        house.reset(user)

        mail = sink.all_for(user.email)[0]
        assert mail.secured
        assert mail.login == "postbox"
        assert "s3cret-relay-word" not in house.log()


def test_mail_goes_over_implicit_tls_with_a_login(build_house, tmp_path):
    authority, context = make_authority(tmp_path)
    with Sink(tls="implicit", certificate=context, login=("postbox", "s3cret-relay-word")) as sink:
        house = build_house(sink=sink, mail=None,
                            environment={"SSL_CERT_FILE": str(authority), "SYMBOLON_MAIL": sink.url})
        user = house.add_user()

        house.reset(user)

        assert sink.all_for(user.email)[0].login == "postbox"


def test_the_mail_address_may_come_from_a_file(build_house, tmp_path, sink):
    secret_file = tmp_path / "mail-url"
    secret_file.write_text(sink.url + "\n")
    secret_file.chmod(0o600)
    house = build_house(mail=None, environment={"SYMBOLON_MAIL_FILE": str(secret_file)})

    house.user_with_token()


def test_a_mail_server_with_an_unknown_certificate_gets_nothing(build_house, tmp_path):
    _, context = make_authority(tmp_path)
    with Sink(tls="implicit", certificate=context) as sink:
        house = build_house(sink=sink)
        user = house.add_user()

        house.do("token", "reset", user.username)
        tried_letter(house, user)

        assert sink.mails == []


def test_a_mail_server_without_starttls_gets_nothing_in_the_clear(build_house):
    with Sink() as sink:
        house = build_house(sink=sink, mail=f"smtp://127.0.0.1:{sink.port}")
        user = house.add_user()

        house.do("token", "reset", user.username)
        wait_until(lambda: any(letter["attempts"] >= 1 for letter in house.letters(user.email)),
                   what=lambda: house.letters(user.email))

        assert sink.mails == []


def test_a_wrong_relay_password_leaves_the_letter_waiting_with_the_servers_words(build_house, tmp_path):
    authority, context = make_authority(tmp_path)
    with Sink(tls="implicit", certificate=context, login=("postbox", "right")) as sink:
        house = build_house(sink=sink, mail=None, environment={
            "SSL_CERT_FILE": str(authority), "SYMBOLON_MAIL": sink.url.replace("right", "wrong-relay-word")})
        user = house.add_user()

        house.do("token", "reset", user.username)
        letter = tried_letter(house, user)  # A relay that refuses us is our fault, not the recipient's.

        assert "535" in str(letter["last_reply"])
        assert "wrong-relay-word" not in house.log() + str(letter)


@pytest.mark.house(arguments=["--mail-from", "tokens@corp.example"])
def test_the_sender_is_the_configured_one(house: House, sink):
    user = house.user_with_token()

    mail = sink.all_for(user.email)[0]

    assert email.utils.parseaddr(mail.message["From"])[1] == "tokens@corp.example"
    assert mail.sender == "tokens@corp.example"


def test_mail_status_has_the_promised_members(house: House):
    user = house.user_with_token()
    house.wait_until_mail_rests()

    for letter in house.letters(user.email):
        assert set(letter) >= {"id", "to", "kind", "state", "attempts", "next_try", "last_reply"}
        assert letter["state"] in ("waiting", "leased", "handed-over", "refused", "superseded", "too-old")
