//! Introspection (RFC 7662) for registered clients.

use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::{Method, header};
use serde_json::json;
use symbolon_app::context::Switch;
use symbolon_app::{Actor, clients, users};
use symbolon_store::changes;
use tokio::time::Instant;

use crate::asking::{INACTIVE, INTROSPECT, basic, proof_of, question, token_never_issued};
use crate::calls::{Answer, request};
use crate::house::{PASSWORD, TestHouse};

async fn revision(house: &TestHouse) -> i64 {
    let mut reader = house.ctx.store.read().await.unwrap();
    changes::current(&mut reader).await.unwrap()
}

/// What two answers must share so that nobody can tell why they were refused.
fn outside(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status.as_u16(), headers.collect(), answer.body.clone())
}

#[tokio::test]
async fn an_active_session_is_told_with_all_its_members() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;

    let answer = house.introspect(&client, &session).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.json(),
        json!({
            "active": true,
            "sub": ada.to_string(),
            "username": "ada@example.com",
            "token_type": "Bearer",
            "iat": 1_795_417_200,
            "exp": 1_795_417_200 + 2 * 60 * 60,
            "auth_time": 1_795_417_200,
            "iss": "https://auth.example",
            "device_type": "any",
            "profile": "Standard",
            "revision": revision(&house).await,
        })
    );
}

#[tokio::test]
async fn the_client_that_a_session_was_opened_through_is_told() {
    let house = TestHouse::open().await;
    let client = house.client(Switch::On).await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let id = client.id.to_string();
    let grant = [
        ("grant_type", "password"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.reveal()),
        ("username", "ada@example.com"),
        ("password", &format!("{PASSWORD}{token}")),
    ];
    let granted = house.post_form("/services/oauth2/token", &grant).await;

    let told = house.introspect(&client, granted.json()["access_token"].as_str().unwrap()).await;

    assert_eq!(told.json()["client_id"], id);
}

#[tokio::test]
async fn whatever_is_not_active_is_answered_with_one_member_and_nothing_else() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let half = house.token("ada").await;
    let retired = half.clone();
    let web = house.web_session("ada").await;
    let organization = house.organization().await;
    let never_opened = house.session_never_opened().await;
    let never_issued = token_never_issued();
    let typo = format!("{}0", &half[..29]);

    for token in [
        "junk",
        &half,
        &typo,
        &retired,
        &never_opened,
        &never_issued,
        &web,
        &format!("{organization}!{web}"),
        PASSWORD,
        "ada@example.com",
        "🦆",
        &"x".repeat(8000),
    ] {
        let answer = house.introspect(&client, token).await;

        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, INACTIVE), "{token}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn who_does_not_prove_itself_learns_nothing_not_even_whether_it_is_known() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let other = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let id = client.id.to_string();
    let nobody = "0AC000000000001";

    let mut answers = Vec::new();
    for proof in [
        basic(&id, "sbcwrong"),
        basic(&id, other.secret.reveal()),
        basic(nobody, client.secret.reveal()),
        basic("junk", "junk"),
        basic(&id, ""),
        basic("", ""),
        "Basic ????".to_owned(),
        format!("Bearer {session}"),
        format!("Bearer {}", client.secret.reveal()),
        String::new(),
    ] {
        for token in [session.as_str(), "junk"] {
            answers.push(house.send(question(&proof, &[("token", token)])).await);
        }
    }

    for answer in &answers {
        assert_eq!(outside(answer), outside(&answers[0]));
    }
    assert_eq!(answers[0].status, 401);
    assert_eq!(answers[0].json()["error"], "invalid_client");
    assert!(answers[0].header("www-authenticate").starts_with("Basic "));
    assert_eq!(answers[0].header("cache-control"), "no-store");
    let counted =
        "symbolon_verifications_total{head=\"introspection\",outcome=\"unauthorised\"} 20";
    assert!(house.metrics().await.contains(counted), "{}", house.metrics().await);
}

#[tokio::test]
async fn a_client_may_prove_itself_by_the_form_too() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let id = client.id.to_string();
    let by_form = async |secret: &str| {
        let fields = [("token", "junk"), ("client_id", id.as_str()), ("client_secret", secret)];
        house.post_form(INTROSPECT, &fields).await
    };

    assert_eq!(by_form(client.secret.reveal()).await.body, INACTIVE);
    assert_eq!(by_form("sbcwrong").await.status, 401);
}

#[tokio::test]
async fn a_secret_is_rolled_over_without_a_gap_and_the_old_one_dies_at_once() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let (operator, id) = (Actor::Operator, client.id);
    let first = clients::list(&house.ctx).await.unwrap()[0].secrets[0].id;
    let status = async |secret: &str| {
        house.send(question(&basic(&id.to_string(), secret), &[("token", "x")])).await.status
    };

    let second = clients::add_secret(&house.ctx, operator, id).await.unwrap();
    assert_eq!(status(client.secret.reveal()).await, 200);
    assert_eq!(status(second.secret.reveal()).await, 200);

    clients::remove_secret(&house.ctx, operator, id, first).await.unwrap();
    assert_eq!(status(client.secret.reveal()).await, 401);
    assert_eq!(status(second.secret.reveal()).await, 200);
}

#[tokio::test]
async fn a_client_that_is_removed_may_not_ask_any_more() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let other = house.verifier().await;
    assert_eq!(house.introspect(&client, "x").await.status, 200);

    clients::remove(&house.ctx, Actor::Operator, client.id).await.unwrap();

    assert_eq!(house.introspect(&client, "x").await.status, 401);
    assert_eq!(house.introspect(&other, "x").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_of_the_request() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let proof = proof_of(&client);
    let post = async |media_type: &str, body: &str| {
        let request = request(Method::POST, INTROSPECT)
            .header(header::CONTENT_TYPE, media_type)
            .header(header::AUTHORIZATION, &proof);
        house.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let form = "application/x-www-form-urlencoded";

    for (media_type, body, status) in [
        (form, "", 400),
        (form, "token=", 400),
        (form, "token=a&token=b", 400),
        (form, "token=%zz", 400),
        (form, "token=a&min_revision=-1", 400),
        (form, "token=a&min_revision=9223372036854775808", 400),
        (form, "token=a&deadline_ms=5001", 400),
        (form, &format!("token={}", "x".repeat(20_000)), 413),
        ("application/json", r#"{"token":"a"}"#, 415),
    ] {
        let answer = post(media_type, body).await;

        assert_eq!(answer.status.as_u16(), status, "{}", &body[..body.len().min(60)]);
        assert_eq!(answer.json()["error"], "invalid_request");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn unusual_spellings_of_the_path_are_answered_alike() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let proof = proof_of(&client);

    for uri in [
        "/services/oauth2/introspect/",
        "http://auth.example//services/oauth2/introspect",
        "/login.salesforce.com/services/oauth2/introspect",
    ] {
        let mut asked = question(&proof, &[("token", &session)]);
        *asked.uri_mut() = uri.parse().unwrap();
        let answer = house.send(asked).await;

        assert_eq!(answer.json()["username"], "ada@example.com", "{uri}");
    }
}

#[tokio::test]
async fn a_question_that_dawdles_is_cut_off() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let mut asked = question(&proof_of(&client), &[]);
    *asked.body_mut() = Body::from_stream(stream::pending::<std::io::Result<String>>());
    tokio::time::pause();

    let answer = house.send(asked).await;

    assert_eq!(answer.status, 408);
    assert_eq!(answer.json()["error"], "invalid_request");
}

#[tokio::test]
async fn a_mistake_of_ours_is_an_answer_and_no_broken_connection() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let mut asked = question(&proof_of(&client), &[]);
    let broken = stream::poll_fn(|_| -> Poll<Option<std::io::Result<String>>> { panic!("broken") });
    *asked.body_mut() = Body::from_stream(broken);

    let answer = house.send(asked).await;

    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert!(!answer.body.contains("broken"));
    assert_eq!(house.introspect(&client, "x").await.status, 200);
}

#[tokio::test]
async fn authorization_given_twice_is_refused() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let mut twice = question(&proof_of(&client), &[("token", "x")]);
    let second = basic("junk", "junk").parse().unwrap();
    twice.headers_mut().append(header::AUTHORIZATION, second);

    let answer = house.send(twice).await;

    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"], "invalid_request");
}

#[tokio::test]
async fn an_answer_is_at_least_as_new_as_the_revision_that_is_named() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let now = revision(&house).await;
    let fields = [("token", session.as_str()), ("min_revision", &now.to_string())];

    let answer = house.send(question(&proof_of(&client), &fields)).await;

    assert!(answer.json()["revision"].as_i64().unwrap() >= now);
}

#[tokio::test]
async fn a_revision_that_does_not_come_is_unavailable_at_the_deadline() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    let proof = proof_of(&client);
    let far = i64::MAX.to_string();
    // From here on time runs as soon as everybody waits.
    tokio::time::pause();

    for (deadline_ms, waited_ms) in [(None, 150), (Some("40"), 40), (Some("5000"), 5000)] {
        let mut fields = vec![("token", "junk"), ("min_revision", far.as_str())];
        fields.extend(deadline_ms.map(|ms| ("deadline_ms", ms)));
        let asked_at = Instant::now();
        let answer = house.send(question(&proof, &fields)).await;

        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(answer.header("cache-control"), "no-store");
        let waited = asked_at.elapsed();
        assert!(waited >= Duration::from_millis(waited_ms), "{waited:?}");
        assert!(waited < Duration::from_millis(waited_ms + 10), "{waited:?}");
    }
}

#[tokio::test]
async fn a_revision_that_comes_in_time_is_waited_for() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let next = (revision(&house).await + 1).to_string();
    let fields = [("token", session.as_str()), ("min_revision", &next), ("deadline_ms", "5000")];
    let asked = house.send(question(&proof_of(&client), &fields));

    let freeze = users::freeze(&house.ctx, Actor::Operator, "ada@example.com");
    let (answer, frozen) = tokio::join!(asked, freeze);

    frozen.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, INACTIVE));
}

#[tokio::test]
async fn who_does_not_prove_itself_is_not_kept_waiting_for_a_revision() {
    let house = TestHouse::open().await;
    let fields = [("token", "x"), ("min_revision", "9223372036854775807")];
    tokio::time::pause();
    let asked_at = Instant::now();

    let answer = house.send(question(&basic("junk", "junk"), &fields)).await;

    assert_eq!(answer.status, 401);
    assert_eq!(asked_at.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn strangers_do_not_take_the_places_of_those_who_prove_themselves() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let stranger = format!("Bearer {}", house.session_never_opened().await);
    let far = i64::MAX.to_string();
    let lines = [
        ("authorization", stranger.as_str()),
        ("x-symbolon-min-revision", &far),
        ("x-symbolon-deadline-ms", "5000"),
    ];
    let mut strangers: Vec<_> =
        (0..300).map(|_| Box::pin(house.ask(crate::asking::FORWARD_AUTH, &lines))).collect();
    // Each has asked, and waits or has been told to come later.
    std::future::poll_fn(|cx| {
        for stranger in &mut strangers {
            let _asked = stranger.as_mut().poll(cx);
        }
        Poll::Ready(())
    })
    .await;

    let next = (house.mark().await.0 + 1).to_string();
    let fields = [("token", session.as_str()), ("min_revision", &next), ("deadline_ms", "5000")];
    let asked = house.send(question(&proof_of(&client), &fields));
    let freeze = users::freeze(&house.ctx, Actor::Operator, "ada@example.com");
    let (answer, frozen) = tokio::join!(asked, freeze);

    frozen.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, INACTIVE));
}
