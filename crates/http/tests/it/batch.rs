//! `POST /api/v1/verify`: many credentials in one request.

use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use http::{Method, header};
use serde_json::{Value, json};
use symbolon_app::context::Switch;
use symbolon_app::{Actor, device_types};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::keys::Purpose;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::DAY;
use symbolon_core::session::SessionKind;
use symbolon_store::{sessions, tokens as stored_tokens};
use tokio::time::Instant;

use crate::asking::{FORWARD_AUTH, VERIFY, basic, proof_of, token_never_issued};
use crate::calls::{Answer, request};
use crate::house::TestHouse;

fn credentials(list: &[&str]) -> String {
    json!({ "credentials": list }).to_string()
}

/// That it is a problem document of this kind, and when to look at it.
fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let problem = answer.json();
    assert_eq!(problem["type"], format!("urn:symbolon:problem:{kind}"));
    assert_eq!(problem["status"], status);
    assert_eq!(problem["correlation_id"].as_str().unwrap().len(), 12);
    assert!(problem["detail"].as_str().unwrap().ends_with(['.', 's', '0', 'n', 'l', 'e']));
}

#[tokio::test]
async fn each_credential_is_answered_in_its_place() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let ada = house.user("ada").await;
    house.user("bob").await;
    house.set_bearer(Switch::On).await;
    let of_ada = house.api_session("ada").await;
    let of_bob = house.token("bob").await;
    let never_issued = token_never_issued();
    let never_opened = house.session_never_opened().await;
    let asked =
        [&of_ada, "junk", &of_bob, "", &never_issued, &of_ada, &never_opened, "a\"\\\u{1f}é"];

    let answer = house.batch(&proof_of(&client), credentials(&asked)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    let names: Vec<&Value> = results.iter().map(|result| &result["username"]).collect();
    let (a, b, none) = (json!("ada@example.com"), json!("bob@example.com"), Value::Null);
    assert_eq!(names, [&a, &none, &b, &none, &none, &a, &none, &none]);
    assert_eq!(results[1], json!({ "active": false }));
    assert_eq!(results[0]["sub"], ada.to_string());
    assert_eq!(results[0]["revision"], answer["revision"]);
}

#[tokio::test]
async fn a_batch_says_the_same_as_introspection() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    let one = house.introspect(&client, &session).await.json();
    let mut many = house.batch(&proof_of(&client), credentials(&[&session])).await.json();

    // The end of a session moves with each use, and so with the clock.
    many["results"][0]["exp"] = one["exp"].clone();
    assert_eq!(many["results"][0], one);
}

#[tokio::test]
async fn a_session_that_is_used_at_another_node_is_active_here_too() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    for name in ["ada", "bob"] {
        house.user(name).await;
    }
    let (used, unused) = (house.api_session("ada").await, house.api_session("bob").await);
    house.clock.advance(Duration::from_hours(2));
    let digest = house.ctx.keys.digest(Purpose::Session, &used.as_bytes()[16..]);
    let mut tx = house.ctx.store.begin().await.unwrap();
    let row = sessions::find(&mut tx, SessionKind::Api, &[digest]).await.unwrap().unwrap();
    let before = house.ctx.clock.now() - Duration::from_mins(1);
    sessions::touch(&mut tx, row.id, before).await.unwrap();
    tx.commit().await.unwrap();

    let asked = credentials(&[&unused, &used, "junk", &used]);
    let answer = house.batch(&proof_of(&client), asked).await.json();

    let results = answer["results"].as_array().unwrap();
    let active: Vec<_> = results.iter().map(|result| result["active"] == true).collect();
    assert_eq!(active, [false, true, false, true]);
}

#[tokio::test]
async fn each_unused_token_is_looked_up_for_all_of_its_places_in_a_batch() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.set_bearer(Switch::On).await;
    let set = |rules: &mut DeviceRules| rules.idle_end = Some(30 * DAY);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let mut dead = Vec::new();
    for name in ["dan", "eve", "fay"] {
        house.user(name).await;
        dead.push(house.api_session(name).await);
    }
    let mut tokens = Vec::new();
    for name in ["ada", "bob", "cyd"] {
        let owner = house.user(name).await;
        tokens.push(house.token(name).await);
        house.clock.advance(20 * DAY);
        let id = symbolon_app::tokens::of_user(&house.ctx, owner).await.unwrap()[0].token;
        if name != "cyd" {
            let mut tx = house.ctx.store.begin().await.unwrap();
            stored_tokens::note_use(&mut tx, id, house.ctx.clock.now()).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
    house.clock.advance(5 * DAY);
    let [ada, bob, cyd] = [0, 1, 2].map(|at| tokens[at].as_str());
    let asked: Vec<_> = [bob, cyd, bob, ada, "junk"].into_iter().cycle().take(1000).collect();

    // Strangers with sessions that have died take none of its places.
    let strangers = join_all(dead.iter().map(|session| house.ask_bearer(FORWARD_AUTH, session)));
    let proof = proof_of(&client);
    let (_, answer) = tokio::join!(strangers, house.batch(&proof, credentials(&asked)));

    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    let active: Vec<_> = results.iter().map(|result| result["active"] == true).collect();
    // Ada's use is 45 days ago, Bob's 25, and Cyd's token was issued 25 days ago.
    assert_eq!(active, [true, true, true, false, false].repeat(200));
}

#[tokio::test]
async fn who_waits_for_a_revision_and_loses_his_secret_meanwhile_is_told_nothing() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let next = house.mark().await.0 + 1;
    let body = json!({ "credentials": [session], "min_revision": next, "deadline_ms": 5000 });

    let proof = proof_of(&client);
    let removing = async {
        symbolon_app::clients::remove(&house.ctx, Actor::Operator, client.id).await.unwrap();
    };
    let (answer, ()) = tokio::join!(house.batch(&proof, body.to_string()), removing);

    assert_problem(&answer, 401, "not-authenticated");
}

#[tokio::test]
async fn in_a_batch_too_an_unused_token_dies_to_the_millisecond() {
    const MS: Duration = Duration::from_millis(1);
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    house.set_bearer(Switch::On).await;
    let set = |rules: &mut DeviceRules| rules.idle_end = Some(30 * DAY);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let token = house.token("ada").await;
    let ask = async || {
        let answer = house.batch(&proof_of(&client), credentials(&[&token, "junk"])).await;
        answer.json()["results"][0]["active"].clone()
    };

    house.clock.advance((30 * DAY).saturating_sub(MS));
    let in_time = ask().await;
    house.clock.advance(30 * DAY);
    let too_late = ask().await;

    assert_eq!((in_time, too_late), (json!(true), json!(false)));
}

#[tokio::test]
async fn a_thousand_credentials_are_answered_and_one_more_is_too_many() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let proof = proof_of(&client);
    let mut asked = vec![session.as_str(); 1000];

    let answer = house.batch(&proof, credentials(&asked)).await;
    let results = answer.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 1000);
    assert!(results.iter().all(|result| result["active"] == true));

    asked.push("one more");
    assert_problem(&house.batch(&proof, credentials(&asked)).await, 422, "invalid");
    assert_problem(&house.batch(&proof, credentials(&[])).await, 422, "invalid");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_without_being_repeated() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let proof = proof_of(&client);

    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"{"credentials":"hunter2"}"#,
        r#"{"credentials":["hunter2",]}"#,
        r#"{"credentials":["a"],"hunter2":1}"#,
        r#"{"credentials":["a"],"min_revision":-1}"#,
        r#"{"credentials":["a"],"deadline_ms":0}"#,
        "\u{0}",
    ] {
        let answer = house.batch(&proof, body).await;

        assert_problem(&answer, 422, "invalid");
        assert!(!answer.body.contains("hunter2"), "{}", answer.body);
    }
    let not_utf8 = house.batch(&proof, b"{\"credentials\":[\"\xff\"]}".to_vec()).await;
    assert_problem(&not_utf8, 422, "invalid");
}

#[tokio::test]
async fn a_body_of_256_kib_is_read_and_a_longer_one_is_not() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let proof = proof_of(&client);
    let padded = |length: usize| {
        let body = credentials(&["junk"]);
        format!("{body}{}", " ".repeat(length - body.len()))
    };

    assert_eq!(house.batch(&proof, padded(256 * 1024)).await.status, 200);
    assert_problem(&house.batch(&proof, padded(256 * 1024 + 1)).await, 413, "unreadable");
    assert_problem(&house.batch(&proof, padded(8 * 1024 * 1024)).await, 413, "unreadable");
}

#[tokio::test]
async fn json_must_call_itself_json() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let post = async |headers: &[(&'static str, &str)]| {
        let mut request = request(Method::POST, VERIFY).header("authorization", proof_of(&client));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        house.send(request.body(Body::from(credentials(&["x"]))).unwrap()).await
    };

    assert_eq!(post(&[("content-type", "Application/JSON; charset=utf-8")]).await.status, 200);
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json"), ("content-type", "text/plain")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        assert_problem(&post(headers).await, 415, "unreadable");
    }
}

#[tokio::test]
async fn who_does_not_prove_itself_is_challenged_whatever_it_asks() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let body = credentials(&[&session]);
    let id = client.id.to_string();
    let correlated = |answer: &Answer| {
        let mut problem = answer.json();
        problem["correlation_id"] = Value::Null;
        problem
    };

    let reference = house.batch(&basic(&id, "sbcwrong"), body.clone()).await;
    assert_problem(&reference, 401, "not-authenticated");
    assert!(reference.header("www-authenticate").starts_with("Basic "));
    for proof in [
        basic("0AC000000000001", client.secret.reveal()),
        format!("Bearer {session}"),
        "Basic".to_owned(),
        String::new(),
    ] {
        let answer = house.batch(&proof, body.clone()).await;
        assert_eq!(
            (answer.status, correlated(&answer)),
            (reference.status, correlated(&reference))
        );
    }
    let counted = "symbolon_verifications_total{head=\"verify\",outcome=\"unauthorised\"} 5";
    assert!(house.metrics().await.contains(counted), "{}", house.metrics().await);
    let junk = house.batch(&basic(&id, "sbcwrong"), "junk").await;
    assert_eq!(correlated(&junk), correlated(&reference));
    let mut bare = request(Method::POST, VERIFY).body(Body::from(body)).unwrap();
    bare.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    assert_eq!(correlated(&house.send(bare).await), correlated(&reference));
}

#[tokio::test]
async fn a_batch_waits_for_the_revision_that_it_names_and_no_longer_than_it_says() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let proof = proof_of(&client);
    let body = |revision: i64, deadline: u32| {
        json!({ "credentials": ["x"], "min_revision": revision, "deadline_ms": deadline })
            .to_string()
    };
    let reached = house.mark().await.0;
    tokio::time::pause();

    let answer = house.batch(&proof, body(reached, 1)).await.json();
    assert!(answer["revision"].as_i64().unwrap() >= reached);

    let asked_at = Instant::now();
    assert_problem(&house.batch(&proof, body(i64::MAX, 700)).await, 503, "unavailable");
    assert_eq!(asked_at.elapsed().as_millis() / 10, Duration::from_millis(700).as_millis() / 10);
}

#[tokio::test]
async fn nobody_gets_a_batch_by_asking_with_another_method() {
    let house = TestHouse::open().await;

    let answer = house.get(VERIFY).await;

    assert_eq!(answer.status, 405);
}
