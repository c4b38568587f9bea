"""Mail with a token, encrypted to its owner's OpenPGP key: GnuPG made the key, and GnuPG reads the mail."""

from __future__ import annotations

import email
import email.policy
import os
import subprocess

import pytest

from house import CONFIRM, House


def gpg(home, *arguments, stdin=None):
    ran = subprocess.run(
        ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *arguments],
        env={**os.environ, "GNUPGHOME": str(home)}, input=stdin, capture_output=True, timeout=60, check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


@pytest.mark.parametrize("kind", ["future-default", "rsa2048"])
def test_gnupg_reads_the_mail_with_the_token(house: House, sink, tmp_path, kind):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    user = house.add_user()
    gpg(home, "--quick-gen-key", user.email, kind, "default" if kind == "future-default" else "sign,cert", "1y")
    if kind == "rsa2048":
        listed = gpg(home, "--with-colons", "--list-keys").decode()
        fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        gpg(home, "--quick-add-key", fingerprint, kind, "encr", "1y")
    key = tmp_path / "key.asc"
    key.write_bytes(gpg(home, "--armor", "--export"))
    house.cli("user", "set-key", user.username, str(key))

    browser = house.logged_in(user)
    browser.go(CONFIRM)
    assert browser.fill_and_press({"Current Password": user.password}, "Save").status == 200
    mail = sink.wait_for(
        user.email, holds=lambda mail: mail.message.get_content_type() == "multipart/encrypted")

    assert mail.token is None
    encrypted = list(mail.message.iter_parts())[1].get_payload(decode=True)
    plain = email.message_from_bytes(gpg(home, "--decrypt", stdin=encrypted), policy=email.policy.default)
    text = plain.get_body(("plain",)).get_content()
    token = next(line.split(": ")[1] for line in text.splitlines() if line.startswith("Security token"))
    assert house.accepts(user, token)


def test_an_owner_gives_a_key_on_the_page_and_is_told_why_one_is_not_taken(house: House, tmp_path):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    user = house.add_user()
    gpg(home, "--quick-gen-key", user.email, "ed25519", "sign,cert", "1y")
    browser = house.logged_in(user)
    page = "/setup/personal-information/openpgp-key"

    def give():
        key = gpg(home, "--armor", "--export").decode()
        browser.go(page)
        return browser.fill_and_press(
            {"OpenPGP Public Key": key, "Current Password": user.password}, "Save")

    refused = give()
    fingerprint = next(
        line.split(":")[9] for line in gpg(home, "--with-colons", "--list-keys").decode().splitlines()
        if line.startswith("fpr"))
    gpg(home, "--quick-add-key", fingerprint, "cv25519", "encr", "1y")
    taken = give()

    assert refused.status == 422
    assert "it has no subkey that encrypts" in refused.text
    assert taken.status == 200
    assert fingerprint in taken.text
    assert fingerprint in browser.go(page).text


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_where_the_profile_demands_a_key_nobody_without_one_gets_a_token(build_house, sink, tmp_path, engine):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    house = build_house(engine)
    user = house.user_with_token()
    old = user.token
    gpg(home, "--quick-gen-key", user.email, "future-default", "default", "1y")
    key = tmp_path / "key.asc"
    key.write_bytes(gpg(home, "--armor", "--export"))
    house.cli("profile", "set", "Standard", "--mail-encryption", "required")

    refused = house.run("token", "reset", user.username)
    shown = house.logged_in(user).go(CONFIRM).text
    foretold = house.cli("token", "reset", "--profile", "Standard", "--dry-run")

    assert refused.code != 0
    assert "The profile demands that mail with a token is encrypted" in refused.err
    assert "The profile demands that mail with a token is encrypted" in shown
    assert foretold["users"] == foretold["passed_over"]
    assert house.accepts(user, old)
    house.cli("user", "set-key", user.username, str(key))
    house.do("token", "reset", user.username)
    sink.wait_for(user.email, holds=lambda mail: mail.message.get_content_type() == "multipart/encrypted")
    assert not house.accepts(user, old)


def test_keys_are_looked_up_only_where_the_configuration_says_so(house: House, build_house):
    user = house.add_user()
    page = house.logged_in(user).go("/setup/personal-information/openpgp-key")
    refused = house.run("user", "set-key", user.username, "--wkd")
    allowed = build_house(name="allowed", environment={"SYMBOLON_OPENPGP_LOOKUP": "wkd"})
    # A domain that nobody can have (RFC 2606).
    nowhere = allowed.add_user(email="jane@keys.invalid")
    not_found = allowed.run("user", "set-key", nowhere.username, "--wkd")

    assert "openpgp_lookup" in page.text
    assert refused.code == 4
    assert "openpgp_lookup" in refused.err
    assert not_found.code != 0
    assert "No key was found" in not_found.err
