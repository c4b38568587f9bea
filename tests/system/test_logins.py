"""API logins: who gets in, what a refusal looks like outside, and what the owner is told about it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import re
import time

import pytest

from engines import on_both_engines
from house import House, basic, login_envelope, wait_until

SESSION_ID = re.compile(r"00D[0-9A-Za-z]{12}![A-Za-z0-9._]{96}")
INVALID_LOGIN = "Invalid username, password, security token; or user locked out."

FAULT = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:sf="urn:fault.{head}.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<soapenv:Fault><faultcode>sf:INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: {message}</faultstring><detail>'
    '<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>'
    '{message}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>'
)

USER_INFO = [
    "accessibilityMode", "chatterExternal", "currencySymbol", "orgAttachmentFileSizeLimit", "orgDefaultCurrencyIsoCode",
    "orgDefaultCurrencyLocale", "orgDisallowHtmlAttachments", "orgHasPersonAccounts", "organizationId",
    "organizationMultiCurrency", "organizationName", "profileId", "roleId", "sessionSecondsValid",
    "userDefaultCurrencyIsoCode", "userEmail", "userFullName", "userId", "userLanguage", "userLocale", "userName",
    "userTimeZone", "userType", "userUiSkin",
]


def checksum(short_id: str) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    return "".join(letters[sum(1 << i for i, char in enumerate(short_id[at:at + 5]) if "A" <= char <= "Z")]
                   for at in (0, 5, 10))


def without_id(answer) -> bytes:
    assert answer.correlation_id, answer.text
    return answer.body.replace(answer.correlation_id.encode(), b"ID")


# What a login yields.

@on_both_engines
@pytest.mark.parametrize("head", ["u", "c"])
def test_a_soap_login_answers_in_the_order_of_the_wsdl(house: House, head):
    user = house.user_with_token()

    answer = house.soap_login(user.username, user.secret, head=head)

    assert answer.status == 200
    assert answer.kind == "text/xml"
    urn = {"u": "urn:partner.soap.sforce.com", "c": "urn:enterprise.soap.sforce.com"}[head]
    assert f'xmlns="{urn}"' in answer.text
    assert SESSION_ID.fullmatch(answer.session_id)
    org = answer.session_id.split("!")[0]
    assert answer.server_url == f"{house.base}/services/Soap/{head}/59.0/{org}"
    result = re.search(r"<result>(.*)</result>", answer.text, re.S).group(1)
    outer = re.sub(r"<userInfo>.*</userInfo>", "<userInfo></userInfo>", result, flags=re.S)
    assert re.findall(r"<([A-Za-z]+)", outer) == [
        "metadataServerUrl", "passwordExpired", "sandbox", "serverUrl", "sessionId", "userId", "userInfo"]
    info = re.search(r"<userInfo>(.*)</userInfo>", answer.text, re.S).group(1)
    assert re.findall(r"<([A-Za-z]+)", info) == USER_INFO
    assert "<passwordExpired>false</passwordExpired>" in result
    assert f"<userName>{user.username}</userName>" in info
    assert f"<userEmail>{user.email}</userEmail>" in info


def test_ids_have_the_shape_and_checksum_of_salesforce(house: House):
    user = house.user_with_token()

    answer = house.soap_login(user.username, user.secret)

    for name, prefix in (("userId", "005"), ("organizationId", "00D"), ("profileId", "00e")):
        value = re.search(rf"<{name}>(.*?)</{name}>", answer.text).group(1)
        assert re.fullmatch(r"[0-9A-Za-z]{18}", value), (name, value)
        assert value.startswith(prefix), (name, value)
        assert checksum(value[:15]) == value[15:], (name, value)


@pytest.mark.parametrize("path", [
    "/services/Soap/u/44.0", "/services/Soap/u/v44.0", "/services/Soap/u/59", "/services/Soap/u/59.0/",
    "//services/Soap/u/64.0/", "/login.salesforce.com/services/Soap/u/59.0", "/services/Soap/u/59.0/00D000000000001",
    "/acme.my.salesforce.com/services/Soap/u/59.0"])
def test_the_paths_that_clients_use_are_all_accepted(house: House, path):
    user = house.user_with_token()

    answer = house.soap_login(user.username, user.secret, path=path)

    assert answer.status == 200, (path, answer.text)


@pytest.mark.parametrize("variant", ["gzip", "no declaration", "default namespace", "no header", "leading space",
                                     "no action", "no charset", "odd prefix"])
def test_the_requests_that_clients_send_are_all_understood(house: House, variant):
    user = house.user_with_token()
    body = login_envelope(user.username, user.secret)
    headers: dict[str, str] = {"SOAPAction": "login"}
    if variant == "gzip":
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    elif variant == "no declaration":
        body = body.split(b"?>", 1)[1]
    elif variant == "no header":
        body = re.sub(rb"<env:Header>.*</env:Header>", b"", body)
    elif variant == "leading space":
        body = b"\n  " + body.split(b"?>", 1)[1]
    elif variant == "no action":
        headers["SOAPAction"] = '""'
    elif variant == "no charset":
        headers["Content-Type"] = "text/xml"
    elif variant == "odd prefix":
        body = body.replace(b"env:", b"Q-1:").replace(b"xmlns:env=", b"xmlns:Q-1=")
    elif variant == "default namespace":
        body = (b'<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
                b'<login xmlns="urn:partner.soap.sforce.com"><username>' + user.username.encode() +
                b"</username><password>" + user.secret.encode() + b"</password></login></Body></Envelope>")

    answer = house.soap(body, headers=headers)

    assert answer.status == 200, answer.text


@on_both_engines
def test_an_oauth_login_answers_with_strings_and_a_true_signature(house: House):
    user = house.user_with_token()
    _, client_secret = house.api_client()
    asked_at = time.time()

    answer = house.oauth_login(user.username, user.secret)

    assert answer.status == 200, answer.text
    assert answer.kind == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    said = answer.json()
    for name in ("access_token", "instance_url", "id", "token_type", "issued_at", "signature"):
        assert isinstance(said[name], str), name
    assert "refresh_token" not in said
    assert SESSION_ID.fullmatch(said["access_token"])
    assert said["instance_url"] == house.base
    assert said["token_type"] == "Bearer"
    assert abs(int(said["issued_at"]) / 1000 - asked_at) < 60
    assert re.fullmatch(re.escape(house.base) + r"/id/00D[0-9A-Za-z]{15}/005[0-9A-Za-z]{15}", said["id"])
    signed = hmac.new(client_secret.encode(), (said["id"] + said["issued_at"]).encode(), hashlib.sha256).digest()
    assert said["signature"] == base64.b64encode(signed).decode()


def test_an_oauth_client_may_give_its_secret_by_basic_and_others_headers_are_ignored(house: House):
    user = house.user_with_token()
    client = house.api_client()
    fields = {"grant_type": "password", "username": user.username, "password": user.secret}

    by_basic = house.oauth("/services/oauth2/token", fields, headers={"Authorization": basic(client)})
    by_form = house.oauth("/services/oauth2/token", fields | {"client_id": client[0], "client_secret": client[1]},
                          headers={"Authorization": 'OAuth oauth_nonce="abc"'})
    by_label = house.oauth("/login.salesforce.com/services/oauth2/token",
                           fields | {"client_id": client[0], "client_secret": client[1]})

    assert [by_basic.status, by_form.status, by_label.status] == [200, 200, 200]


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "grant_type", "nothing"])
def test_oauth_errors_are_of_the_kind_that_clients_read(house: House, wrong):
    user = house.user_with_token()
    client_id, client_secret = house.api_client()
    fields = {"grant_type": "password", "client_id": client_id, "client_secret": client_secret,
              "username": user.username, "password": user.secret}
    if wrong == "nothing":
        fields = {}
    else:
        fields[wrong] = "made-up"

    answer = house.oauth("/services/oauth2/token", fields)

    assert answer.status in (400, 401)
    assert answer.kind == "application/json"
    expected = {"client_id": {"invalid_client_id", "invalid_client"}, "client_secret": {"invalid_client"},
                "grant_type": {"unsupported_grant_type"},
                "nothing": {"invalid_request", "unsupported_grant_type", "invalid_client_id", "invalid_client"}}[wrong]
    assert answer.json()["error"] in expected
    assert answer.json()["error_description"]


def test_a_client_without_the_password_grant_may_not_use_it(house: House):
    user = house.user_with_token()
    client = house.cli("client", "add", "verifier", "--no-password-grant")

    answer = house.oauth("/services/oauth2/token", {
        "grant_type": "password", "client_id": client["client_id"], "client_secret": client["client_secret"],
        "username": user.username, "password": user.secret})

    assert answer.status == 400
    assert answer.json()["error"] in ("unauthorized_client", "invalid_grant", "unsupported_grant_type")


# What a session opens.

def test_the_session_opens_userinfo_identity_and_the_resources(house: House):
    user = house.user_with_token(name="Ada Lovelace")
    said = house.oauth_login(user.username, user.secret).json()
    bearer = {"Authorization": f"Bearer {said['access_token']}"}

    info = house.request("GET", "/services/oauth2/userinfo", headers=bearer).json()
    identity = house.request("GET", said["id"].removeprefix(house.base), headers=bearer).json()
    by_query = house.request("GET", said["id"].removeprefix(house.base) + "?format=json&oauth_token=" + said["access_token"])
    resources = house.request("GET", "/services/data/v59.0/", headers={"Authorization": f"OAuth {said['access_token']}"})
    versions = house.request("GET", "/services/data")

    assert info["preferred_username"] == user.username
    assert info["email"] == user.email
    assert re.fullmatch(r"005[0-9A-Za-z]{15}", info["user_id"])
    assert info["name"] == "Ada Lovelace"
    assert identity["username"] == user.username
    assert identity["user_id"] == info["user_id"]
    assert identity["urls"]
    assert by_query.status == 200
    assert resources.json()["identity"] == said["id"]
    assert {"label", "url", "version"} <= set(versions.json()[0])


def test_another_users_identity_is_not_to_be_had(house: House):
    ada, eve = house.user_with_token(), house.user_with_token()
    ada_said = house.oauth_login(ada.username, ada.secret).json()
    eve_said = house.oauth_login(eve.username, eve.secret).json()

    answer = house.request("GET", ada_said["id"].removeprefix(house.base),
                           headers={"Authorization": f"Bearer {eve_said['access_token']}"})

    assert answer.status in (403, 404)
    assert ada.email not in answer.text


@pytest.mark.parametrize("head", ["u", "c"])
def test_soap_tells_who_one_is_and_what_time_it_is(house: House, head):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret, head=head).session_id

    info = house.soap_call(session, "<getUserInfo/>", head=head)
    clock = house.soap_call(session, "<getServerTimestamp/>", head=head)

    assert f"<userName>{user.username}</userName>" in info.text
    assert re.search(r"<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z</timestamp>", clock.text)


@on_both_engines
def test_soap_logout_ends_the_session(house: House):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    other = house.soap_login(user.username, user.secret).session_id

    out = house.soap_call(session, "<logout/>")

    assert out.status == 200
    assert "logoutResponse" in out.text
    assert not house.session_works(session)
    assert house.session_works(other), "one session per login: the other one stays"


def test_a_dead_session_is_refused_as_clients_expect(house: House):
    dead = "00D000000000001!" + "A" * 96

    soap = house.soap_call(dead, "<getUserInfo/>")
    rest = house.request("GET", "/services/data/v59.0/", headers={"Authorization": f"Bearer {dead}"})

    assert soap.status == 500
    assert "<faultcode>sf:INVALID_SESSION_ID</faultcode>" in soap.text
    assert re.search(r"Session not found|Illegal Session", soap.text)
    assert rest.status == 401
    assert rest.json()[0]["errorCode"] == "INVALID_SESSION_ID"
    assert rest.json()[0]["message"]


def test_revoking_an_access_token_ends_it_and_unknown_ones_are_fine(house: House):
    user = house.user_with_token()
    token = house.oauth_login(user.username, user.secret).json()["access_token"]

    first = house.oauth("/services/oauth2/revoke", {"token": token})
    again = house.oauth("/services/oauth2/revoke", {"token": token})

    assert [first.status, again.status] == [200, 200]
    assert not house.session_works(token)


def test_the_password_resource_says_not_expired_and_changes_the_password(house: House):
    user = house.user_with_token()
    said = house.oauth_login(user.username, user.secret).json()
    path = f"/services/data/v59.0/sobjects/User/{said['id'].rsplit('/', 1)[1]}/password"
    bearer = {"Authorization": f"Bearer {said['access_token']}", "Content-Type": "application/json"}

    state = house.request("GET", path, headers=bearer)
    weak = house.request("POST", path, headers=bearer, body=b'{"NewPassword":"short"}')
    done = house.request("POST", path, headers=bearer, body=b'{"NewPassword":"umbrella 7291 orchard-fable"}')

    assert state.json() == {"isExpired": False}
    assert weak.status in (400, 500) and "INVALID_NEW_PASSWORD" in weak.text
    assert done.status == 204, done.text
    assert not house.accepts(user)
    user.password = "umbrella 7291 orchard-fable"
    assert house.accepts(user), "a voluntary change of the password leaves the token alive"


# Refusals.

@on_both_engines
@pytest.mark.parametrize("head", ["u", "c"])
def test_the_login_fault_is_exact_to_the_byte(house: House, head):
    user = house.user_with_token()

    answer = house.soap_login(user.username, user.password + "x" + user.token, head=head)

    assert answer.status == 500
    assert answer.kind == "text/xml"
    message = f"{INVALID_LOGIN} ({answer.correlation_id})"
    expected = FAULT.format(head={"u": "partner", "c": "enterprise"}[head], message=message)
    assert answer.text.strip() == expected
    row = house.wait_for_history(user, lambda row: row["correlation_id"] == answer.correlation_id)
    assert row["source"] == "127.0.0.1"
    assert "system-tests" in str(row["client"])


def test_all_refusals_look_alike_outside(house: House):
    user, frozen, retired = house.user_with_token(), house.user_with_token(), house.user_with_token()
    old = retired.token
    house.reset(retired)
    house.do("user", "freeze", frozen.username)
    cases = {
        "wrong password": (user.username, "wrong " + user.secret),
        "missing token": (user.username, user.password),
        "wrong token": (user.username, user.password + retired.token),
        "token alone": (user.username, user.token),
        "unknown user": ("nobody@example.com", user.secret),
        "frozen": (frozen.username, frozen.secret),
        "retired": (retired.username, retired.password + old),
        "upper-cased token": (user.username, user.password + user.token.swapcase()),
    }

    soap = {name: house.soap_login(*pair) for name, pair in cases.items()}
    oauth = {name: house.oauth_login(*pair) for name, pair in cases.items()}

    assert {answer.status for answer in soap.values()} == {500}
    assert len({without_id(answer) for answer in soap.values()}) == 1, {n: a.text for n, a in soap.items()}
    assert len({tuple(sorted(name.lower() for name in answer.headers)) for answer in soap.values()}) == 1
    assert {answer.status for answer in oauth.values()} == {400}
    assert len({without_id(answer) for answer in oauth.values()}) == 1, {n: a.text for n, a in oauth.items()}
    said = oauth["wrong password"].json()
    assert said["error"] == "invalid_grant"
    assert re.fullmatch(r"authentication failure \([^()\s]+\)", said["error_description"])


def test_an_empty_password_is_told_alike_for_everybody(house: House):
    user = house.user_with_token()

    # OAuth takes a parameter without a value for one that is not there (RFC 6749 §3.1); SOAP may do so too.
    for log_in, status in ((house.soap_login, 500), (house.oauth_login, 400)):
        known, unknown = log_in(user.username, ""), log_in("nobody@example.com", "")
        assert known.status == unknown.status == status
        ids = [(answer.correlation_id or "").encode() for answer in (known, unknown)]
        assert known.body.replace(ids[0], b"") == unknown.body.replace(ids[1], b"")


def hashes(house: House) -> int:
    """How many passwords the server has hashed: nearly all the time that a log-in takes."""
    metrics = house.request("GET", "/metrics", port=house.ops_port).text
    return int(re.search(r"^symbolon_hashes_total (\d+)$", metrics, re.M).group(1))


def test_each_refusal_costs_one_hash(house: House):
    user, frozen = house.user_with_token(), house.user_with_token()
    house.do("user", "freeze", frozen.username)
    cases = {"unknown user": ("nobody@example.com", user.secret), "wrong password": (user.username, "x" + user.secret),
             "missing token": (user.username, user.password), "frozen": (frozen.username, frozen.secret)}
    cost = {}

    for number, (name, pair) in enumerate(cases.items()):
        for log_in, status in ((house.soap_login, 500), (house.oauth_login, 400)):
            before = hashes(house)
            # Fresh sources, so that no limit for one address steps in.
            assert log_in(*pair, source=f"127.0.7.{number + 1}").status == status
            cost[name, status] = hashes(house) - before

    assert set(cost.values()) == {1}, cost


@pytest.mark.parametrize(("secret", "reason"), [
    (lambda user: "wrong " + user.secret, "password"), (lambda user: user.password, "token")])
def test_the_history_says_the_true_reason(house: House, secret, reason):
    user = house.user_with_token()

    answer = house.soap_login(user.username, secret(user), client="Probe/9.1", source="127.0.0.61")

    row = house.wait_for_history(user, lambda row: row["correlation_id"] == answer.correlation_id)
    assert set(row) >= {"time", "user", "head", "client", "source", "outcome", "reason", "correlation_id"}
    assert reason in row["reason"].lower()
    assert row["source"] == "127.0.0.61"
    assert row["user"] == user.username
    assert "Probe/9.1" in row["client"] or ("Probe" in row["client"] and "9.1" in row["client"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row["time"])


def test_a_success_is_in_the_history_too_newest_first(house: House):
    user = house.user_with_token()
    house.soap_login(user.username, "wrong " + user.secret, client="Earlier/1")
    house.soap_login(user.username, user.secret, client="Later/1")
    house.wait_for_history(user, lambda row: "Later" in str(row["client"]))

    rows = [row for row in house.history(user) if re.search("Earlier|Later", str(row["client"]))]

    assert [str(row["client"])[:5] for row in rows] == ["Later", "Earli"]
    assert rows[0]["outcome"] != rows[1]["outcome"]


@on_both_engines
def test_a_retired_token_is_recognised_and_the_owner_warned_once_per_source_and_never_locked(house: House, sink):
    user = house.user_with_token()
    old = user.token
    house.reset(user)

    for source in ("127.0.0.71", "127.0.0.72"):
        for _ in range(7):
            answer = house.soap_login(user.username, user.password + old, source=source, client="ForgottenJob/3.3")
            assert answer.fault_code == "INVALID_LOGIN"

    row = house.wait_for_history(user, lambda row: str(row["reason"]).startswith("token retired "))
    assert re.match(r"token retired \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z by reset", row["reason"])
    assert "ForgottenJob" in row["client"]
    assert house.accepts(user), "fourteen attempts with the right password must not lock"
    for source in ("127.0.0.71", "127.0.0.72"):
        warning = sink.wait_for(user.email, holds=lambda mail, source=source: source in mail.text)
        assert "ForgottenJob" in warning.text
        assert old not in warning.text and user.token not in warning.text
    house.wait_until_mail_rests()
    for source in ("127.0.0.71", "127.0.0.72"):
        assert sum(source in mail.text for mail in sink.all_for(user.email)) == 1


def test_a_retired_token_with_a_wrong_password_does_count(house: House):
    user = house.user_with_token()
    old = user.token
    house.reset(user)

    for _ in range(10):
        house.soap_login(user.username, "wrong " + user.password + old, source="127.0.0.73")

    assert not house.accepts(user, source="127.0.0.74")


@on_both_engines
def test_ten_failures_lock_and_the_administrator_unlocks(house: House):
    user, other = house.user_with_token(), house.user_with_token()

    for _ in range(10):
        house.soap_login(user.username, "wrong " + user.secret, source="127.0.0.81")
    locked = house.soap_login(user.username, user.secret, source="127.0.0.82")

    assert locked.fault_code == "INVALID_LOGIN"
    row = house.wait_for_history(user, lambda row: row["correlation_id"] == locked.correlation_id)
    assert re.search(r"lock", row["reason"], re.I)
    assert not house.accepts(user, source="127.0.0.82")
    assert house.accepts(other, source="127.0.0.82")
    house.do("user", "unlock", user.username)
    assert house.accepts(user, source="127.0.0.82")


def test_nine_failures_and_a_success_do_not_lock(house: House):
    user = house.user_with_token()

    for _ in range(2):
        for _ in range(9):
            house.soap_login(user.username, "wrong " + user.secret, source="127.0.0.83")
        assert house.accepts(user, source="127.0.0.84"), "a success forgets the failures before it"


def test_a_lock_survives_a_restart(house: House):
    user = house.user_with_token()
    for _ in range(10):
        house.soap_login(user.username, "wrong " + user.secret, source="127.0.0.85")

    house.restart()

    assert not house.accepts(user, source="127.0.0.86")


def test_a_locked_user_cannot_log_in_on_the_page_either(house: House):
    user = house.user_with_token()
    for _ in range(10):
        house.soap_login(user.username, "wrong " + user.secret, source="127.0.0.87")

    browser = house.browser(source="127.0.0.88")
    browser.go("/login")
    page = browser.fill_and_press({"Username": user.username, "Password": user.password}, "Log In")

    assert page.path == "/login"


def test_one_address_that_tries_many_names_is_stopped(house: House):
    user = house.user_with_token()
    stopped_after = None

    for number in range(150):
        house.soap_login(f"guess{number}@example.com", "one guess for everybody", source="127.0.0.91")
        if number % 10 == 9 and house.soap_login(user.username, user.secret, source="127.0.0.91").status != 200:
            stopped_after = number + 1
            break

    assert stopped_after is not None, "150 names tried from one address and it is still let in"
    assert house.accepts(user, source="127.0.0.92"), "others are not held up by it"


@on_both_engines
def test_a_trusted_network_needs_no_token_and_others_do(house: House):
    user = house.user_with_token()
    house.do("network", "add", "127.0.0.100/30")

    bare_inside = house.soap_login(user.username, user.password, source="127.0.0.101")
    with_token_inside = house.soap_login(user.username, user.secret, source="127.0.0.101")
    bare_outside = house.soap_login(user.username, user.password, source="127.0.0.105")

    assert [bare_inside.status, with_token_inside.status, bare_outside.status] == [200, 200, 500]
    assert house.oauth_login(user.username, user.password, source="127.0.0.102").status == 200
    house.do("network", "remove", "127.0.0.100/30")
    assert house.soap_login(user.username, user.password, source="127.0.0.101").status == 500


def test_a_forwarded_address_is_believed_only_from_a_trusted_proxy(build_house):
    plain = build_house(name="plain")
    behind = build_house(name="behind", arguments=["--trusted-proxy", "127.0.0.110/32"])

    for house, source, believed in ((plain, "127.0.0.110", False), (behind, "127.0.0.110", True),
                                    (behind, "127.0.0.111", False)):
        user = house.add_user()
        house.soap(login_envelope(user.username, "wrong"), source=source, headers={"X-Forwarded-For": "203.0.113.9"})
        row = house.wait_for_history(user, lambda row: row["outcome"])
        assert row["source"] == ("203.0.113.9" if believed else source)


# What ends a session or a user.

@on_both_engines
def test_a_freeze_ends_sessions_and_an_unfreeze_lets_in_again(house: House):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    browser = house.logged_in(user)

    house.do("user", "freeze", user.username)

    assert not house.session_works(session)
    assert browser.request("GET", "/setup").status in (302, 303, 307)
    assert not house.accepts(user)
    house.do("user", "unfreeze", user.username)
    assert house.accepts(user)
    assert not house.session_works(session), "what was ended stays ended"


@on_both_engines
def test_a_removed_user_is_gone_everywhere(house: House):
    user = house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    browser = house.logged_in(user)

    house.do("user", "remove", user.username)

    assert not house.session_works(session)
    assert browser.request("GET", "/setup").status in (302, 303, 307)
    assert not house.accepts(user)
    assert house.run("user", "show", user.username).code == 5
    assert user.username not in [row["username"] for row in house.cli("user", "list")]


@on_both_engines
def test_a_reset_ends_the_sessions_that_the_old_token_opened(house: House):
    user = house.user_with_token()
    soap = house.soap_login(user.username, user.secret).session_id
    oauth = house.oauth_login(user.username, user.secret).json()["access_token"]

    house.reset(user)

    assert not house.session_works(soap)
    assert not house.session_works(oauth)


@on_both_engines
def test_everything_acknowledged_is_there_after_a_kill(house: House):
    user = house.user_with_token()
    old = user.token
    house.reset(user)
    session = house.soap_login(user.username, user.secret).session_id

    house.kill()
    house.start()

    assert house.accepts(user)
    assert not house.accepts(user, old)
    assert house.session_works(session)


def test_token_list_has_one_live_token_and_never_the_token_itself(house: House):
    user = house.user_with_token()
    old = user.token
    house.reset(user)

    listed = house.tokens(user)

    assert len(house.live_tokens(user)) == 1
    for token in listed:
        assert set(token) >= {"id", "user", "device_type", "state", "issued_at", "expires_at", "last_used_at"}
    assert old not in str(listed) and user.token not in str(listed)


def test_an_expiry_lies_a_year_ahead(house: House):
    user = house.user_with_token()

    token = house.live_tokens(user)[0]

    issued = time.strptime(token["issued_at"][:19], "%Y-%m-%dT%H:%M:%S")
    expires = time.strptime(token["expires_at"][:19], "%Y-%m-%dT%H:%M:%S")
    assert abs((time.mktime(expires) - time.mktime(issued)) / 86400 - 365) < 1.1


@on_both_engines
def test_passwords_with_every_kind_of_character_work(house: House):
    user = house.add_user(password="Ä&<>\"' ]]> 鍵 lantern-83 %41+\\ok")
    house.reset(user)

    assert house.accepts(user)


def test_usernames_are_found_whatever_their_case(house: House):
    user = house.user_with_token(username="Grace.Hopper@Example.com")

    answer = house.soap_login("grace.hopper@example.COM", user.secret)

    assert answer.status == 200
    assert house.run("user", "add", "GRACE.hopper@example.com", "--email", "x@example.org", "--password-stdin",
                     stdin="lantern orbits-73 quilt!\n").code == 6


def test_last_use_shows_in_the_token_list(house: House):
    user = house.user_with_token()
    assert house.live_tokens(user)[0]["last_used_at"] is None

    house.soap_login(user.username, user.secret)

    wait_until(lambda: house.live_tokens(user)[0]["last_used_at"], what="last_used_at to be set")
