"""Secrets of API clients that are rolled over, and device types, by the command line."""

from __future__ import annotations

import re

import pytest

from engines import on_both_engines
from house import House

FIRST_TYPES = ["any", "command-line", "desktop", "mobile", "server"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def is_let_in(house: House, user, client: tuple[str, str]) -> bool:
    """Whether the client, with this secret, may log this user in."""
    answer = house.oauth("/services/oauth2/token", {
        "grant_type": "password", "client_id": client[0], "client_secret": client[1],
        "username": user.username, "password": user.secret})
    assert answer.status in (200, 400), answer.text
    assert answer.status == 200 or answer.json()["error"] == "invalid_client"
    return answer.status == 200


def secrets_of(house: House, client_id: str) -> list[str]:
    client = next(client for client in house.cli("client", "list") if client["client_id"] == client_id)
    assert all(MOMENT.fullmatch(secret["created_at"]) for secret in client["secrets"])
    return [secret["secret_id"] for secret in client["secrets"]]


# Secrets of clients.

@on_both_engines
def test_a_clients_secret_is_rolled_over_without_a_gap(house: House):
    user = house.user_with_token()
    made = house.cli("client", "add", "warehouse")
    assert set(made) == {"client_id", "client_secret"}
    old = (made["client_id"], made["client_secret"])
    first = secrets_of(house, old[0])[0]

    added = house.cli("client", "secret", "add", old[0])
    assert set(added) == {"client_id", "secret_id", "client_secret"}
    assert added["client_id"] == old[0]
    new = (old[0], added["client_secret"])
    assert is_let_in(house, user, old) and is_let_in(house, user, new)
    assert secrets_of(house, old[0]) == [first, added["secret_id"]]

    house.do("client", "secret", "remove", old[0], first)
    assert not is_let_in(house, user, old)
    assert is_let_in(house, user, new)
    assert secrets_of(house, old[0]) == [added["secret_id"]]


def test_the_last_secret_of_a_client_is_not_removed(house: House):
    made = house.cli("client", "add", "warehouse")
    only = secrets_of(house, made["client_id"])[0]

    ran = house.run("client", "secret", "remove", made["client_id"], only)

    assert ran.code == 4, ran.err
    assert "add another first" in ran.err and "remove the client" in ran.err
    assert secrets_of(house, made["client_id"]) == [only]


def test_a_client_has_at_most_five_secrets(house: House):
    client_id = house.cli("client", "add", "warehouse")["client_id"]
    for _ in range(4):
        house.cli("client", "secret", "add", client_id)

    ran = house.run("client", "secret", "add", client_id)

    assert ran.code == 2, ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert len(secrets_of(house, client_id)) == 5


def test_secrets_that_there_are_not_are_not_found(house: House):
    one, other = (house.cli("client", "add", name)["client_id"] for name in ("one", "other"))
    house.cli("client", "secret", "add", one)
    of_other = secrets_of(house, other)[0]

    for words in (["add", "0AC000000000001"], ["add", "junk"], ["remove", one, "junk"], ["remove", one, of_other],
                  ["remove", "junk", of_other]):
        ran = house.run("client", "secret", *words)
        assert ran.code == 5, (words, ran.code, ran.err)


def test_a_removed_client_is_let_in_with_none_of_its_secrets(house: House):
    user = house.user_with_token()
    made = house.cli("client", "add", "warehouse")
    added = house.cli("client", "secret", "add", made["client_id"])

    house.do("client", "remove", made["client_id"])

    for secret in (made["client_secret"], added["client_secret"]):
        answer = house.oauth("/services/oauth2/token", {
            "grant_type": "password", "client_id": made["client_id"], "client_secret": secret,
            "username": user.username, "password": user.secret})
        assert answer.status == 400, answer.text
    assert house.cli("client", "list") == []


def test_the_list_of_clients_tells_each_secret_and_shows_none(house: House):
    made = house.cli("client", "add", "warehouse")
    added = house.cli("client", "secret", "add", made["client_id"])

    shown = house.do("client", "list").out

    for secret_id in secrets_of(house, made["client_id"]):
        assert len([line for line in shown.splitlines() if made["client_id"] in line and secret_id in line]) == 1
    for secret in (made["client_secret"], added["client_secret"]):
        assert secret not in shown + house.log()


def test_changes_of_clients_and_device_types_are_in_an_audit_trail_that_is_whole(house: House):
    client_id = house.cli("client", "add", "warehouse")["client_id"]
    secret_id = house.cli("client", "secret", "add", client_id)["secret_id"]
    house.do("client", "secret", "remove", client_id, secret_id)
    house.do("client", "remove", client_id)
    house.do("device-type", "add", "printer")
    house.do("device-type", "set", "printer", "--bearer", "on")

    rows = house.cli("audit", "export")

    told = [row["action"] for row in rows if row["action"].startswith(("client.", "device-type."))]
    assert told == ["client.added", "client.secret-added", "client.secret-removed", "client.removed",
                    "device-type.added", "device-type.changed"]
    assert house.run("audit", "verify").code == 0


# Device types.

@on_both_engines
def test_an_organization_begins_with_five_device_types_and_none_is_a_whole_credential(house: House):
    types = house.cli("device-type", "list")

    assert [each["name"] for each in types] == FIRST_TYPES
    assert all(set(each) >= {"name", "bearer", "created_at"} for each in types)
    assert all(each["bearer"] is False and MOMENT.fullmatch(each["created_at"]) for each in types)


@on_both_engines
def test_device_types_are_added_and_set_and_stay_so_over_a_restart(house: House):
    added = house.cli("device-type", "add", "printer", "--bearer")
    plain = house.cli("device-type", "add", "till")
    assert (added["name"], added["bearer"], plain["bearer"]) == ("printer", True, False)

    house.cli("device-type", "set", "printer", "--bearer", "off")
    assert house.cli("device-type", "set", "server", "--bearer", "on")["bearer"] is True
    house.restart()

    bearer = {each["name"]: each["bearer"] for each in house.cli("device-type", "list")}
    assert bearer == {name: name == "server" for name in [*FIRST_TYPES, "printer", "till"]}


@pytest.mark.parametrize("words, code", [
    (["add", "any"], 6), (["add", "A Toaster"], 2), (["add", "x" * 33], 2), (["add", ""], 2), (["set", "any"], 2),
    (["set", "any", "--bearer", "perhaps"], 2), (["set", "toaster", "--bearer", "on"], 5),
    (["set", "A Toaster", "--bearer", "on"], 5)])
def test_device_types_that_cannot_be_end_with_the_code_of_the_contract(house: House, words, code):
    before = house.cli("device-type", "list")

    ran = house.run("device-type", *words)

    assert ran.code == code, (ran.code, ran.err)
    assert ran.err.strip()
    assert house.cli("device-type", "list") == before


def test_a_token_is_issued_for_a_device_type_as_soon_as_there_is_one(house: House):
    user = house.user_with_token()
    before = len(house.sink.tokens_for(user.email))

    ran = house.run("token", "reset", user.username, "--device-type", "printer")
    assert ran.code == 5, ran.err
    assert house.accepts(user), "nothing was retired"

    house.do("device-type", "add", "printer")
    house.do("token", "reset", user.username, "--device-type", "printer")
    token = house.sink.wait_for_token(user.email, after=before)

    assert house.accepts(user, token) and house.accepts(user)
    assert {token["device_type"] for token in house.live_tokens(user)} == {"any", "printer"}


@on_both_engines
def test_a_token_works_for_as_long_as_the_holders_of_its_device_type_include_its_owners_profile(house: House):
    user = house.user_with_token()
    house.do("profile", "add", "Integration Users")
    house.do("device-type", "set", "any", "--bearer", "on")

    def alone() -> int:
        by_itself = {"Authorization": f"Bearer {user.token}"}
        return house.request("GET", "/authz/forward-auth", headers=by_itself).status

    assert house.accepts(user) and alone() == 200

    house.do("device-type", "set", "any", "--holders", "Integration Users")
    assert not house.accepts(user) and alone() == 401
    reason = house.cli("login", "history", "--user", user.username)[0]["reason"]
    assert reason == "token of a device type whose holders do not include the profile"
    explained = house.run("login", "explain", user.username, "--from", "127.0.0.1")
    assert reason in explained.out and "add the profile to the holders" in explained.out, explained.out

    house.do("user", "set-profile", user.username, "Integration Users")
    assert house.accepts(user) and alone() == 200

    house.do("user", "set-profile", user.username, "Standard")
    assert not house.accepts(user) and alone() == 401

    house.do("device-type", "set", "any", "--holders", "")
    assert house.accepts(user) and alone() == 200
