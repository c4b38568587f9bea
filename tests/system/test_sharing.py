"""Tokens that look shared, by the binary: what is told, what is marked, and what a freeze ends."""

from __future__ import annotations

from engines import on_both_engines
from house import House, User, wait_until

ONE, OTHER, THIRD = "127.0.0.21", "127.0.0.22", "127.0.0.23"


def use_from(house: House, user: User, *sources: str) -> list[str]:
    """Logs in from each address; answers the sessions."""
    answers = [house.soap_login(user.username, user.secret, source=source) for source in sources]
    assert all(answer.status == 200 for answer in answers), [answer.text[:200] for answer in answers]
    return [answer.session_id for answer in answers]


def signals(house: House, user: User) -> list[dict]:
    return house.cli("token", "signals", user.username)


def look(house: House) -> None:
    """A server looks when it starts, and then once a minute."""
    house.restart()


@on_both_engines
def test_a_shared_token_is_told_of_and_a_false_alarm_is_remembered(house: House, sink):
    house.do("device-type", "set", "any", "--most-places", "1")
    user, quiet = house.user_with_token(), house.user_with_token()
    use_from(house, user, ONE, OTHER)
    use_from(house, quiet, ONE)

    look(house)

    [signal] = wait_until(lambda: signals(house, user), what="a signal")
    assert signal["rule"] == "places" and ONE in signal["evidence"] and OTHER in signal["evidence"]
    assert signals(house, quiet) == []
    assert house.accepts(user), "nothing is frozen unless the device type says so"
    sink.wait_for(user.email, "looks shared")
    house.do("token", "false-alarm", signal["id"])
    assert house.cli("token", "signals", user.username)[0]["false_alarm_at"] is not None
    use_from(house, user, ONE, THIRD)
    look(house)
    house.wait_until_mail_rests()
    assert len(sink.all_for(user.email, "looks shared")) == 1
    house.do("token", "false-alarm", "999999", code=5)


@on_both_engines
def test_a_freeze_ends_the_sessions_and_an_administrator_lifts_it(house: House, sink):
    house.do("device-type", "set", "any", "--most-places", "1", "--on-sharing", "freeze")
    user = house.user_with_token()
    sessions = use_from(house, user, ONE, OTHER)
    assert all(house.session_works(session) for session in sessions)

    look(house)

    wait_until(lambda: house.cli("user", "show", user.username)["tokens_frozen_at"], what="the freeze")
    assert house.cli("user", "show", user.username)["tokens_frozen_by"] == "sharing"
    assert not any(house.session_works(session) for session in sessions)
    assert not house.accepts(user)
    reason = house.history(user)[0]["reason"]
    assert reason.startswith("tokens frozen as one looks shared, since "), reason

    house.do("user", "unfreeze-tokens", user.username)

    assert house.accepts(user)
    assert not any(house.session_works(session) for session in sessions), "what was ended stays ended"
    sink.wait_for(user.email, "accepted again")
    look(house)
    house.wait_until_mail_rests()
    assert house.accepts(user), "what led to the freeze does not lead to another"
    house.do("user", "unfreeze-tokens", "nobody", code=5)
    house.do("audit", "verify")
