"""Canaries: nothing secret lies about, in no file and no log, whatever happened before."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import urllib.parse

import pytest

from authenticator import enrol, password_given
from engines import on_both_engines
from house import CONFIRM, House, strong_password
from postgres import program
from test_people import ask_for_link, choose_password, link_in


def files(house: House) -> dict[str, bytes]:
    """Every byte in the data directory, the write-ahead log included."""
    found = {}
    for path in house.data.rglob("*"):
        if path.is_file() and not path.is_socket():
            found[str(path.relative_to(house.data))] = path.read_bytes()
    assert found or house.database
    if house.database:
        dumped = subprocess.run([program("pg_dump"), house.database], capture_output=True, timeout=60, check=True)
        found["pg_dump"] = dumped.stdout
    return found


def spellings(secret: str) -> list[bytes]:
    plain = secret.encode()
    # PostgreSQL dumps bytes as hexadecimal digits; logs like to escape or encode.
    spelled = {plain, plain.hex().encode(), urllib.parse.quote(secret).encode(), urllib.parse.quote_plus(secret).encode(),
               base64.b64encode(plain).rstrip(b"=")[:-1]}
    return [each for each in spelled if len(each) >= 8]


def assert_nowhere(secrets: dict[str, str], places: dict[str, bytes]) -> None:
    found = [(what, place) for what, secret in secrets.items() for place, content in places.items()
             for spelled in spellings(secret) if spelled in content]
    assert found == []


def assert_raw_nowhere(key: bytes, places: dict[str, bytes]) -> None:
    """The bytes that an authenticator app shares, as they are, as digits and in base 64."""
    spelled = {key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key).rstrip(b"=")[:-1]}
    assert [(place, each) for place, content in places.items() for each in spelled if each in content] == []


@on_both_engines
@pytest.mark.house(environment={"RUST_LOG": "trace", "SYMBOLON_LOG_FORMAT": "json"})
def test_no_secret_is_in_any_file_or_log_after_the_hand_over(house: House, sink):
    secrets: dict[str, str] = {}
    user = house.add_user()
    secrets["password"] = user.password
    browser = house.logged_in(user)
    secrets["first token"] = (house.reset(user, browser), user.token)[1]
    secrets["second token"] = (house.reset(user, browser), user.token)[1]
    secrets |= {f"cookie {name}": value for name, value in browser.cookies.items() if len(value) >= 16}
    secrets["soap session"] = house.soap_login(user.username, user.secret).session_id.split("!")[1]
    secrets["access token"] = house.oauth_login(user.username, user.secret).json()["access_token"].split("!")[1]
    secrets["client secret"] = house.api_client()[1]
    app, recovery_codes = enrol(browser)
    secrets["key of the app"] = app.key
    secrets |= {f"recovery code {number}": code for number, code in enumerate(recovery_codes)}
    secrets |= {f"recovery code {number}, as it is digested": code.replace("-", "") for number, code in enumerate(recovery_codes)}
    secrets["cookie after the app"] = max(browser.cookies.values(), key=len)
    # One is used up, one is wrong, and what a page shows once is asked for again.
    browser.submit(browser.go("/setup").form("Log Out"), "Log Out")
    asked = password_given(house, user)
    asked.fill_and_press({"Verification Code": recovery_codes[0]}, "Verify")
    secrets["mistyped recovery code"] = "0a1b-1c2d-3e4f-5g6h"
    password_given(house, user).fill_and_press({"Verification Code": secrets["mistyped recovery code"]}, "Verify")
    secrets["wrong password"] = "a wrong one: 9f3k-zebra-orchard"
    house.soap_login(user.username, secrets["wrong password"])
    house.soap_login(user.username, secrets["wrong password"] + user.token)
    house.soap_login("secret pasted as a name 7d1f", user.secret)
    house.request("GET", f"/id/x/y?oauth_token={secrets['access token']}")
    house.request("GET", "/services/oauth2/userinfo", headers={"Authorization": "Bearer " + secrets["access token"]})
    ask_for_link(house, user.username)
    mail = sink.wait_for(user.email, holds=lambda mail: mail.token is None and any(
        "/activate/recovery/" in link for link in mail.links))
    secrets["recovery link"] = re.split(r"[/=]", link_in(mail))[-1]
    secrets["new password"] = strong_password()
    choose_password(house.browser(), link_in(mail), secrets["new password"])
    house.do("user", "add", "invited@example.com", "--email", "invited@example.org")
    invitation = link_in(sink.wait_for("invited@example.org"))
    secrets["invitation link"] = re.split(r"[/=]", invitation)[-1]
    secrets["invited password"] = strong_password()
    choose_password(house.browser(), invitation, secrets["invited password"])
    house.wait_until_mail_rests()
    for owner_mail in sink.all_for(user.email):
        if owner_mail.token:
            secrets[f"freeze link of {owner_mail.token[:6]}"] = re.split(r"[/=]", link_in(owner_mail))[-1]

    # The setup link is printed on purpose, and the log is where its reader looks for it.
    log = house.log().encode()
    assert_nowhere(secrets, files(house) | {"log": log})
    assert_raw_nowhere(base64.b32decode(app.key), files(house) | {"log": log})
    house.stop()
    assert_nowhere(secrets, files(house) | {"log after the end": house.log().encode()})
    assert_raw_nowhere(base64.b32decode(app.key), files(house))


@on_both_engines
def test_a_stolen_database_does_not_tell_the_token_of_a_waiting_letter(house: House, sink):
    user = house.add_user()
    browser = house.logged_in(user)
    sink.answer(user.email, "451 4.3.0 later")
    browser.go(CONFIRM)
    browser.fill_and_press({"Current Password": user.password}, "Save")
    sink.wait_for_attempt(user.email)

    stolen = files(house)
    log = house.log().encode()
    sink.accept(user.email)
    house.do("mail", "retry")

    assert_nowhere({"token": sink.wait_for_token(user.email)}, stolen | {"log": log})


def test_neither_standard_output_nor_json_of_any_command_shows_a_token_or_password(house: House):
    user = house.user_with_token()
    house.soap_login(user.username, user.secret)

    shown = "".join(house.run(*words, "--json").out for words in (
        ["user", "list"], ["user", "show", user.username], ["token", "list"], ["login", "history"], ["mail", "status"],
        ["config", "show"]))

    assert user.token not in shown
    assert user.password not in shown


def test_config_show_hides_secrets(build_house, sink):
    house = build_house(mail=None, environment={"SYMBOLON_MAIL": f"smtp://relay:hush-hush-7@127.0.0.1:{sink.port}?tls=none"})

    ran = house.run("config", "show", environment={
        "SYMBOLON_MAIL": f"smtp://relay:hush-hush-7@127.0.0.1:{sink.port}?tls=none"})

    assert "hush-hush-7" not in ran.out + ran.err
    assert "hush-hush-7" not in house.log()


@pytest.mark.house(tls=True)
def test_the_data_directory_is_for_its_owner_alone(house: House):
    house.user_with_token()

    assert stat.S_IMODE(house.data.stat().st_mode) == 0o700
    for path in house.data.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o077 == 0, f"{path.name} has mode {mode:o}"


def test_the_umask_of_the_caller_does_not_open_the_data_directory(build_house):
    house = build_house(start=False)
    before = os.umask(0)
    try:
        house.start()
    finally:
        os.umask(before)
    house.user_with_token()

    for path in (house.data, *house.data.rglob("*")):
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


def test_no_secret_is_on_the_command_line_of_the_process(build_house, sink):
    house = build_house(mail=None, environment={"SYMBOLON_MAIL": f"smtp://relay:hush-hush-7@127.0.0.1:{sink.port}?tls=none"})

    with open(f"/proc/{house.process.pid}/cmdline", "rb") as words:
        assert b"hush-hush-7" not in words.read()


def test_metrics_name_no_user(house: House):
    user = house.user_with_token()
    house.soap_login(user.username, user.secret)

    text = house.request("GET", "/metrics", port=house.ops_port).text

    assert user.username not in text and user.email not in text and user.token not in text
