"""What strangers, broken clients and attackers send. Each head answers with an error of its own kind, writes nothing, and lives on."""

from __future__ import annotations

import gzip
import json
import socket
import time
from urllib.parse import parse_qsl, urlencode

import pytest

from house import CONFIRM, House, login_envelope

SOAP_PATH = "/services/Soap/u/59.0"
ENVELOPE = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>%s</e:Body></e:Envelope>'
LOGIN = b'<login xmlns="urn:partner.soap.sforce.com"><username>%s</username><password>%s</password></login>'


def soap_body(username: bytes = b"ada@example.com", password: bytes = b"x") -> bytes:
    return ENVELOPE % (LOGIN % (username, password))


ENTITY = b'<!DOCTYPE x [<!ENTITY a "ada@example.com">]>' + soap_body(b"&a;")
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + soap_body(b"&a;")
LAUGHS = (b'<!DOCTYPE l [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)) + b"]>" + soap_body(b"&j;"))

BAD_SOAP = {
    "nothing": b"",
    "not xml": b"hello",
    "cut short": soap_body()[:-20],
    "unescaped password": soap_body(password=b"a&b<c"),
    "a doctype": b"<!DOCTYPE x>" + soap_body(),
    "an entity": ENTITY,
    "an outside entity": OUTSIDE,
    "a billion laughs": LAUGHS,
    "an unknown entity": soap_body(b"&nbsp;"),
    "invalid utf-8": soap_body(b"\xff\xfe\xc3("),
    "a nul byte": soap_body(b"ada\x00@example.com"),
    "a nul reference": soap_body(b"ada&#0;@example.com"),
    "a lone surrogate": soap_body(b"&#xD800;"),
    "deep nesting": b"<a>" * 3000 + b"</a>" * 3000,
    "no body": b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"/>',
    "an empty body": ENVELOPE % b"",
    "an unknown call": ENVELOPE % b'<describeGlobal xmlns="urn:partner.soap.sforce.com"/>',
    "no username": ENVELOPE % b'<login xmlns="urn:partner.soap.sforce.com"><password>x</password></login>',
    "an over-long name": soap_body(b"a" * 3000),
    "elements in the name": soap_body(b"<b>ada</b>"),
    "utf-16": '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
    "two bodies": soap_body() + soap_body(),
}


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory):
    """One house for the whole table: it must live through all of it."""
    from post import Sink

    with Sink() as sink:
        house = House(tmp_path_factory.mktemp("bad-input") / "house", mail=sink.url, sink=sink).start()
        house.user = house.user_with_token()
        house.browser_in = house.logged_in(house.user)
        yield house
        assert house.alive, house.log()[-3000:]
        assert house.accepts(house.user, source="127.0.0.200"), "after all of it the token of before still works"
        assert "panicked" not in house.log()
        house.kill()


def still_alive(house: House) -> None:
    assert house.alive, house.log()[-3000:]
    assert house.request("GET", "/livez").status == 200


@pytest.mark.parametrize("case", BAD_SOAP)
def test_soap_answers_bad_input_with_a_fault(shared_house: House, case):
    answer = shared_house.soap(BAD_SOAP[case], source="127.0.0.201")

    assert answer.status in (400, 413, 415, 500), answer.status
    assert answer.kind == "text/xml", (answer.kind, answer.text[:300])
    assert "<soapenv:Fault>" in answer.text
    assert answer.fault_code or "<faultcode>" in answer.text
    assert "UNKNOWN_EXCEPTION" not in answer.text
    assert "root:" not in answer.text
    still_alive(shared_house)


def test_a_soap_body_over_the_limit_is_413(shared_house: House):
    answer = shared_house.soap(soap_body(b"a" * 3_000_000))

    assert answer.status == 413
    still_alive(shared_house)


def test_a_gzip_bomb_is_stopped_early(shared_house: House):
    bomb = gzip.compress(b" " * 200_000_000, 9)
    before = memory(shared_house)

    answer = shared_house.soap(bomb, headers={"Content-Encoding": "gzip"})

    assert answer.status == 413
    assert memory(shared_house) - before < 64_000, "the bomb was unpacked in memory"
    still_alive(shared_house)


def memory(house: House) -> int:
    """The peak of resident memory in KiB."""
    with open(f"/proc/{house.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"this is no gzip"), ("gzip", gzip.compress(soap_body())[:-6]),
                                                ("br", b"\x00\x01"), ("gzip, gzip", soap_body())])
def test_a_broken_or_unknown_content_encoding_is_refused(shared_house: House, encoding, body):
    answer = shared_house.soap(body, headers={"Content-Encoding": encoding})

    assert answer.status in (400, 413, 415, 500)
    assert "<soapenv:Fault>" in answer.text
    still_alive(shared_house)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_soap_refuses_a_wrong_content_type(shared_house: House, content_type):
    answer = shared_house.soap(login_envelope("ada@example.com", "x"), headers={"Content-Type": content_type},
                               source="127.0.0.202")

    assert answer.status in (400, 415, 500)
    assert "<soapenv:Fault>" in answer.text
    still_alive(shared_house)


@pytest.mark.parametrize("path", ["/services/Soap/u/abc", "/services/Soap/x/59.0", "/services/Soap/u/59.0/short",
                                  "/services/Soap/u/99999999999999999999.0", "/services/Soap/u/", "/services/Soap"])
def test_strange_soap_paths_are_not_found_or_faults(shared_house: House, path):
    answer = shared_house.soap(soap_body(), path=path, source="127.0.0.203")

    assert answer.status in (400, 404, 405) or "<soapenv:Fault>" in answer.text
    still_alive(shared_house)


BAD_OAUTH = {
    "nothing": (b"", None),
    "not a form": (b"{}", "application/json"),
    "no content type": (b"grant_type=password", ""),
    "invalid utf-8": (b"grant_type=password&username=%ff%fe&password=%c3%28", None),
    "a nul byte": (b"grant_type=password&username=ada%00&password=x", None),
    "broken percent": (b"grant_type=pass%zzword&username=%", None),
    "a field twice": (b"grant_type=password&grant_type=refresh_token&username=a&username=b&password=c", None),
    "an over-long name": (b"grant_type=password&password=x&username=" + b"a" * 5000, None),
    "many fields": (b"&".join(b"a%d=1" % number for number in range(3000)), None),
}


@pytest.mark.parametrize("case", BAD_OAUTH)
@pytest.mark.parametrize("path", ["/services/oauth2/token", "/services/oauth2/revoke"])
def test_oauth_answers_bad_input_with_an_oauth_error(shared_house: House, path, case):
    body, content_type = BAD_OAUTH[case]
    headers = {"Content-Type": "application/x-www-form-urlencoded" if content_type is None else content_type}

    answer = shared_house.request("POST", path, body=body, headers=headers, source="127.0.0.204")

    assert answer.status in (400, 401, 413, 415), answer.status
    if path.endswith("revoke"):
        # jsforce reads the errors of this head as a query string.
        assert answer.kind == "application/x-www-form-urlencoded", answer.text[:300]
        assert dict(parse_qsl(answer.text))["error"]
    else:
        assert answer.kind == "application/json", answer.text[:300]
        assert isinstance(answer.json()["error"], str)
    still_alive(shared_house)


@pytest.mark.parametrize("path", ["/services/oauth2/token", "/services/oauth2/revoke"])
def test_an_oauth_body_over_the_limit_is_413(shared_house: House, path):
    answer = shared_house.request("POST", path, body=b"a=" + b"b" * 3_000_000,
                                  headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status == 413
    still_alive(shared_house)


@pytest.mark.parametrize("authorization", ["Basic", "Basic !!!", "Basic " + "QQ" * 40000, "Bearer", "Bearer \xff", "Negotiate x",
                                           "Basic Og==", "Bearer " + "a" * 9000])
@pytest.mark.parametrize("path", ["/services/oauth2/userinfo", "/services/data/v59.0/"])
def test_strange_authorization_headers_are_refused(shared_house: House, path, authorization):
    answer = shared_house.request("GET", path, headers={"Authorization": authorization})

    assert answer.status in (400, 401, 403, 431), answer.status
    still_alive(shared_house)


@pytest.mark.parametrize("path", ["/id/x/y", "/id/00D000000000000AAA/005000000000000AAA", "/id/", "/id/%00/%ff",
                                  "/services/data/vx/", "/services/data/v59.0/sobjects/User/nobody/password",
                                  "/services/data/v59.0/sobjects/Account/001/password", "/services/data/v59.0/query?q=x"])
def test_rest_without_a_session_is_refused_as_an_array_or_not_found(shared_house: House, path):
    answer = shared_house.request("GET", path)

    assert answer.status in (400, 401, 403, 404), answer.status
    still_alive(shared_house)


BAD_PASSWORD_BODIES = [b"", b"{", b"[]", b"null", b'{"NewPassword":null}', b'{"NewPassword":7}', b'{"NewPassword":"\xff"}',
                       b'{"NewPassword":"' + b"a" * 20000 + b'"}', b'{"Other":"x"}', b"[" * 50000]


@pytest.mark.parametrize("number", range(len(BAD_PASSWORD_BODIES)))
def test_the_password_resource_refuses_bad_json(shared_house: House, number):
    user = shared_house.user
    session = shared_house.soap_login(user.username, user.secret)
    user_id = session.text.split("<userId>")[1].split("<")[0]

    answer = shared_house.request("POST", f"/services/data/v59.0/sobjects/User/{user_id}/password",
                                  body=BAD_PASSWORD_BODIES[number], headers={
                                      "Authorization": f"Bearer {session.session_id}", "Content-Type": "application/json"})

    assert answer.status in (400, 413, 415), (answer.status, answer.text[:200])
    json.loads(answer.body)
    still_alive(shared_house)


# Pages.

@pytest.mark.parametrize("path", [CONFIRM, "/logout", "/login"])
def test_a_form_without_the_csrf_field_is_refused(shared_house: House, path):
    user, browser = shared_house.user, shared_house.browser_in
    browser.go(CONFIRM)
    form = browser.page.form("Save").set("Current Password", user.password).drop("csrf")
    values = form.values + [("username", user.username), ("password", user.password)]

    page = browser.send("POST", shared_house.base + path, values, follow=False)

    assert page.status in (400, 403), page.status
    assert "text/html" in page.headers["Content-Type"]
    assert browser.request("GET", "/setup").status == 200, "and the session goes on"
    assert shared_house.accepts(user), "and nothing was reset"


def test_a_csrf_value_of_another_session_is_refused(shared_house: House):
    user = shared_house.user
    other = shared_house.logged_in(shared_house.add_user())
    foreign = other.go(CONFIRM).form("Save").value("csrf")
    browser = shared_house.browser_in
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password).set_name("csrf", foreign)

    page = browser.submit(form, "Save", follow=False)

    assert page.status in (400, 403)
    assert shared_house.accepts(user)


def test_a_form_sent_from_another_site_is_refused(shared_house: House):
    user, browser = shared_house.user, shared_house.browser_in
    form = browser.go(CONFIRM).form("Save").set("Current Password", user.password).drop("csrf")
    method, action, values = form.press("Save")

    page = browser.request(method, action, body=urlencode(values).encode(), headers={
        "Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})

    assert page.status in (400, 403)
    assert shared_house.accepts(user)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example", "a\tb", "[::1"])
def test_a_page_for_another_host_is_refused_and_the_host_never_comes_back(shared_house: House, host):
    answer = shared_house.request("GET", "/login", headers={"Host": host})

    assert 400 <= answer.status < 500, answer.status
    assert "evil.example" not in answer.text + str(answer.headers)
    still_alive(shared_house)


def test_urls_of_a_login_never_come_from_the_host_header(shared_house: House):
    user = shared_house.user

    answer = shared_house.soap(login_envelope(user.username, user.secret), headers={
        "Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"})

    assert "evil.example" not in answer.text
    if answer.status == 200:
        assert answer.server_url.startswith(shared_house.base + "/")


@pytest.mark.parametrize("body", [b"", b"csrf=x", b"\xff\xfe", b"username=%00&password=%ff", b"a" * 100])
def test_the_login_page_answers_bad_forms_with_a_page(shared_house: House, body):
    answer = shared_house.request("POST", "/login", body=body, source="127.0.0.205",
                                  headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert 400 <= answer.status < 500, answer.status
    assert answer.kind == "text/html"
    still_alive(shared_house)


def test_a_page_form_over_the_limit_is_413(shared_house: House):
    answer = shared_house.request("POST", "/login", body=b"username=" + b"a" * 3_000_000,
                                  headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.status == 413
    still_alive(shared_house)


@pytest.mark.parametrize(("method", "path"), [("GET", "/no/such/page"), ("GET", "/setup/../../etc/passwd"), ("GET", "/%2e%2e/%2e%2e/x"),
                                              ("POST", "/livez"), ("DELETE", "/login"), ("PROPFIND", "/"), ("GET", "/" + "a" * 20000),
                                              ("GET", "/dev/mailbox"), ("TRACE", "/"), ("GET", "/%ff%00")])
def test_what_is_not_there_is_an_error_of_the_client(shared_house: House, method, path):
    answer = shared_house.request(method, path)

    assert 400 <= answer.status < 500 or answer.status in (301, 302, 303, 307, 308), answer.status
    if method == "TRACE":
        assert answer.status != 200
    still_alive(shared_house)


def test_the_json_api_answers_in_problem_json_where_it_is_there(shared_house: House):
    answer = shared_house.request("GET", "/api/v1/no-such-thing", headers={"Accept": "application/json"})

    assert answer.status in (401, 403, 404)
    if answer.kind == "application/problem+json":
        assert {"type", "detail"} <= set(answer.json())


def raw(house: House, request: bytes, within: float = 10) -> bytes:
    """Sends bytes that no HTTP library would send, and reads until the server is done with us."""
    with socket.create_connection(("127.0.0.1", house.port), timeout=within) as line:
        line.sendall(request)
        received = b""
        deadline = time.monotonic() + within
        try:
            while time.monotonic() < deadline:
                piece = line.recv(65536)
                if not piece:
                    break
                received += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return received


@pytest.mark.parametrize("request_bytes", [
    b"GET\r\n\r\n", b"\x16\x03\x01\x00\xf4\x01\x00", b"GET / HTTP/9.9\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello!",
    b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n",
    b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\nConnection: close\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"Connection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\nConnection: close\r\n\r\n",
])
def test_what_is_no_http_is_refused(shared_house: House, request_bytes):
    received = raw(shared_house, request_bytes)

    status = received.split(b" ")[1][:3] if received.startswith(b"HTTP/1.") else b""
    assert status == b"" or status[:1] in (b"4", b"3") or status in (b"501", b"505"), received[:200]
    still_alive(shared_house)


def test_a_smuggled_second_request_is_not_carried_out(shared_house: House):
    hidden = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    request = (b"POST /services/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
               b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden))) + hidden

    received = raw(shared_house, request, within=5)

    first = received.split(b"\r\n\r\n")[0]
    assert received.count(b"HTTP/1.1 200") == 0, "either refused, or closed after the first answer"
    assert b" 5" not in first[:14]
