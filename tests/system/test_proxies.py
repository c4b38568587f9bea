"""Proxies that ask Symbolon before they pass a request on: the real ones, with the configuration that
`symbolon proxy-config` prints, and Traefik by its documented request shape.

Every test holds for all of them; what differs from proxy to proxy stands in `proxies/fronts.py`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import secrets
import signal
import subprocess
from pathlib import Path

import pytest

from house import House, User, basic, binary, clean_environment, made_up_token, wait_until
from proxies.exchange import ask, bearer, chunked, exchange, request_bytes
from proxies.fronts import FRONTS, Front, snippet
from proxies.tap import Tap
from proxies.upstream import Arrived, Upstream

IDENTITY = ["Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "X-Symbolon-Device-Type",
            "X-Symbolon-Expires-At", "X-Symbolon-Revision"]
REAL = [name for name in FRONTS if name != "traefik"]

every_front = pytest.mark.parametrize("front_name", list(FRONTS))
every_real_front = pytest.mark.parametrize("front_name", REAL)


@pytest.fixture
def upstream():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def put_before(request, tmp_path, upstream):
    """Puts a proxy before the upstream, which asks at `authority`."""
    fronts: list[Front] = []

    def put(name: str, authority: str, *demands: str, change=lambda _, text: text) -> Front:
        front = FRONTS[name](tmp_path / f"{name}-{len(fronts)}")
        fronts.append(front)
        front.configure(upstream.url, authority, *demands, change=lambda text: change(front, text))
        return front.start()

    yield put
    for front in fronts:
        front.stop()
        request.node.add_report_section("teardown", f"log of {front.name}", front.log())


@pytest.fixture
def front(front_name, house: House, put_before) -> Front:
    return put_before(front_name, house.base)


def session_of(house: House, user: User) -> str:
    answer = house.soap_login(user.username, user.secret)
    assert answer.status == 200, answer.text
    return answer.session_id


def identity(arrived: Arrived) -> dict[str, str]:
    """What the upstream is told of the client; the same header twice is a fault, a missing one is empty."""
    told = {name: arrived.values(name) for name in IDENTITY}
    assert all(len(values) <= 1 for values in told.values()), told
    return {name: (values or [""])[0] for name, values in told.items()}


# Who is let in, and as whom.

@every_front
def test_a_live_session_passes_and_the_upstream_is_told_whose_it_is(house: House, front: Front, upstream: Upstream):
    user = house.user_with_token(name="Zoë Ångström")
    session = session_of(house, user)

    # Its own query is no demand: the last members would refuse it.
    path = "/a/b%20c/?d=e&f=%2F&device_type=none&profile=none&min_revision=junk"
    arrived = ask(front.port, "GET", path, bearer(session)).arrived()

    assert (arrived.method, arrived.path) == ("GET", path)
    told = identity(arrived)
    assert told["Remote-User"] == user.username
    assert told["Remote-Email"] == user.email
    assert told["Remote-Groups"] == "Standard"
    assert told["X-Symbolon-Device-Type"] == "any"
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)?", told["X-Symbolon-Expires-At"])
    assert re.fullmatch(r"\d+", told["X-Symbolon-Revision"])
    assert told["Remote-Name"].encode("latin-1").decode() == "Zoë Ångström"
    if front.passes_empty_headers:
        assert [name for name in IDENTITY if not arrived.values(name)] == []


@every_front
def test_a_username_with_a_session_and_a_key_pass_as_well(house: House, front: Front):
    user = house.user_with_token()
    session = session_of(house, user)

    for headers in ([("Authorization", basic((user.username, session)))], [("X-Api-Key", session)]):
        assert identity(ask(front.port, headers=headers).arrived())["Remote-User"] == user.username


@every_front
def test_a_request_without_a_good_credential_is_refused(house: House, front: Front, upstream: Upstream):
    user = house.user_with_token()

    for headers in ([], bearer("junk"), bearer(made_up_token()), bearer(user.token), bearer(user.secret),
                    [("Authorization", "Bearer")], [("Authorization", "junk")], [("X-Api-Key", made_up_token())],
                    [("Authorization", basic((user.username, user.password)))]):
        response = ask(front.port, "POST", "/orders", headers, b"body")
        assert response.status == 401, (headers, response)
        assert 'Bearer error="invalid_token"' in response.headers["WWW-Authenticate"]

    assert upstream.requests == []


@every_front
def test_a_session_is_refused_from_its_log_out_or_the_next_reset_on(house: House, front: Front, upstream: Upstream):
    user = house.user_with_token()
    by_logout, by_reset = session_of(house, user), session_of(house, user)
    assert [ask(front.port, headers=bearer(session)).status for session in (by_logout, by_reset)] == [200, 200]

    house.soap_call(by_logout, "<logout/>")
    after_logout = [ask(front.port, headers=bearer(session)).status for session in (by_logout, by_reset)]
    house.reset(user)
    after_reset = ask(front.port, headers=bearer(by_reset)).status

    assert after_logout == [401, 200]
    assert after_reset == 401
    assert len(upstream.requests) == 3
    assert ask(front.port, headers=bearer(session_of(house, user))).status == 200


@every_front
def test_several_credentials_at_once_are_no_credential(house: House, front: Front, upstream: Upstream):
    user = house.user_with_token()
    session = session_of(house, user)

    for second in (bearer("junk"), bearer(session), [("Authorization", basic((user.username, user.password)))]):
        for headers in (bearer(session) + second, second + bearer(session)):
            # 400 where the proxy itself does not take such a request.
            assert ask(front.port, headers=headers).status in (400, 401), headers

    assert upstream.requests == []


# Who says who it is.

def spellings(name: str) -> list[str]:
    """The header's name, and what some program may take for it."""
    words = name.split("-")
    joined = {"".join(itertools.chain.from_iterable(zip(words, [*joins, ""], strict=True)))
              for joins in itertools.product("-_.", repeat=len(words) - 1)}
    odd = {"".join(char.upper() if at % 2 else char.lower() for at, char in enumerate(name))}
    return sorted(joined | odd | {name.lower(), name.upper(), name.replace("-", "_").upper()})


@every_front
def test_a_client_cannot_say_who_it_is_in_any_spelling(house: House, front: Front, upstream: Upstream):
    user = house.user_with_token()
    session = session_of(house, user)
    who = IDENTITY[:5]
    truth = identity(ask(front.port, headers=bearer(session)).arrived())

    for name in IDENTITY:
        lies = [(spelling, "mallory") for spelling in spellings(name)]
        for headers in (lies + bearer(session), bearer(session) + lies, bearer(session) + [(name, "mallory")] * 2):
            arrived = ask(front.port, headers=headers).arrived()
            believed = [pair for pair in arrived.headers if "mallory" in pair[1] and "." not in pair[0]]
            assert believed == []
            # A dot counts in front of few programs; Traefik has no way to drop what it cannot name.
            dotted = [pair for pair in arrived.headers if "mallory" in pair[1]]
            assert dotted == [] or front.name == "traefik"
            told = identity(arrived)
            assert [told[name] for name in who] == [truth[name] for name in who]

    refused = ask(front.port, headers=[(name, "mallory") for name in IDENTITY])
    assert refused.status == 401


@every_front
def test_nothing_that_a_client_sends_widens_what_a_route_demands(house: House, put_before, front_name,
                                                                 upstream: Upstream):
    user = house.user_with_token()
    session = session_of(house, user)
    front = put_before(front_name, house.base, "--device-type", "server", "--profile", "Nobody's")

    for path, headers in [
            ("/", []), ("/?device_type=any&profile=Standard", []), ("/?profile=Standard", []),
            ("/", [("X-Symbolon-Require-Device-Type", "any"), ("X-Symbolon-Require-Profile", "Standard")]),
            ("/", [("X_Symbolon_Require_Device_Type", "any"), ("X_Symbolon_Require_Profile", "Standard")]),
            ("/", [("X-Forwarded-Uri", "/?device_type=any&profile=Standard"), ("X-Original-URL", "http://a/")])]:
        response = ask(front.port, "GET", path, bearer(session) + headers)
        assert response.status == 403, (path, headers, response)

    assert upstream.requests == []


@every_front
def test_no_path_leads_past_the_question(front: Front, upstream: Upstream):
    for path in ("/livez", "/../../livez", "/../livez", "/..%2f..%2flivez", "/%2e%2e/%2e%2e/livez", "//livez", "/./",
                 "/authz/forward-auth", "/_symbolon", "/?", "/a/../../../login", "/*"):
        response = ask(front.port, "GET", path)
        # 404 for nginx's internal location, 400 for a path that the proxy does not take.
        assert response.status in (400, 401, 404), (path, response)

    assert upstream.requests == []


# Device types and profiles.

@every_front
def test_a_route_may_demand_a_device_type(house: House, put_before, front_name, upstream: Upstream):
    on_any, on_server = house.user_with_token(), house.add_user()
    house.do("token", "reset", on_server.username, "--device-type", "server")
    on_server.token = house.sink.wait_for_token(on_server.email)
    sessions = [session_of(house, user) for user in (on_any, on_server)]

    server = put_before(front_name, house.base, "--device-type", "server")
    either = put_before(front_name, house.base, "--device-type", "server", "--device-type", "any")
    neither = put_before(front_name, house.base, "--device-type", "mobile", "--device-type", "desktop")

    def statuses(front):
        return [ask(front.port, headers=bearer(session)).status for session in sessions]

    assert statuses(server) == [403, 200]
    assert statuses(either) == [200, 200]
    assert statuses(neither) == [403, 403]
    told = identity(ask(server.port, headers=bearer(sessions[1])).arrived())
    assert told["X-Symbolon-Device-Type"] == "server"
    assert ask(server.port, headers=bearer("junk")).status == 401


@every_front
@pytest.mark.parametrize("profile", ["Contract Workers", "50% \"Büro\" & Co.; $x {y} 'z' #1"])
def test_a_route_may_demand_a_profile_whatever_its_name(house: House, put_before, front_name, profile):
    house.do("profile", "add", profile)
    inside, outside = house.user_with_token(profile=profile), house.user_with_token()
    front = put_before(front_name, house.base, "--profile", "Nobody's", "--profile", profile)

    admitted = ask(front.port, headers=bearer(session_of(house, inside)))
    refused = ask(front.port, headers=bearer(session_of(house, outside)))

    assert admitted.status == 200, admitted
    assert refused.status == 403


# What reaches the upstream, and what Symbolon.

@every_front
def test_a_body_reaches_the_upstream_untouched_and_symbolon_never(house: House, put_before, front_name,
                                                                  upstream: Upstream):
    session = session_of(house, house.user_with_token())
    mark = secrets.token_hex(16).encode()
    body = (mark + os.urandom(1008)) * 1000
    body += os.urandom(2 ** 20 - len(body))
    digest = hashlib.sha256(body).hexdigest()
    cookie = secrets.token_hex(16)

    with Tap(house.port) as tap:
        front = put_before(front_name, tap.url)
        plain = ask(front.port, "POST", "/upload", bearer(session) + [("Cookie", f"a={cookie}")], body)
        in_chunks = ask(front.port, "POST", "/upload", bearer(session) + [("Transfer-Encoding", "chunked")],
                        chunked(body, 30_000))
        expected = ask(front.port, "PUT", "/upload", bearer(session) + [("Expect", "100-continue")], body)
        refused = ask(front.port, "POST", "/upload", bearer("junk"), body[:1000])
        heard = bytes(tap.heard)

    for response in (plain, in_chunks, expected):
        arrived = response.arrived()
        assert (arrived.body_length, arrived.body_digest) == (2 ** 20, digest)
    assert refused.status == 401
    assert session.encode() in heard
    assert mark not in heard
    assert cookie.encode() not in heard
    assert len(heard) < 20_000


@every_front
def test_the_credential_can_be_kept_from_the_upstream(house: House, put_before, front_name):
    user = house.user_with_token()
    session = session_of(house, user)
    usual = put_before(front_name, house.base)
    keeping = put_before(front_name, house.base, change=lambda front, text: front.keeping_credential(text))

    for headers in (bearer(session), [("X-Api-Key", session)], [("Authorization", basic((user.username, session)))]):
        (name, value), = headers
        kept = ask(keeping.port, headers=headers).arrived()
        assert (kept.values(name), identity(kept)["Remote-User"]) == ([], user.username)
        # Envoy takes it away because Symbolon says so.
        passed = ask(usual.port, headers=headers).arrived()
        assert passed.values(name) == ([] if front_name.startswith("envoy") else [value])


@every_front
def test_every_method_passes_as_it_is_and_is_refused_alike(house: House, front: Front, upstream: Upstream):
    session = session_of(house, house.user_with_token())

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        refused = ask(front.port, method, "/thing", bearer("junk"))
        response = ask(front.port, method, "/thing", bearer(session))
        assert (refused.status, response.status) == (401, 200), method
        assert upstream.requests[-1].method == method

    assert len(upstream.requests) == 8


@every_front
def test_symbolon_learns_method_and_path_and_connections_to_it_are_kept(house: House, put_before, front_name):
    session = session_of(house, house.user_with_token())

    with Tap(house.port) as tap:
        front = put_before(front_name, tap.url)
        before = tap.connections
        for number in range(12):
            assert ask(front.port, "DELETE", f"/orders/{number}?from=here", bearer(session)).status == 200
        heard, opened = bytes(tap.heard), tap.connections - before

    assert b"DELETE" in heard
    assert b"/orders/11?from=here" in heard
    # Two workers or threads may have one each. What stands in for Traefik keeps none.
    assert opened <= 3 or front_name == "traefik", opened


@every_real_front
def test_requests_on_one_connection_are_judged_one_by_one(house: House, front: Front, upstream: Upstream):
    session = session_of(house, house.user_with_token())

    responses = exchange(
        front.port,
        request_bytes("GET", "/1", bearer(session)),
        request_bytes("POST", "/2", bearer(session), b"two"),
        request_bytes("GET", "/3", []),
        request_bytes("GET", "/4", bearer("junk")),
        request_bytes("POST", "/5", bearer(session) + [("Transfer-Encoding", "chunked")], chunked(b"five", 2)),
        request_bytes("GET", "/6", [("Remote-User", "mallory")]),
        request_bytes("GET", "/7", bearer(session)))

    assert [response.status for response in responses] == [200, 200, 401, 401, 200, 401, 200]
    assert [request.path for request in upstream.requests] == ["/1", "/2", "/5", "/7"]
    assert [request.body_length for request in upstream.requests] == [0, 3, 4, 0]


# From where a credential is used.

OTHER_PROXY = "127.0.0.9"


def noted_source(house: House, front: Front, headers: list[tuple[str, str]], source: str) -> str:
    """The address that Symbolon notes of a request that comes to the proxy from `source`: its owner reads of it."""
    user = house.user_with_token()
    assert ask(front.port, headers=bearer(user.token) + headers, source=source).status == 401
    return house.wait_for_history(user, lambda row: row["head"] not in ("web", "soap-partner"))["source"]


@pytest.mark.house(arguments=["--trusted-proxy", "127.0.0.1"])
@every_front
def test_the_proxys_client_is_noted_and_not_what_it_says_of_itself(house: House, front: Front):
    spoofed = [("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9")]

    assert noted_source(house, front, spoofed, "127.0.0.5") == "127.0.0.5"


@pytest.mark.house(arguments=["--trusted-proxy", "127.0.0.1", OTHER_PROXY])
@every_real_front
def test_behind_another_proxy_the_client_is_the_one_whom_that_proxy_names(house: House, put_before, front_name):
    front = put_before(front_name, house.base, change=lambda front, text: front.behind(OTHER_PROXY, text))
    passed_on = [("X-Forwarded-For", "6.6.6.6, 203.0.113.9")]

    assert noted_source(house, front, passed_on, OTHER_PROXY) == "203.0.113.9"


# Outages.

def all_threads_stopped(process: int) -> bool:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return all(Path(task, "stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt" for task in tasks)


@every_front
def test_while_symbolon_is_gone_nobody_passes_and_afterwards_they_do_again(house: House, front: Front,
                                                                           upstream: Upstream):
    session = session_of(house, house.user_with_token())
    assert ask(front.port, headers=bearer(session)).status == 200

    house.kill()
    gone = [ask(front.port, headers=headers).status for headers in (bearer(session), bearer("junk"), [])]
    house.start()
    back = [ask(front.port, headers=headers).status for headers in (bearer(session), bearer("junk"), [])]

    assert gone == [front.when_gone] * 3
    assert back == [200, 401, 401]
    assert len(upstream.requests) == 2


@every_real_front
def test_while_symbolon_is_silent_nobody_passes_and_nobody_waits_for_long(house: House, front: Front,
                                                                          upstream: Upstream):
    session = session_of(house, house.user_with_token())

    os.kill(house.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: all_threads_stopped(house.process.pid), what="all threads to stop", pause=0.01)
        # Sooner than a proxy gives up of itself, which is after a minute.
        silent = ask(front.port, headers=bearer(session), timeout=30).status
    finally:
        os.kill(house.process.pid, signal.SIGCONT)

    assert silent == front.when_silent
    assert upstream.requests == []


@every_front
def test_what_symbolon_cannot_tell_is_no_refusal(house: House, put_before, front_name, upstream: Upstream):
    """A revision that is far away is demanded: there is no state to answer from."""
    session = session_of(house, house.user_with_token())

    def demand_revision(_, text: str) -> str:
        changed = re.sub(r"X-Symbolon-Require-Device-Type, (.*)any", r"X-Symbolon-Min-Revision, \g<1>99999999", text)
        changed = changed.replace("?device_type=any", "?min_revision=99999999&deadline_ms=50")
        changed = changed.replace('device_type: "any"', 'min_revision: "99999999"')
        assert changed != text
        return changed

    front = put_before(front_name, house.base, "--device-type", "any", change=demand_revision)
    response = ask(front.port, headers=bearer(session), timeout=60)

    assert response.status == 503
    assert response.headers["Retry-After"] == ("5" if front.passes_retry_after else None)
    assert upstream.requests == []


@every_front
def test_an_answer_that_names_nobody_leaves_no_room_for_the_clients_word(put_before, front_name, upstream: Upstream):
    # Symbolon names somebody or refuses; what stands here in its place admits everybody and names nobody.
    with Upstream() as impostor:
        front = put_before(front_name, impostor.url)
        ask(front.port, headers=bearer("junk") + [(name, "mallory") for name in IDENTITY])

    assert [pair for request in upstream.requests for pair in request.headers if "mallory" in pair[1]] == []


# The command.

@pytest.mark.parametrize("upstream_url", ["127.0.0.1:9000", "ftp://127.0.0.1", "http://", "http://a/path", "http://a?b",
                                          "http://user:secret@a", "http://a:0", "http://a:99999", "http://a b", "",
                                          "http://a;b", "http://$host", "http://a'b", "http://-a", "http://[::g]"])
def test_an_upstream_that_is_none_is_wrong_usage_and_told_how_to_write_it(tmp_path, upstream_url):
    for proxy in ("nginx", "caddy", "traefik", "haproxy", "envoy"):
        done = run(tmp_path, proxy, "--upstream", upstream_url)
        assert done.returncode == 2, (proxy, done)
        assert "http://127.0.0.1:9000" in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("words", [
    ["apache", "--upstream", "http://a"], ["nginx"], ["--upstream", "http://a"],
    ["nginx", "--grpc", "--upstream", "http://a"], ["nginx", "--upstream", "http://a", "--listen-port", "0"],
    ["nginx", "--upstream", "http://a", "--device-type", "Not One"],
    ["envoy", "--upstream", "http://a", "--profile", "one, two"],
    ["nginx", "--upstream", "http://a", "--public-url", "http://a/b"]])
def test_what_cannot_be_written_down_is_wrong_usage(tmp_path, words):
    done = run(tmp_path, *words)

    assert done.returncode == 2, done
    assert done.stderr.strip()
    assert done.stdout == ""


def run(directory, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), "proxy-config", *words], cwd=directory, env=clean_environment(),
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("proxy", ["nginx", "caddy", "traefik", "haproxy", "envoy"])
def test_as_json_the_configuration_is_what_is_printed_without(tmp_path, proxy):
    words = [proxy, "--upstream", "http://127.0.0.1:9000"]

    printed, told = run(tmp_path, *words), run(tmp_path, *words, "--json")

    assert (printed.returncode, told.returncode) == (0, 0), told
    assert json.loads(told.stdout) == {"proxy": proxy, "configuration": printed.stdout}


def test_the_address_of_symbolon_comes_from_its_configuration(tmp_path):
    def printed(*words):
        return snippet("traefik", "--upstream", "http://127.0.0.1:9000", *words, directory=tmp_path)

    preset = printed()
    by_flag = printed("--listen", "0.0.0.0:7000")
    (tmp_path / "symbolon.toml").write_text('public_url = "https://tokens.example.com"\n')
    by_file = printed()

    assert "http://127.0.0.1:8080/authz/forward-auth" in preset
    assert "http://127.0.0.1:7000/authz/forward-auth" in by_flag
    assert "https://tokens.example.com:443/authz/forward-auth" in by_file


@every_real_front
@pytest.mark.parametrize("authority, upstream_url", [
    ("http://127.0.0.1:8080", "http://127.0.0.1:9000"), ("http://[::1]:8080", "http://[::1]:9000"),
    ("https://127.0.0.1", "https://127.0.0.1:9443"), ("http://localhost:8080", "http://localhost")])
def test_a_proxy_takes_what_is_printed_for_any_addresses(tmp_path, front_name, authority, upstream_url):
    front = FRONTS[front_name](tmp_path / "front")

    front.configure(upstream_url, authority, "--device-type", "server", "--profile", "Standard")


@pytest.mark.house(tls=True)
@every_real_front
def test_a_proxy_asks_over_tls_and_trusts_the_private_authority_alone(house: House, tmp_path, front_name, upstream,
                                                                     request):
    session = session_of(house, house.user_with_token())
    trusting, wary = (FRONTS[front_name](tmp_path / name) for name in ("trusting", "wary"))
    request.addfinalizer(trusting.stop)
    request.addfinalizer(wary.stop)
    words = ("--data-dir", str(house.data), "--listen-tls", f"127.0.0.1:{house.tls_port}", "--tls-self-signed")

    trusting.configure(upstream.url, house.base, *words)
    wary.configure(upstream.url, house.base)
    statuses = [ask(front.start().port, headers=bearer(session)).status for front in (trusting, wary)]

    assert statuses == [200, wary.when_gone], trusting.log() + wary.log()
