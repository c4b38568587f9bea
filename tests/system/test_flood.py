"""A flood of log-ins: one address gets its share and no more, others are served, and everybody is told the truth."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from house import House, wait_until

FLOOD = "127.0.0.1"
OTHER = "127.0.0.2"


@pytest.mark.house(environment={"SYMBOLON_HASH_THREADS": "1"})
def test_a_flood_from_one_address_is_turned_away_and_another_address_is_served(house: House):
    flooding, other = house.user_with_token(), house.user_with_token()
    enough = threading.Event()

    def flood() -> list:
        answers = []
        while not enough.is_set():
            answers.append(house.soap_login(flooding.username, flooding.secret, source=FLOOD))
            if answers[-1].status == 429:
                # Ruder than Retry-After asks for, and yet this flood leaves the machine to the server.
                enough.wait(0.05)
        return answers

    # One thread hashes, so 64 may wait and 16 of them from one address: these are three times its share.
    with ThreadPoolExecutor(48) as pool:
        floods = [pool.submit(flood) for _ in range(48)]
        try:
            beside = [house.soap_login(other.username, other.secret, source=OTHER) for _ in range(10)]
        finally:
            enough.set()
        answers = [answer for done in floods for answer in done.result()]

    assert [answer.status for answer in beside] == [200] * 10
    assert {answer.status for answer in answers} == {200, 429}
    turned_away = [answer for answer in answers if answer.status == 429]
    for answer in turned_away:
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
        assert answer.kind == "text/xml"
        assert answer.fault_code == "REQUEST_LIMIT_EXCEEDED"
    assert house.soap_login(flooding.username, flooding.secret, source=FLOOD).status == 200

    metrics = house.request("GET", "/metrics", port=house.ops_port).text
    counted = re.search(r'^symbolon_hashes_turned_away_total\{cause="share-taken"\} (\d+)$', metrics, re.M)
    assert counted and int(counted.group(1)) == len(turned_away)
    assert re.search(r"^symbolon_hashes_waiting 0$", metrics, re.M)


@pytest.mark.house(environment={"SYMBOLON_HASH_THREADS": "1"})
def test_beside_a_flood_of_logins_every_verification_is_answered(house: House):
    flooding, other = house.user_with_token(), house.user_with_token()
    session = house.soap_login(other.username, other.secret, source=OTHER).session_id
    headers = {"Authorization": f"Bearer {session}"}
    enough = threading.Event()
    flooded = []

    def flood() -> None:
        while not enough.is_set():
            flooded.append(house.soap_login(flooding.username, "wrong" + flooding.secret, source=FLOOD).status)

    statuses = []
    with ThreadPoolExecutor(8) as pool:
        floods = [pool.submit(flood) for _ in range(8)]
        try:
            wait_until(lambda: len(flooded) > 8, what="the flood to come")
            for _ in range(300):
                statuses.append(house.request("GET", "/authz/forward-auth", headers=headers, source=OTHER).status)
        finally:
            enough.set()
        for done in floods:
            done.result()

    assert statuses == [200] * 300
    assert set(flooded) <= {500, 429}


@pytest.mark.house(environment={"SYMBOLON_HASH_THREADS": "3"})
def test_passwords_are_hashed_on_threads_of_their_own_and_doctor_says_their_true_priority(house: House):
    house.user_with_token()

    idle = hash_threads_at_idle_priority(house)
    rows = house.cli("doctor")

    assert len(idle) == 3
    [row] = [row for row in rows if row["check"] == "hashing"]
    if all(idle):
        assert row["state"] == "ok" and "at idle priority" in row["detail"]
    else:
        assert row["state"] == "warning" and "at normal priority" in row["detail"]
        assert house.log().count("hashing runs at normal priority") == 1


def hash_threads_at_idle_priority(house: House) -> list[bool]:
    """Of each thread that hashes, whether it is in Linux' idle class; proc_pid_stat(5), field 41; sched(7)."""
    idle = []
    for thread in Path(f"/proc/{house.process.pid}/task").iterdir():
        if (thread / "comm").read_text().startswith("hash-"):
            behind_the_name = (thread / "stat").read_text().rpartition(")")[2].split()
            idle.append(behind_the_name[41 - 3] == "5")
    return idle
