//! From where a credential is used, and by what: what a verifier tells of its client, and what a proxy's
//! headers leave open. What nobody knows opens nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use symbolon_app::{Actor, device_types, history};
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{DeviceRules, Mismatch};
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::verification::BearerUse;
use symbolon_http::Connection;
use symbolon_store::uses;

use crate::asking::{FORWARD_AUTH, INACTIVE, PROXIES, proof_of, question};
use crate::calls::request;
use crate::house::{PEER, TestHouse};
use crate::lifetimes::{house_with_bearer, last_reason, set_policy};

const INSIDE: &str = "192.0.2.7";
const OUTSIDE: &str = "198.51.100.7";

/// Tokens stand alone, under these rules besides.
async fn set_rules(house: &TestHouse, change: impl FnOnce(&mut DeviceRules)) {
    let set = |rules: &mut DeviceRules| {
        *rules = DeviceRules { bearer: BearerUse::Allowed, ..DeviceRules::default() };
        change(rules);
    };
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
}

fn hold_to_inside(rules: &mut DeviceRules) {
    rules.addresses = LoginRanges::parse("192.0.2.0/24").unwrap();
}

/// Whether introspection and a batch, which say the same, call the token active.
async fn is_active(house: &TestHouse, token: &str, told: &[(&str, &str)]) -> bool {
    let proof = proof_of(&house.verifier().await);
    let fields: Vec<_> = [("token", token)].iter().chain(told).copied().collect();
    let one = house.send(question(&proof, &fields)).await.json()["active"].clone();
    let mut batch = json!({ "credentials": [token] });
    for (name, value) in told {
        batch[name] = json!(value);
    }
    let many = house.batch(&proof, batch.to_string()).await.json();
    assert_eq!(many["results"][0]["active"], one, "{told:?}");
    one == true
}

#[tokio::test]
async fn address_rules_are_judged_by_the_address_that_the_verifier_tells() {
    let (house, ada, token) = house_with_bearer().await;
    assert!(is_active(&house, &token, &[]).await, "nothing restricts it");

    set_rules(&house, hold_to_inside).await;

    assert!(is_active(&house, &token, &[("client_address", INSIDE)]).await);
    assert!(is_active(&house, &token, &[("client_address", &format!("::ffff:{INSIDE}"))]).await);
    assert!(!is_active(&house, &token, &[("client_address", OUTSIDE)]).await);
    let outside = "token used from outside the addresses of its device type";
    assert_eq!(last_reason(&house, ada).await, outside);
    let entry = history::list(&house.ctx, Some(ada), 1, None).await.unwrap().remove(0);
    assert_eq!(entry.source, OUTSIDE);
}

#[tokio::test]
async fn the_verifiers_own_address_opens_nothing() {
    let (house, ada, token) = house_with_bearer().await;
    let around_the_verifier = LoginRanges::parse(&PEER.to_string()).unwrap();

    set_rules(&house, |rules| rules.addresses = around_the_verifier.clone()).await;
    assert!(!is_active(&house, &token, &[]).await);
    let reason = "from where the token was used is not known, and its device type or profile \
                  restricts it";
    assert_eq!(last_reason(&house, ada).await, reason);

    set_rules(&house, |_| {}).await;
    let ranges = around_the_verifier.into_iter().collect();
    set_policy(&house, |policy| policy.login_ranges = ranges).await;
    assert!(!is_active(&house, &token, &[]).await);
    assert!(is_active(&house, &token, &[("client_address", &PEER.to_string())]).await);
}

#[tokio::test]
async fn the_kind_of_client_is_judged_by_the_agent_that_the_verifier_tells() {
    let (house, _, token) = house_with_bearer().await;

    set_rules(&house, |rules| {
        (rules.kind, rules.mismatch) = (Some(ClientKind::Mobile), Mismatch::Refused);
    })
    .await;

    assert!(is_active(&house, &token, &[]).await, "python-requests is the verifier itself");
    assert!(is_active(&house, &token, &[("client_agent", "okhttp/4.9")]).await);
    assert!(!is_active(&house, &token, &[("client_agent", "curl/8.5.0")]).await);
}

#[tokio::test]
async fn what_the_verifier_tells_is_where_the_token_was_used() {
    let (house, ada, token) = house_with_bearer().await;
    let told = [("client_address", OUTSIDE), ("client_agent", "okhttp/4.9")];

    assert!(is_active(&house, &token, &told).await);
    last_reason(&house, ada).await;

    let known = symbolon_app::tokens::of_user(&house.ctx, ada).await.unwrap();
    let live = known.iter().find(|token| token.retired.is_none()).unwrap().token;
    let mut reader = house.ctx.store.read().await.unwrap();
    let noted = uses::of_credential(&mut reader, live.raw(), 10).await.unwrap();
    let places: Vec<_> = noted.iter().map(|it| (&*it.client, &*it.source, it.times)).collect();
    assert_eq!(places, [("okhttp/4.9", OUTSIDE, 2)], "by introspection and by a batch");
}

#[tokio::test]
async fn an_address_that_is_none_is_a_fault_of_the_question_whoever_asks() {
    let (house, _, token) = house_with_bearer().await;
    let client = house.verifier().await;
    let fields = [("token", token.as_str()), ("client_address", "192.0.2.7:80")];

    let proved = house.send(question(&proof_of(&client), &fields)).await;
    let wrong = house.send(question(&crate::asking::basic("nobody", "x"), &fields)).await;

    assert_eq!((proved.status.as_u16(), wrong.status.as_u16()), (400, 400));
    assert_eq!(proved.body, wrong.body);
    assert_eq!(proved.json()["error"], "invalid_request");
    let batch = json!({ "credentials": [token], "client_address": "nowhere" }).to_string();
    assert_eq!(house.batch(&proof_of(&client), batch).await.status, 422);
    assert_eq!(house.introspect(&client, "junk").await.body, INACTIVE);
}

/// Asks as a proxy at `peer` does, about a bearer token, with these headers.
async fn ask_as(
    house: &TestHouse,
    peer: IpAddr,
    uri: &str,
    token: &str,
    forwarded: &[(&'static str, &str)],
) -> u16 {
    let mut request = request(Method::GET, uri).header(header::AUTHORIZATION, bearer(token));
    for (name, value) in forwarded {
        request = request.header(*name, *value);
    }
    let request: Request<Body> = request.body(Body::empty()).unwrap();
    let connection = Connection { peer: SocketAddr::new(peer, 4711), tls: false };
    let answer = house.entrance.answer(connection, request).await;
    let status = answer.status().as_u16();
    answer.into_body().collect().await.unwrap();
    status
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn an_address_range_is_opened_by_a_client_whom_a_trusted_proxy_names_and_by_no_proxy_itself()
{
    let proxy: IpAddr = "192.0.2.200".parse().unwrap();
    let trusting = TestHouse::open_with(|plan| {
        plan.front.trusted_proxies = vec!["192.0.2.200/32".parse().unwrap()];
    })
    .await;
    let trusting_nobody = TestHouse::open().await;
    let named = [("x-forwarded-for", INSIDE)];

    for (house, by_named) in [(&trusting, 200), (&trusting_nobody, 401)] {
        house.user("ada").await;
        let token = house.token("ada").await;
        set_rules(house, hold_to_inside).await;
        for uri in PROXIES {
            assert_eq!(ask_as(house, proxy, uri, &token, &named).await, by_named, "{uri}");
            assert_eq!(ask_as(house, proxy, uri, &token, &[]).await, 401, "{uri}");
        }
    }
}

#[tokio::test]
async fn headers_that_contradict_each_other_open_no_range_though_the_proxy_lies_within() {
    let proxy: IpAddr = INSIDE.parse().unwrap();
    let trusted = vec!["192.0.2.0/24".parse().unwrap()];
    let house = TestHouse::open_with(|plan| plan.front.trusted_proxies = trusted).await;
    let ada = house.user("ada").await;
    let token = house.token("ada").await;
    set_rules(&house, hold_to_inside).await;
    let contradicting = [("x-forwarded-for", OUTSIDE), ("forwarded", "for=192.0.2.8")];

    for uri in PROXIES {
        let asked = async |forwarded: &[(&'static str, &str)]| {
            ask_as(&house, proxy, uri, &token, forwarded).await
        };
        assert_eq!(asked(&[]).await, 401, "it names no client");
        assert_eq!(asked(&[("x-forwarded-for", OUTSIDE)]).await, 401);
        // What follows is to be the newest in the history.
        house.clock.advance(Duration::from_millis(1));
        assert_eq!(
            asked(&[("x-forwarded-for", "192.0.2.9")]).await,
            401,
            "a proxy's client, perhaps"
        );
        assert_eq!(asked(&contradicting).await, 401, "{uri}");
        assert_eq!(asked(&[("x-forwarded-for", "unknown")]).await, 401, "{uri}");
        assert_eq!(asked(&[("x-forwarded-for", "192.0.2.9, ?!")]).await, 401, "{uri}");
        assert_eq!(asked(&[("forwarded", "for=_hidden")]).await, 401, "{uri}");
    }
    let reason = last_reason(&house, ada).await;
    assert!(reason.starts_with("from where the token was used is not known"), "{reason}");
    set_rules(&house, |_| {}).await;
    assert_eq!(ask_as(&house, proxy, FORWARD_AUTH, &token, &contradicting).await, 200);
}
