"""Two nodes on one PostgreSQL: whatever was answered at one holds at the other in the very next request, whoever is
stopped, killed or cut off; and a node that cannot know says so.

Nothing here waits between a change and the question at the other node, and no question is asked again until it is
answered as it should be: the first answer counts.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import postgres
from house import Answer, House, User, basic, strong_password, wait_until
from nodes import (HELD_UP, LEASE, NGINX, Questions, Wire, another_node, ask, bearer_user, gone, hammer, is_held_up,
                   know_each_other, log_out, paused, reset, seconds_of, session_of, status, stopped)
from postgres import Postgres, create_database, program, psql
from test_fault_points import clock_off_by

TIMES = 50
# Users who do so side by side where each has a switch of his own: most of the time goes in waits for hashes and mail.
AT_A_TIME = 5

each_way = pytest.mark.parametrize("way", [(0, 1), (1, 0)], ids=["there", "back"])


@pytest.fixture
def nodes(build_house) -> tuple[House, House]:
    first = build_house("postgres")
    second = another_node(build_house, first)
    know_each_other(first)
    return first, second


@pytest.fixture
def wired(build_house):
    """Two nodes; the second reaches the database by a wire that can be cut."""
    first = build_house("postgres")
    with Wire(first.database) as wire:
        second = another_node(build_house, first, database=wire.url)
        know_each_other(first)
        yield first, second, wire
        second.kill()


def for_each(users: list[User], go_on) -> None:
    """Does it for all of them side by side."""
    with ThreadPoolExecutor(len(users)) as pool:
        list(pool.map(go_on, users))


# All is well.

@each_way
def test_sessions_are_accepted_and_refused_at_the_other_node_in_the_next_request(nodes, way):
    here, there = nodes[way[0]], nodes[way[1]]

    def go_on(user: User) -> None:
        for time_over in range(TIMES // AT_A_TIME):
            session = session_of(here, user)
            assert status(there, session) == 200, f"opened {time_over} times"
            log_out(here, session)
            assert status(there, session) == 401, f"ended {time_over} times"

    for_each([nodes[0].user_with_token() for _ in range(AT_A_TIME)], go_on)


@each_way
def test_tokens_are_accepted_and_refused_at_the_other_node_in_the_next_request(nodes, sink, way):
    here, there = nodes[way[0]], nodes[way[1]]

    def go_on(user: User) -> None:
        assert status(there, user.token) == 200
        for time_over in range(TIMES // AT_A_TIME):
            reset(here, user)
            assert status(there, user.token) == 401, f"reset {time_over} times"
            user.token = sink.wait_for_token(user.email, after=time_over + 1)
            assert status(there, user.token) == 200, f"reset {time_over} times"

    for_each([bearer_user(nodes[0]) for _ in range(AT_A_TIME)], go_on)


@each_way
@pytest.mark.parametrize("switch", ["user", "device type"])
def test_what_is_switched_at_one_node_holds_at_the_other_in_the_next_request(nodes, way, switch):
    here, there = nodes[way[0]], nodes[way[1]]
    user = bearer_user(nodes[0])

    def off() -> None:
        if switch == "user":
            here.do("user", "freeze", user.username)
        else:
            here.do("device-type", "set", "server", "--bearer", "off")

    def on() -> None:
        if switch == "user":
            here.do("user", "unfreeze", user.username)
        else:
            here.do("device-type", "set", "server", "--bearer", "on")

    for time_over in range(TIMES):
        assert status(there, user.token) == 200, f"switched on {time_over} times"
        off()
        assert status(there, user.token) == 401, f"switched off {time_over} times"
        on()
    assert status(there, user.token) == 200


@each_way
def test_a_new_password_ends_sessions_at_the_other_node_before_the_next_request(nodes, way):
    here, there = nodes[way[0]], nodes[way[1]]
    # Each of the last passwords would be compared with the new one, by a hash each: nothing of that is asked here.
    here.do("profile", "set", "Standard", "--password-history", "0")

    def go_on(user: User) -> None:
        for time_over in range(TIMES // AT_A_TIME):
            session = session_of(here, user)
            assert status(there, session) == 200, f"opened {time_over} times"
            user.password = strong_password()
            here.do("user", "set-password", user.username, stdin=user.password + "\n")
            assert status(there, session) == 401, f"ended {time_over} times"

    for_each([nodes[0].user_with_token() for _ in range(AT_A_TIME)], go_on)


def test_changes_at_both_nodes_at_once_wait_for_each_other_without_end_nowhere(nodes):
    users = [nodes[0].user_with_token() for _ in range(4)]

    def go_on(number: int) -> list[float]:
        here, there = nodes[number % 2], nodes[(number + 1) % 2]
        took = []
        for _ in range(25):
            session = session_of(here, users[number])
            assert status(there, session) == 200
            took.append(seconds_of(lambda: log_out(there, session)))
            assert status(here, session) == 401
        return took

    with ThreadPoolExecutor(4) as pool:
        took = sum(pool.map(go_on, range(4)), [])

    # Of a hundred a few may be slow because the machine is.
    waited = [seconds for seconds in took if seconds > HELD_UP]
    assert len(waited) < 10, f"as long as for a node that is gone: {waited}"


# A node that asks to be answered from a state that is new enough.

def test_the_revision_of_a_reset_is_answered_at_the_other_node_at_once(nodes, sink):
    here, there = nodes
    user = bearer_user(here)
    old = user.token

    told = reset(here, user)
    refused = ask(there, old, X_Symbolon_Min_Revision=str(told["revision"]))
    user.token = sink.wait_for_token(user.email, after=1)
    accepted = ask(there, user.token, X_Symbolon_Min_Revision=str(told["revision"]))

    assert (refused.status, accepted.status) == (401, 200), "503 would say that it did not come in time"
    assert int(accepted.headers["X-Symbolon-Revision"]) >= told["revision"]


@pytest.mark.parametrize(("deadline_ms", "expected"), [(None, 0.15), (400, 0.4)], ids=["by default", "as asked"])
def test_a_revision_that_is_to_come_is_503_at_the_deadline(nodes, deadline_ms, expected):
    here, there = nodes
    user = bearer_user(here)
    revision = int(ask(there, user.token).headers["X-Symbolon-Revision"])
    headers = {"X-Symbolon-Min-Revision": str(revision + 1000)}
    if deadline_ms is not None:
        headers["X-Symbolon-Deadline-Ms"] = str(deadline_ms)

    answers = []
    took = seconds_of(lambda: answers.append(ask(there, user.token, **headers)))

    assert [answer.status for answer in answers] == [503]
    assert took >= expected, "it was not waited for"


def test_who_waits_for_a_revision_is_answered_when_it_comes(nodes):
    here, there = nodes
    user = bearer_user(here)
    revision = int(ask(there, user.token).headers["X-Symbolon-Revision"])
    asked = {"X-Symbolon-Min-Revision": str(revision + 1), "X-Symbolon-Deadline-Ms": "5000"}

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, there, user.token, **asked)
        # Should the change come first, the answer is the same.
        reset(here, user)
        answer = waiting.result()

    assert answer.status == 401, "the state that was asked for has retired this token"


def test_an_introspection_of_an_old_token_with_the_revision_of_its_reset_is_inactive(nodes):
    here, there = nodes
    user = bearer_user(here)
    client = here.api_client()

    def introspect(revision: int) -> Answer:
        return there.oauth("/services/oauth2/introspect", {"token": user.token, "min_revision": str(revision)},
                           headers={"Authorization": basic(client)})

    assert introspect(0).json()["active"] is True
    revision = reset(here, user)["revision"]
    assert introspect(revision).json() == {"active": False}
    assert introspect(revision + 1000).status == 503


# Nodes that stand still, die or leave.

def test_a_node_that_stands_still_holds_a_change_up_for_a_lease_and_says_nothing_old_when_it_goes_on(nodes, sink):
    here, there = nodes
    user = bearer_user(here)

    for time_over in range(4):
        with stopped(there):
            reset(here, user)
            questions = Questions(there, user.token)
        heard = questions.answers() | hammer(there, user.token, 1.5, and_until=401)

        assert heard <= {401, 503}, heard
        assert 401 in heard, "it never came back to itself"
        assert status(there, user.token) == 401
        user.token = sink.wait_for_token(user.email, after=time_over + 1)
        assert status(there, user.token) == 200


def test_a_node_that_goes_on_before_its_lease_is_over_says_nothing_old_after_the_answer(nodes, sink):
    here, there = nodes
    user = bearer_user(here)

    for time_over, pause in enumerate([0.05, 0.3, 0.8, 1.5, 2.5, 3.5, 4.2, 4.4, 4.6, 4.8]):
        with ThreadPoolExecutor(1) as pool:
            with stopped(there):
                waiting = pool.submit(reset, here, user)
                time.sleep(pause)
            waiting.result()
        heard = Questions(there, user.token).answers() | hammer(there, user.token, 0.3)

        assert heard <= {401, 503}, f"{heard}, stopped for {pause} s"
        user.token = sink.wait_for_token(user.email, after=time_over + 1)
        wait_until(lambda: status(there, user.token) == 200, what="the node to know the new token")


def test_a_node_that_is_killed_holds_one_change_up_and_no_other(nodes):
    here, there = nodes
    user = bearer_user(here)
    there.kill()

    reset(here, user)
    took = [seconds_of(lambda: reset(here, user)) for _ in range(5)]

    assert not is_held_up(took), took
    there.start()
    reset(here, user)
    assert status(there, user.token) == 401


def test_a_node_that_was_stopped_as_it_should_be_is_not_waited_for(nodes):
    here, there = nodes
    user = bearer_user(here)
    assert there.stop() == 0

    took = [seconds_of(lambda: reset(here, user)) for _ in range(5)]

    assert not is_held_up(took), took


def test_a_node_that_starts_knows_every_change_and_holds_none_up(nodes, sink):
    here, there = nodes
    user = bearer_user(here)
    dead = user.token
    longest = []

    def change_something(time_over: int) -> None:
        here.do("device-type", "set", "mobile", "--bearer", "on" if time_over % 2 else "off")
        here.do("user", "unlock", user.username)

    for time_over in range(5):
        there.stop()
        there.start(ready=False)
        until = time.monotonic() + 2
        longest.append(0.0)
        while time.monotonic() < until:
            longest[-1] = max(longest[-1], seconds_of(lambda: change_something(time_over)))
        there.wait_ready()
        reset(here, user)
        assert status(there, dead) == 401
        dead = user.token = sink.wait_for_token(user.email, after=time_over + 1)

    assert not is_held_up(longest), longest


def test_a_node_that_is_cut_off_from_the_database_accepts_nothing_that_died_meanwhile(wired, sink):
    here, there, wire = wired
    user = bearer_user(here)

    wire.cut()
    before = status(there, user.token)
    reset(here, user)
    heard = Questions(there, user.token).answers() | hammer(there, user.token, 1)
    took = [seconds_of(lambda: here.do("user", "unlock", user.username)) for _ in range(3)]
    wire.mend()

    assert before == 200, "the cut was not to be noticed yet"
    assert heard == {503}
    assert not is_held_up(took), took
    user.token, old = sink.wait_for_token(user.email, after=1), user.token
    wait_until(lambda: status(there, user.token) == 200, within=60, what="the node to come back by itself")
    assert status(there, old) == 401


# The database stands still, or is gone.

@pytest.fixture
def own_postgres():
    cluster = Postgres().start()
    yield cluster
    cluster.remove()


@pytest.mark.parametrize("trouble", [paused, gone])
def test_without_the_database_both_nodes_say_that_they_cannot_know_and_come_back_by_themselves(
        build_house, own_postgres, sink, trouble):
    first = build_house(database=create_database(own_postgres.url))
    nodes = [first, another_node(build_house, first)]
    know_each_other(first)
    user = bearer_user(first)
    dead = user.token
    reset(first, user)
    user.token = sink.wait_for_token(user.email, after=1)

    with trouble(own_postgres):
        until = time.monotonic() + LEASE
        while time.monotonic() < until:
            for node in nodes:
                assert status(node, user.token) in (200, 503), "what is alive is not said to be dead"
                assert status(node, dead) in (401, 503)
        for node in nodes:
            assert status(node, user.token) == status(node, dead) == 503
            for_nginx = ask(node, user.token, NGINX)
            assert for_nginx.status == 403
            assert for_nginx.headers["X-Symbolon-Reason"]
            assert node.request("GET", "/readyz").status == 503
            assert node.request("GET", "/livez").status == 200

    for node in nodes:
        wait_until(lambda: node.request("GET", "/readyz").status == 200, within=60, what="the node to be ready again")
        assert status(node, user.token) == 200
        assert status(node, dead) == 401
    reset(nodes[1], user)
    assert status(nodes[0], user.token) == 401


# A session that is used at one node alone.

@pytest.fixture
def shifted(build_house, tmp_path):
    """Two nodes whose clock steps where it is told to, in minutes; that of the database does not."""
    shift = tmp_path / "shift"
    environment = {**clock_off_by(""), "FAKETIME_TIMESTAMP_FILE": str(shift), "FAKETIME_NO_CACHE": "1"}
    del environment["FAKETIME"]

    def step_to(minutes: int) -> None:
        shift.write_text(f"+{minutes}m\n")

    step_to(0)
    first = build_house("postgres", environment=environment)
    second = another_node(build_house, first, environment=environment)
    first.cli("profile", "set", "Standard", "--session-idle", "5m")
    return first, second, step_to


def minutes_noted(node: House) -> float:
    """How long after their log-in the database knows sessions to have been used."""
    return int(psql(node.database, "SELECT MAX(last_used_at - started_at) FROM session WHERE kind = 'api'")) / 60_000


def test_a_session_that_is_used_at_one_node_alone_stays_alive_at_the_other(shifted):
    here, there, step_to = shifted
    user = here.user_with_token()
    session, unused = session_of(here, user), session_of(here, user)

    for minutes in (4, 8, 12):
        step_to(minutes)
        assert status(there, session) == 200, f"after {minutes} minutes"
        wait_until(lambda: minutes_noted(here) >= minutes - 1, within=60, what="the use to be written down")

    assert status(here, session) == 200, "it was used, though not here"
    assert status(here, unused) == status(there, unused) == 401
    step_to(18)
    assert status(here, session) == status(there, session) == 401


# Starting, failovers, clocks.

@contextmanager
def nobody_reads_sessions(node: House):
    """Users and tokens can be read and written, sessions cannot."""
    holder = subprocess.Popen([program("psql"), "-X", "-q", "-At", "-d", node.database], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("BEGIN; LOCK TABLE session; SELECT 'held';\n")
        holder.stdin.flush()
        assert holder.stdout.readline().strip() == "held"
        yield
    finally:
        holder.communicate("ROLLBACK;\n", timeout=60)


def test_a_node_whose_readings_hang_answers_a_change_within_a_lease_and_then_says_that_it_cannot_know(nodes):
    here, there = nodes
    user = bearer_user(here)
    here.cli("profile", "set", "Standard", "--sessions-on-reset", "keep")

    with nobody_reads_sessions(here):
        reset(here, user)
        heard = {status(node, user.token) for node in nodes}

    assert heard == {503}
    for node in nodes:
        wait_until(lambda: status(node, user.token) == 401, within=60, what="the node to come back by itself")


def test_a_token_that_died_while_a_node_was_starting_in_vain_is_dead_when_it_has_started(build_house):
    here = build_house("postgres")
    user = bearer_user(here)
    here.cli("profile", "set", "Standard", "--sessions-on-reset", "keep")
    there = another_node(build_house, here)
    assert status(there, user.token) == 200
    there.stop()

    # The sessions are counted when users and tokens have been read.
    counting = "query LIKE 'SELECT COUNT(*) FROM session %'"
    waiting = f"FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND {counting}"
    with nobody_reads_sessions(here):
        there.start(ready=False)
        wait_until(lambda: psql(here.database, f"SELECT 1 {waiting}"), what="the node to come to the sessions")
        reset(here, user)
        psql(here.database, f"SELECT pg_terminate_backend(pid) {waiting}")
    there.wait_ready()

    assert status(there, user.token) == 401


def test_who_is_the_second_to_be_told_that_a_token_is_dead_is_told_no_sooner_than_it_holds(wired):
    here, there, wire = wired
    user = bearer_user(here)
    retired = "SELECT COUNT(*) FROM token WHERE retired_at IS NOT NULL"

    def revoke() -> int:
        return here.oauth("/services/oauth2/revoke", {"token": user.token}).status

    with ThreadPoolExecutor(1) as pool:
        wire.cut()
        first = pool.submit(revoke)
        wait_until(lambda: psql(here.database, retired).strip() == "1", pause=0.01, what="the commit of the first")
        second = revoke()
        after_the_answer = status(there, user.token)
        wire.mend()
        assert first.result() == second == 200

    assert after_the_answer in (401, 503)


def test_a_node_that_missed_changes_that_the_log_has_forgotten_does_not_take_itself_for_current(nodes):
    here, there = nodes
    user = bearer_user(here)

    with stopped(there):
        reset(here, user)
        psql(here.database, "DELETE FROM change")
    heard = hammer(there, user.token, 2.5)

    assert heard <= {401, 503}, heard
    for node in nodes:
        wait_until(lambda: status(node, user.token) == 401, what="the node to have read everything anew")


def end_connections(node: House) -> None:
    """Ends every connection of the servers to their database, and none to the databases of other tests."""
    psql(node.database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND application_name = 'symbolon'")


def test_a_failover_that_lost_the_last_changes_leaves_no_dead_token_alive(nodes, sink):
    here, there = nodes
    user = bearer_user(here)
    before = int(ask(there, user.token).headers["X-Symbolon-Revision"])
    # A standby took over that had not received the last two.
    for name in ("lost", "lost-too"):
        here.cli("device-type", "add", name)
    psql(here.database, f"DELETE FROM change WHERE revision > {before}")
    psql(here.database, f"UPDATE revision SET revision = {before}")
    end_connections(here)
    for node in nodes:
        wait_until(lambda: "the live view is closed" in node.log(), what="the node to notice the failover")

    # The change after the next has a number that both nodes have applied something else under.
    wait_until(lambda: here.run("user", "unlock", user.username).code == 0, what="the database to be reached again")
    reset(here, user)

    for node in nodes:
        assert hammer(node, user.token, 1.0) <= {401, 503}
    user.token = sink.wait_for_token(user.email, after=1)
    for node in nodes:
        wait_until(lambda: status(node, user.token) == 200, what="the node to have read everything anew")


@pytest.fixture
def steppable(monkeypatch):
    """A PostgreSQL whose clock steps where it is told to."""
    cluster = Postgres()
    faketime = clock_off_by("")
    # Where its account can read it, which is not that of the tests.
    shift = cluster.directory / "shift"
    shift.write_text("+0s\n")
    words = ["env", f"LD_PRELOAD={faketime['LD_PRELOAD']}", f"FAKETIME_TIMESTAMP_FILE={shift}",
             "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
    plain = postgres.unprivileged()
    monkeypatch.setattr(postgres, "unprivileged", lambda: plain + words)
    cluster.start()

    def step(text: str) -> None:
        before = float(psql(cluster.url, "SELECT extract(epoch FROM clock_timestamp())"))
        shift.write_text(text + "\n")
        after = float(psql(cluster.url, "SELECT extract(epoch FROM clock_timestamp())"))
        assert abs(after - before) > 5, "the clock did not step"

    yield cluster, step
    cluster.remove()


def test_a_clock_of_the_database_that_steps_forwards_lets_no_dead_token_live(build_house, steppable):
    cluster, step = steppable
    here = build_house(database=create_database(cluster.url))
    with Wire(here.database) as wire:
        there = another_node(build_house, here, database=wire.url)
        know_each_other(here)
        user = bearer_user(here)

        wire.cut()
        step("+10s")
        reset(here, user)
        after_the_answer = status(there, user.token)
        there.kill()

    assert after_the_answer in (401, 503)


def test_a_clock_of_the_database_that_steps_backwards_holds_one_change_up_and_no_other(build_house, steppable):
    cluster, step = steppable
    here = build_house(database=create_database(cluster.url))
    there = another_node(build_house, here)
    know_each_other(here)
    user = bearer_user(here)

    there.kill()
    step("-1h")
    reset(here, user)
    took = [seconds_of(lambda: reset(here, user)) for _ in range(3)]

    assert not is_held_up(took), took
