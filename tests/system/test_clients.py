"""simple-salesforce, unmodified, over HTTPS with the private authority."""

from __future__ import annotations

import pytest
import requests
from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceExpiredSession

from engines import on_both_engines
from house import House

pytestmark = pytest.mark.house(tls=True)


@pytest.fixture
def domain(house: House, monkeypatch) -> str:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(house.authority))
    return f"127.0.0.1:{house.tls_port}/login"


def log_in(domain: str, user, **options) -> Salesforce:
    return Salesforce(username=user.username, password=user.password, security_token=user.token, domain=domain, **options)


@on_both_engines
def test_simple_salesforce_logs_in_by_soap_with_password_and_token(house: House, domain):
    user = house.user_with_token()

    client = log_in(domain, user)

    assert client.session_id.startswith("00D")
    assert client.sf_instance == f"127.0.0.1:{house.tls_port}"
    assert house.session_works(client.session_id)


def test_simple_salesforce_reads_the_resources_after_its_login(house: House, domain):
    user = house.user_with_token()
    client = log_in(domain, user)

    answer = client._call_salesforce("GET", client.base_url)

    assert answer.json()["identity"].startswith(house.base + "/id/")


def test_simple_salesforce_understands_the_fault(house: House, domain):
    user = house.user_with_token()
    user.token = user.token[::-1]

    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        log_in(domain, user)

    assert refused.value.code == "INVALID_LOGIN"
    assert "Invalid username, password, security token; or user locked out." in str(refused.value)


def test_simple_salesforce_is_refused_with_a_retired_token_and_let_in_with_the_new_one(house: House, domain):
    user = house.user_with_token()
    old = user.token
    house.reset(user)

    assert log_in(domain, user).session_id
    user.token = old
    with pytest.raises(SalesforceAuthenticationFailed):
        log_in(domain, user)

    row = house.wait_for_history(user, lambda row: str(row["reason"]).startswith("token retired "))
    assert "simple-salesforce" in row["client"].lower()


@on_both_engines
def test_simple_salesforce_logs_in_by_the_oauth_password_grant(house: House, domain):
    user = house.user_with_token()
    client_id, client_secret = house.api_client()

    session_id, instance = SalesforceLogin(username=user.username, password=user.secret, consumer_key=client_id,
                                           consumer_secret=client_secret, domain=domain)

    assert instance == f"127.0.0.1:{house.tls_port}"
    assert house.session_works(session_id)


def test_simple_salesforce_understands_the_oauth_error(house: House, domain):
    user = house.user_with_token()
    client_id, client_secret = house.api_client()

    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        SalesforceLogin(username=user.username, password=user.password, consumer_key=client_id,
                        consumer_secret=client_secret, domain=domain)

    assert refused.value.code == "invalid_grant"
    assert "authentication failure" in str(refused.value)


def test_simple_salesforce_logs_in_from_a_trusted_network_without_a_token(house: House, domain):
    user = house.add_user()
    house.do("network", "add", "127.0.0.1/32")

    session_id, _ = SalesforceLogin(username=user.username, password=user.password, organizationId="00D000000000000AAA",
                                    domain=domain)

    assert house.session_works(session_id)


def test_simple_salesforce_notices_that_its_session_has_ended(house: House, domain):
    user = house.user_with_token()
    client = log_in(domain, user)
    with_session_alone = Salesforce(session_id=client.session_id, instance=client.sf_instance)
    house.reset(user)

    with pytest.raises(SalesforceExpiredSession):
        with_session_alone._call_salesforce("GET", with_session_alone.base_url)
    # A client that knows the password logs in again by itself, with what it has: the old token.
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        client._call_salesforce("GET", client.base_url)
    assert refused.value.code == "INVALID_LOGIN"


def test_without_the_private_authority_nobody_connects(house: House, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    with pytest.raises(requests.exceptions.SSLError):
        requests.get(house.base + "/login", timeout=60)


def test_the_private_authority_stays_the_same_over_a_restart(house: House):
    before = house.authority.read_bytes()

    house.restart()

    assert house.authority.read_bytes() == before
    assert house.request("GET", "/livez").status == 200
