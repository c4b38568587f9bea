//! Log-ins beyond the share of their address, in the words of each head: 429 with `Retry-After`.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use symbolon_app::context::Switch;
use symbolon_app::hashing::{Asker, Place};
use symbolon_core::names::Source;
use symbolon_http::control::{self, ControlSocket, kind};
use tower::ServiceExt as _;

use crate::calls::{Answer, bearer, call, login, request};
use crate::house::{PASSWORD, PEER, TestHouse};

const NEW_PASSWORD: &str = "nine quiet Otters under a bridge";

/// Takes every place that `asker` can get.
fn fill(house: &TestHouse, asker: Asker) -> Vec<Place> {
    std::iter::from_fn(|| house.ctx.hasher.line_up(asker).ok()).collect()
}

/// Takes the whole share of the address that all requests of tests come from.
fn flood(house: &TestHouse) -> Vec<Place> {
    fill(house, Asker::Source(Source::new(PEER)))
}

/// That it is 429 with a time in whole seconds.
fn assert_too_many(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.body);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
}

async fn log_in_at_the_page(house: &TestHouse, username: &str) -> Answer {
    let shown = house.get("/login").await;
    let cookie = shown.header("set-cookie").split(';').next().unwrap().to_owned();
    let (_, rest) = shown.body.split_once(r#"name="csrf" value=""#).unwrap();
    let (nonce, _) = rest.split_once('"').unwrap();
    let fields = [("csrf", nonce), ("username", username), ("password", PASSWORD)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = request(Method::POST, "/login")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_soap_log_in_is_a_fault_that_clients_can_read() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let envelope = login("ada@example.com", &format!("{PASSWORD}{token}"));
    let flood = flood(&house);

    let turned_away = house.soap(envelope.clone()).await;
    drop(flood);
    let served = house.soap(envelope).await;

    assert_too_many(&turned_away);
    assert_eq!(turned_away.header("content-type"), "text/xml; charset=UTF-8");
    assert_eq!(turned_away.element("faultcode"), "sf:REQUEST_LIMIT_EXCEEDED");
    assert_eq!(
        turned_away.element("faultstring"),
        "REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded."
    );
    assert_eq!(turned_away.element("sf:exceptionCode"), "REQUEST_LIMIT_EXCEEDED");
    assert!(turned_away.body.contains("<sf:UnexpectedErrorFault "));
    assert_eq!(served.status, 200, "{}", served.body);
    assert_eq!(house.reasons().await.len(), 1, "whoever is turned away has not tried");
}

#[tokio::test]
async fn a_soap_change_of_a_password_is_turned_away_and_its_session_lives_on() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let _flood = flood(&house);

    let change = format!(
        "<changeOwnPassword><oldPassword>{PASSWORD}</oldPassword>\
         <newPassword>{NEW_PASSWORD}</newPassword></changeOwnPassword>"
    );
    let turned_away = house.soap(call(&session, &change)).await;

    assert_too_many(&turned_away);
    assert_eq!(turned_away.element("sf:exceptionCode"), "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(house.soap(call(&session, "<getUserInfo/>")).await.status, 200);
}

#[tokio::test]
async fn the_password_grant_says_so_in_two_members() {
    let house = TestHouse::open().await;
    let client = house.client(Switch::On).await;
    let id = client.id.to_string();
    let fields = [
        ("grant_type", "password"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.reveal()),
        ("username", "ada@example.com"),
        ("password", PASSWORD),
    ];
    let _flood = flood(&house);

    let turned_away = house.post_form("/services/oauth2/token", &fields).await;

    assert_too_many(&turned_away);
    assert_eq!(turned_away.header("content-type"), "application/json; charset=UTF-8");
    let said = serde_json::json!({
        "error": "rate_limit_exceeded",
        "error_description": "login rate exceeded",
    });
    assert_eq!(turned_away.json(), said);
}

#[tokio::test]
async fn the_password_resource_answers_an_array() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let _flood = flood(&house);

    let uri = format!("/services/data/v59.0/sobjects/User/{ada}/password");
    let request = request(Method::POST, &uri)
        .header(header::AUTHORIZATION, bearer(&session))
        .header(header::CONTENT_TYPE, "application/json");
    let body = format!(r#"{{"NewPassword":"{NEW_PASSWORD}"}}"#);
    let turned_away = house.send(request.body(body.into()).unwrap()).await;

    assert_too_many(&turned_away);
    assert_eq!(turned_away.json()[0]["errorCode"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(turned_away.header("sforce-limit-info"), "api-usage=1/1000000");
}

#[tokio::test]
async fn the_page_says_when_to_try_again_and_not_whether_there_is_such_a_user() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let flood = flood(&house);

    let known = log_in_at_the_page(&house, "ada@example.com").await;
    let unknown = log_in_at_the_page(&house, "nobody@example.com").await;
    drop(flood);
    let served = log_in_at_the_page(&house, "ada@example.com").await;

    assert_too_many(&known);
    let seconds = known.header("retry-after");
    let sentence = match seconds {
        "1" => "Too many logins at once. Try again in 1 second.".to_owned(),
        _ => format!("Too many logins at once. Try again in {seconds} seconds."),
    };
    assert!(known.body.contains(&sentence), "{}", known.body);
    assert_eq!((known.status, known.body), (unknown.status, unknown.body));
    assert_eq!(served.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_control_socket_has_no_share_and_tells_of_a_full_line_as_a_problem() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let set = || async {
        let request = Request::builder()
            .method(Method::PUT)
            .uri("/users/ada@example.com/password")
            .header(header::CONTENT_TYPE, "application/json")
            .extension(ControlSocket);
        let body = format!(r#"{{"password":"{NEW_PASSWORD}"}}"#);
        let router = control::router(house.state.clone());
        let response = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    };
    let _flood = flood(&house);

    let beside_a_flood = set().await;
    let _line = fill(&house, Asker::Operator);
    let turned_away = set().await;

    assert_eq!(beside_a_flood.status, StatusCode::NO_CONTENT, "{}", beside_a_flood.body);
    assert_too_many(&turned_away);
    assert_eq!(turned_away.header("content-type"), "application/problem+json");
    assert_eq!(turned_away.json()["type"], kind::TOO_MANY);
    let detail = turned_away.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("too many logins at once, try again in "), "{detail}");
}

#[tokio::test]
async fn whoever_waits_and_whoever_is_turned_away_is_counted_by_cause() {
    let house = TestHouse::open().await;
    let flood = flood(&house);
    house.soap(login("ada@example.com", PASSWORD)).await;

    let router = symbolon_http::ops_router(house.state.clone());
    let request = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();

    for line in [
        format!("symbolon_hashes_waiting {}", flood.len()),
        // The flood itself met the end of its share once.
        r#"symbolon_hashes_turned_away_total{cause="share-taken"} 2"#.to_owned(),
        r#"symbolon_hashes_turned_away_total{cause="line-full"} 0"#.to_owned(),
        r#"symbolon_logins_total{head="soap-partner",outcome="turned-away"} 1"#.to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}
