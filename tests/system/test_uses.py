"""Uses of tokens outlive a crash once they are written down, which is within seconds."""

from __future__ import annotations

from pathlib import Path

from house import ROOT, House, wait_until

CLIENT = "uses-test/1.0"


def pairs(house: House, user) -> list[str]:
    """The clients that a reset would break: who used the token, from where."""
    forecast = house.cli("token", "reset", user.username, "--dry-run")
    return [client["client"] for token in forecast["tokens"] for client in token["clients"]]


def last_used_at(house: House, user) -> str | None:
    [token] = house.live_tokens(user)
    return token["last_used_at"]


def test_a_use_that_was_written_down_survives_sigkill(house: House):
    user = house.user_with_token()
    house.do("device-type", "set", "any", "--bearer", "on")
    assert last_used_at(house, user) is None

    bearer = {"Authorization": f"Bearer {user.token}", "User-Agent": CLIENT}
    assert house.request("GET", "/authz/forward-auth", headers=bearer).status == 200
    used_at = wait_until(lambda: last_used_at(house, user), within=60, what="the last use to be written down")
    wait_until(lambda: CLIENT in pairs(house, user), within=60, what="the pair of client and network to be written down")
    house.kill()
    house.start()

    assert last_used_at(house, user) == used_at
    assert CLIENT in pairs(house, user)
    assert house.request("GET", "/authz/forward-auth", headers=bearer).status == 200


def test_what_a_crash_may_take_is_told_to_operators():
    told = " ".join(Path(ROOT, "docs", "operators.md").read_text().split())

    assert "uses are written down every ten seconds, so a crash loses at most the last ten of *last use*" in told
