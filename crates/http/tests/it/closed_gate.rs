//! A node that cannot know says so, at each head in the words that fail closed there; and what is asked
//! is counted.

use axum::body::Body;
use http::{Method, Version, header};
use symbolon_app::context::Switch;
use symbolon_app::live;
use symbolon_wire::ext_authz::CHECK_PATH;

use crate::asking::{AUTH_REQUEST, EXT_AUTHZ, FORWARD_AUTH, basic, proof_of, token_never_issued};
use crate::calls::{call, request};
use crate::house::{TestHouse, View};

async fn closed_house() -> TestHouse {
    TestHouse::open_with(|plan| plan.view = View::ToBeFilled).await
}

#[tokio::test]
async fn no_proxy_is_told_yes_or_no_before_the_view_is_current() {
    let house = closed_house().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    for (uri, status) in [(FORWARD_AUTH, 503), (AUTH_REQUEST, 403), (EXT_AUTHZ, 503)] {
        let answer = house.ask_bearer(uri, &session).await;

        assert_eq!(answer.status.as_u16(), status, "{uri}");
        assert_eq!(answer.header("x-symbolon-reason"), "unavailable");
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.headers.contains_key("remote-user"));
    }
}

#[tokio::test]
async fn nobody_is_told_anything_over_grpc_either() {
    let house = closed_house().await;
    let request = request(Method::POST, CHECK_PATH)
        .version(Version::HTTP_2)
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(Body::from(&b"\0\0\0\0\0"[..]));

    let connection = crate::house::connection();
    let response = house.entrance.answer(connection, request.unwrap()).await;
    let message = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let check: symbolon_wire::ext_authz::CheckResponse =
        prost::Message::decode(&message[5..]).unwrap();

    assert_eq!(check.status.unwrap().code, 14);
}

#[tokio::test]
async fn no_client_is_told_anything_right_or_wrong() {
    let house = closed_house().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let body = format!(r#"{{"credentials":["{session}"]}}"#);

    for proof in [proof_of(&client), basic(&client.id.to_string(), "wrong"), basic("junk", "junk")]
    {
        let fields = [("token", session.as_str())];
        let one = house.send(crate::asking::question(&proof, &fields)).await;
        assert_eq!(one.status, 503);
        assert_eq!(one.json()["error"], "temporarily_unavailable");
        assert_eq!(one.header("retry-after"), "5");

        let many = house.batch(&proof, body.clone()).await;
        assert_eq!(many.status, 503);
        assert_eq!(many.json()["type"], "urn:symbolon:problem:unavailable");
        assert_eq!(many.header("retry-after"), "5");
    }
}

#[tokio::test]
async fn heads_that_need_a_session_alone_are_answered_from_the_database() {
    let house = closed_house().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    assert_eq!(house.soap(call(&session, "<getUserInfo/>")).await.status, 200);
    assert_eq!(house.get_as(&session, "/services/data/v59.0/").await.status, 200);
    let junk = house.session_never_opened().await;
    assert_eq!(house.get_as(&junk, "/services/data/v59.0/").await.status, 401);
    house.soap(call(&session, "<logout/>")).await;
    assert_eq!(house.get_as(&session, "/services/data/v59.0/").await.status, 401);
}

#[tokio::test]
async fn a_house_is_not_ready_before_its_view_is_current() {
    let house = closed_house().await;
    assert_eq!(house.get("/readyz").await.status, 503);

    live::bring_up_to_date(&house.ctx).await.unwrap();

    assert_eq!(house.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn what_was_opened_and_ended_before_the_filling_is_known_after_it() {
    let house = closed_house().await;
    house.user("ada").await;
    house.set_bearer(Switch::On).await;
    let retired = house.token("ada").await;
    let ended = house.api_session("ada").await;
    let session = house.api_session("ada").await;

    live::bring_up_to_date(&house.ctx).await.unwrap();

    for (credential, status) in
        [(session.as_str(), 200), (&house.newest_token("ada"), 200), (&ended, 401), (&retired, 401)]
    {
        assert_eq!(house.ask_bearer(FORWARD_AUTH, credential).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn every_verification_is_counted_once_by_head_and_outcome() {
    let house = TestHouse::open().await;
    let client = house.verifier().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let never_issued = token_never_issued();

    house.ask_bearer(FORWARD_AUTH, &session).await;
    house.ask_bearer(FORWARD_AUTH, "junk").await;
    house.ask_bearer(&format!("{FORWARD_AUTH}?profile=Other"), &session).await;
    house.ask(AUTH_REQUEST, &[]).await;
    house.introspect(&client, &session).await;
    house.introspect(&client, "junk").await;
    let body = format!(r#"{{"credentials":["{session}","{never_issued}","x"]}}"#);
    house.batch(&proof_of(&client), body).await;

    let text = house.metrics().await;
    for (head, outcome, count) in [
        ("forward-auth", "allowed", 1),
        ("forward-auth", "refused", 1),
        ("forward-auth", "forbidden", 1),
        ("forward-auth", "cannot-know", 0),
        ("auth-request", "refused", 1),
        ("introspection", "allowed", 1),
        ("introspection", "refused", 1),
        ("verify", "allowed", 1),
        ("verify", "refused", 2),
        ("ext-authz", "allowed", 0),
        ("ext-authz-grpc", "allowed", 0),
    ] {
        let line = format!(
            "symbolon_verifications_total{{head=\"{head}\",outcome=\"{outcome}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("symbolon_live_view_open 1\n"));
    assert!(!text.contains("ada") && !text.contains(&session));
}

#[tokio::test]
async fn that_nothing_could_be_known_is_counted_once_too() {
    let house = closed_house().await;
    let client = house.verifier().await;

    house.ask(FORWARD_AUTH, &[]).await;
    house.ask_bearer(AUTH_REQUEST, "junk").await;
    house.introspect(&client, "x").await;
    house.batch(&proof_of(&client), r#"{"credentials":["x"]}"#).await;

    let text = house.metrics().await;
    for head in ["forward-auth", "auth-request", "introspection", "verify"] {
        let line =
            format!("symbolon_verifications_total{{head=\"{head}\",outcome=\"cannot-know\"}} 1\n");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("symbolon_live_view_open 0\n"));
}
