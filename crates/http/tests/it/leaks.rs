//! Reports of leaked tokens: from anybody, and from GitHub's secret scanning.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use futures_util::stream;
use http::Method;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use symbolon_http::Connection;
use symbolon_wire::leaks::github::SigningKeys;
use tokio::sync::mpsc;

use crate::asking::token_never_issued;
use crate::calls::{Answer, request};
use crate::house::{PASSWORD, TestHouse};

const REPORTS: &str = "/api/v1/leaked-tokens";
const GITHUB: &str = "/api/v1/leaked-tokens/github";

async fn post(house: &TestHouse, body: impl Into<Body>) -> Answer {
    let request = request(Method::POST, REPORTS).header("content-type", "application/json");
    house.send(request.body(body.into()).unwrap()).await
}

fn report(tokens: &[&str]) -> String {
    let tokens: Vec<Value> = tokens
        .iter()
        .map(|token| json!({ "token": token, "url": "https://paste.example/1" }))
        .collect();
    json!({ "tokens": tokens }).to_string()
}

async fn accepts(house: &TestHouse, token: &str) -> bool {
    let credential = format!("{PASSWORD}{token}");
    house.soap(crate::calls::login("ada@example.com", &credential)).await.status == 200
}

fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["status"], status);
    assert_eq!(answer.json()["correlation_id"].as_str().unwrap().len(), 12);
}

#[tokio::test]
async fn a_token_that_anybody_reports_is_dead_and_the_answer_is_the_same_as_for_junk() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    assert!(accepts(&house, &token).await);

    let known = post(&house, report(&[&token])).await;
    let again = post(&house, report(&[&token])).await;
    let unknown = post(&house, report(&[&token_never_issued()])).await;
    let junk = post(&house, report(&["junk"])).await;

    assert!(!accepts(&house, &token).await);
    for answer in [&known, &again, &unknown, &junk] {
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (202, r#"{"received":1}"#));
        assert_eq!(answer.headers, known.headers);
    }
}

/// A body that says when it is asked for, and never comes.
fn never(asked: mpsc::UnboundedSender<()>) -> Body {
    Body::from_stream(stream::poll_fn(move |_| {
        let _ = asked.send(());
        Poll::<Option<io::Result<&str>>>::Pending
    }))
}

/// The status of what is answered to a report from `peer`.
async fn post_from(house: &TestHouse, peer: Ipv4Addr, uri: &str, body: Body) -> u16 {
    let connection = Connection { peer: SocketAddr::new(IpAddr::V4(peer), 40_000), tls: true };
    let request = request(Method::POST, uri).header("content-type", "application/json");
    let request = request.body(body).unwrap();
    house.entrance.answer(connection, request).await.status().as_u16()
}

#[tokio::test]
async fn an_address_that_holds_its_reports_back_stalls_nobody_elses() {
    let house = TestHouse::open().await;
    let (one, other) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let (asked, mut asks) = mpsc::unbounded_channel();
    let slow = join_all((0..4).map(|_| post_from(&house, one, REPORTS, never(asked.clone()))));
    let others = async {
        for _ in 0..4 {
            asks.recv().await.unwrap();
        }
        let one_more = post_from(&house, one, REPORTS, report(&["junk"]).into()).await;
        (one_more, post_from(&house, other, REPORTS, report(&["junk"]).into()).await)
    };

    let answered = tokio::select! {
        slow = slow => panic!("answered without a body: {slow:?}"),
        answered = others => answered,
    };

    assert_eq!(answered, (429, 202));
}

#[tokio::test]
async fn who_waits_for_a_place_has_all_the_time_of_a_body_once_there_is_one() {
    let house = TestHouse::open().await;
    let (asked, mut asks) = mpsc::unbounded_channel();
    let address = |number: u8| Ipv4Addr::new(192, 0, 2, number / 4);
    let slow =
        (0..64).map(|number| post_from(&house, address(number), REPORTS, never(asked.clone())));
    let last = async {
        for _ in 0..64 {
            asks.recv().await.unwrap();
        }
        // GitHub's own path: without its keys the answer is 404 as soon as the body was read.
        post_from(&house, address(255), GITHUB, "{}".into()).await
    };
    // From here on time runs as soon as everybody waits.
    tokio::time::pause();

    let (slow, last) = tokio::join!(join_all(slow), last);

    assert!(slow.iter().all(|status| *status == 408), "{slow:?}");
    assert_eq!(last, 404);
}

#[tokio::test]
async fn the_answer_waits_for_no_writing_and_what_is_live_is_ended_behind_it() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    assert!(accepts(&house, &token).await);
    let writer = house.ctx.store.begin().await.unwrap();

    let known = post(&house, report(&[&token])).await;
    let unknown = post(&house, report(&[&token_never_issued()])).await;
    tokio::select! {
        biased;
        () = house.ctx.leak_reports.all_done() => panic!("the answer waited for the writing"),
        () = std::future::ready(()) => {}
    }
    drop(writer);
    house.ctx.leak_reports.all_done().await;

    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    assert_eq!(known.status, 202);
    assert!(!accepts(&house, &token).await);
}

#[tokio::test]
async fn a_report_that_nobody_could_take_in_is_refused_before_it_is_read_further() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let mut in_hand = Vec::new();
    while let Ok(place) = house.ctx.leak_reports.place() {
        in_hand.push(place);
    }

    let refused = post(&house, report(&[&token])).await;
    drop(in_hand);

    assert_problem(&refused, 503);
    assert!(!refused.header("retry-after").is_empty());
    assert!(accepts(&house, &token).await);
    assert_eq!(post(&house, report(&[&token])).await.status, 202);
    assert!(!accepts(&house, &token).await);
}

#[tokio::test]
async fn tokens_are_counted_where_they_stand_and_not_by_the_texts_around_them() {
    let house = TestHouse::open().await;
    let some = token_never_issued().repeat(20);

    let most = post(&house, report(&[some.as_str(); 50])).await;
    let too_many = post(&house, report(&[some.as_str(); 51])).await;

    assert_eq!((most.status.as_u16(), most.body.as_str()), (202, r#"{"received":50}"#));
    assert_problem(&too_many, 422);
    assert!(too_many.body.contains("1000"));
}

#[tokio::test]
async fn a_token_behind_its_password_is_found_too() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;

    let answer = post(&house, report(&[&format!("{PASSWORD}{token}")])).await;

    assert_eq!(answer.status, 202);
    assert!(!accepts(&house, &token).await);
}

#[tokio::test]
async fn reports_are_bounded_and_what_was_sent_is_not_repeated() {
    let house = TestHouse::open().await;

    assert_eq!(post(&house, report(&["hunter2"; 1000])).await.body, r#"{"received":1000}"#);
    for body in [
        report(&["hunter2"; 1001]),
        report(&[]),
        report(&["hunter2".repeat(200).as_str()]),
        String::from("{"),
        String::from(r#"{"tokens":[{"token":"hunter2","hunter2":1}]}"#),
    ] {
        let answer = post(&house, body).await;
        assert_problem(&answer, 422);
        assert!(!answer.body.contains("hunter2"));
    }
    let large = post(&house, " ".repeat(600 * 1024)).await;
    assert_problem(&large, 413);
    let form = request(Method::POST, REPORTS).header("content-type", "text/plain");
    assert_problem(&house.send(form.body(Body::from(report(&["x"]))).unwrap()).await, 415);
    assert_problem(&house.get(REPORTS).await, 405);
}

#[tokio::test]
async fn an_address_that_reports_too_often_is_told_when_to_come_back() {
    let house = TestHouse::open().await;
    // What cannot be read is counted like any other.
    for _ in 0..10 {
        assert_problem(&post(&house, "{").await, 422);
    }

    let answer = post(&house, report(&["x"])).await;

    assert_problem(&answer, 429);
    assert_eq!(answer.header("retry-after"), "6");
    assert_eq!(answer.header("ratelimit"), r#""default";r=0;t=6"#);
    assert_eq!(answer.header("ratelimit-policy"), r#""default";q=10;w=60"#);
    house.clock.advance(Duration::from_secs(6));
    assert_eq!(post(&house, report(&["x"])).await.status, 202);
}

fn key_of(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

/// The key as GitHub publishes it.
fn published(key: &SigningKey) -> SigningKeys {
    let mut info = STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=").unwrap();
    info.extend_from_slice(key.verifying_key().to_encoded_point(false).as_bytes());
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(info)
    );
    let keys =
        json!({ "public_keys": [{ "key_identifier": "k1", "key": pem, "is_current": true }] });
    SigningKeys::parse(&keys.to_string()).unwrap()
}

async fn alert(house: &TestHouse, key: &SigningKey, body: &str) -> Answer {
    let signature: Signature = key.sign(body.as_bytes());
    let request = request(Method::POST, GITHUB)
        .header("content-type", "application/json")
        .header("Github-Public-Key-Identifier", "k1")
        .header("Github-Public-Key-Signature", STANDARD.encode(signature.to_der()));
    house.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn alert_of(tokens: &[&str]) -> String {
    let findings: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({ "token": token, "type": "symbolon_token", "url": "", "source": "commit" })
        })
        .collect();
    Value::from(findings).to_string()
}

#[tokio::test]
async fn github_is_told_which_of_its_findings_were_ever_tokens() {
    let key = key_of(7);
    let house = TestHouse::open_with(|plan| {
        plan.front.secret_scanning_keys = Some(published(&key));
    })
    .await;
    house.user("ada").await;
    let token = house.token("ada").await;

    let answer = alert(&house, &key, &alert_of(&[&token_never_issued(), &token, "junk"])).await;

    assert_eq!(answer.status, 200);
    let labels: Vec<Value> =
        answer.json().as_array().unwrap().iter().map(|told| told["label"].clone()).collect();
    assert_eq!(labels, ["false_positive", "true_positive", "false_positive"]);
    assert!(!accepts(&house, &token).await);
}

#[tokio::test]
async fn what_github_has_not_signed_ends_nothing() {
    let key = key_of(7);
    let house = TestHouse::open_with(|plan| {
        plan.front.secret_scanning_keys = Some(published(&key));
    })
    .await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let body = alert_of(&[&token]);

    assert_problem(&alert(&house, &key_of(8), &body).await, 403);
    let bare = request(Method::POST, GITHUB).header("content-type", "application/json");
    assert_problem(&house.send(bare.body(Body::from(body)).unwrap()).await, 400);
    assert_problem(&alert(&house, &key, "junk").await, 422);
    assert!(accepts(&house, &token).await);
}

#[tokio::test]
async fn without_keys_there_is_nothing_for_github() {
    let house = TestHouse::open().await;

    assert_problem(&alert(&house, &key_of(7), &alert_of(&["x"])).await, 404);
}
