//! Sharing signals on the page and over the control socket: who sees which, and who may call them false.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use symbolon_app::login::{self, ApiLogin, Head};
use symbolon_app::sharing::Watch;
use symbolon_app::{Actor, Origin, device_types};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::names::{ClientName, DeviceType, Source};
use symbolon_core::secret::Credential;
use symbolon_http::control::{self, ControlSocket};
use tower::ServiceExt as _;

use crate::calls::{Answer, request};
use crate::house::{PASSWORD, TestHouse};

const PATH: &str = "/setup/sharing-signals";

/// Ada, whose token looks shared, and Bob, whose does not.
async fn house_with_signal() -> TestHouse {
    house_with_uses_from(&["198.51.100.1", "198.51.100.2"]).await
}

async fn house_with_uses_from(sources: &[&str]) -> TestHouse {
    let house = TestHouse::open().await;
    let set = |rules: &mut DeviceRules| rules.most_places = 1;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    house.user("ada").await;
    house.user("bob").await;
    let token = house.token("ada").await;
    for source in sources {
        let source = Source::new(source.parse().unwrap());
        let login = ApiLogin {
            head: Head::SoapPartner,
            username: "ada@example.com".to_owned(),
            credential: Credential::new(format!("{PASSWORD}{token}")),
            client: None,
            origin: Origin { source, client: ClientName::sanitised("export"), place: None },
        };
        login::log_in_to_api(&house.ctx, login).await.unwrap();
    }
    Watch::default().look(&house.ctx).await.unwrap();
    house
}

async fn see(house: &TestHouse, cookie: &str) -> Answer {
    see_at(house, cookie, PATH).await
}

async fn see_at(house: &TestHouse, cookie: &str, path: &str) -> Answer {
    let request = request(Method::GET, path);
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
    house.send(request.body(Body::empty()).unwrap()).await
}

/// Posts the hidden fields that stand in `page`, with the session of `cookie`.
async fn mark(house: &TestHouse, cookie: &str, csrf_of: &str, signal: &str) -> Answer {
    let (_, rest) = csrf_of.split_once(r#"name="csrf" value=""#).unwrap();
    let mut fields = form_urlencoded::Serializer::new(String::new());
    fields.append_pair("csrf", rest.split('"').next().unwrap()).append_pair("signal", signal);
    let request = request(Method::POST, PATH)
        .header(header::COOKIE, format!("__Host-symbolon={cookie}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.send(request.body(Body::from(fields.finish())).unwrap()).await
}

async fn ask(house: &TestHouse, method: Method, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).extension(ControlSocket);
    let router = control::router(house.state.clone());
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[tokio::test]
async fn an_owner_sees_the_evidence_and_marks_a_false_alarm_and_nobody_else_can() {
    let house = house_with_signal().await;
    let (ada, bob) = (house.web_session("ada").await, house.web_session("bob").await);
    let (_, listed) = ask(&house, Method::GET, "/sharing-signals").await;
    let signal = listed[0]["id"].as_str().unwrap();

    let (before, of_bob) = (see(&house, &ada).await.body, see(&house, &bob).await.body);
    let foreign = mark(&house, &bob, &of_bob, signal).await;
    let own = mark(&house, &ada, &before, signal).await;

    assert!(before.contains("from 2 networks, 1 at most"), "{before}");
    assert!(of_bob.contains("Nothing looks shared."));
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(own.status, StatusCode::SEE_OTHER);
    assert!(see(&house, &ada).await.body.contains("It is marked as a false alarm already."));
}

#[tokio::test]
async fn a_false_alarm_that_would_silence_its_rule_for_good_says_so_beside_the_button() {
    const SILENCES: &str = "this rule says nothing more";
    let few = house_with_signal().await;
    let many = house_with_uses_from(&[
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "1.1.1.1",
        "8.8.8.8",
        "9.9.9.9",
        "4.4.4.4",
        "5.5.5.5",
        "6.6.6.6",
    ])
    .await;

    for (house, expected) in [(&few, false), (&many, true)] {
        let ada = house.web_session("ada").await;
        for path in [PATH, "/setup/tokens"] {
            let page = see_at(house, &ada, path).await.body;
            assert!(page.contains("Mark as False Alarm"), "{page}");
            assert_eq!(page.contains(SILENCES), expected, "{page}");
        }
    }
}

#[tokio::test]
async fn an_owner_reads_and_marks_his_signals_by_the_json_api_and_nobody_elses() {
    let house = house_with_signal().await;
    let signals = "/api/v1/sharing-signals";
    let (ada, bob) = (house.api_session("ada").await, house.api_session("bob").await);
    let post = async |session: &str, path: &str, password: &str| {
        let request = request(Method::POST, path)
            .header(header::AUTHORIZATION, crate::calls::bearer(session))
            .header(header::CONTENT_TYPE, "application/json");
        let body = format!(r#"{{"current_password":"{password}"}}"#);
        house.send(request.body(Body::from(body)).unwrap()).await
    };

    let (own, of_bob) = (house.get_as(&ada, signals).await, house.get_as(&bob, signals).await);
    let signal = own.json()["sharing_signals"][0].clone();
    let path = format!("{signals}/{}/false-alarm", signal["id"].as_str().unwrap());
    let foreign = post(&bob, &path, PASSWORD).await;
    let guessed = post(&ada, &path, "no").await;
    let before = house.get_as(&ada, signals).await.json();
    let marked = post(&ada, &path, PASSWORD).await;
    let mark = house.mark().await;
    let again = post(&ada, &path, PASSWORD).await;
    let then = house.get_as(&ada, signals).await.json();

    assert!(signal["evidence"].as_str().unwrap().contains("from 2 networks, 1 at most"));
    assert_eq!(before["sharing_signals"][0]["false_alarm_at"], Value::Null);
    assert_eq!(guessed.status, StatusCode::FORBIDDEN);
    assert_eq!(of_bob.json()["sharing_signals"], serde_json::json!([]));
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(marked.status, StatusCode::NO_CONTENT, "{}", marked.body);
    assert_eq!((again.status, house.mark().await), (StatusCode::NO_CONTENT, mark));
    assert!(then["sharing_signals"][0]["false_alarm_at"].is_string());
}

#[tokio::test]
async fn tokens_shows_at_each_card_why_it_looks_shared_and_where_it_was_found() {
    let house = house_with_signal().await;
    let cookie = house.web_session("ada").await;
    let first = see_at(&house, &cookie, "/setup/tokens").await.body;
    let token = house.token("ada").await;
    let reported =
        format!(r#"{{"tokens":[{{"token":"{token}","url":"https://paste.example/1"}}]}}"#);
    let report = request(Method::POST, "/api/v1/leaked-tokens");
    let report = report.header(header::CONTENT_TYPE, "application/json");
    house.send(report.body(Body::from(reported)).unwrap()).await;

    let then = see_at(&house, &cookie, "/setup/tokens").await.body;

    assert!(first.contains("<dt>Looks shared</dt>"), "{first}");
    assert!(first.contains("from 2 networks, 1 at most"), "{first}");
    assert!(first.contains("Mark as False Alarm"), "{first}");
    assert!(!first.contains("<dt>Found</dt>"), "{first}");
    assert!(then.contains("<dt>Found</dt><dd>https://paste.example/1"), "{then}");
    assert_eq!(then.matches("<dt>Found</dt>").count(), 1, "at the card of that token alone");
}

#[tokio::test]
async fn the_operator_lists_signals_by_user_and_marks_one() {
    let house = house_with_signal().await;
    let (_, of_ada) = ask(&house, Method::GET, "/sharing-signals?user=ada@example.com").await;
    let (_, of_bob) = ask(&house, Method::GET, "/sharing-signals?user=bob@example.com").await;
    let path = format!("/sharing-signals/{}/false-alarm", of_ada[0]["id"].as_str().unwrap());

    let (marked, _) = ask(&house, Method::POST, &path).await;
    let (unknown, _) = ask(&house, Method::GET, "/sharing-signals?user=nobody").await;

    assert_eq!((marked, unknown), (StatusCode::NO_CONTENT, StatusCode::NOT_FOUND));
    assert_eq!(of_ada[0]["rule"], "places");
    assert_eq!(of_bob.as_array().unwrap().len(), 0);
    let (_, now) = ask(&house, Method::GET, "/sharing-signals").await;
    assert_eq!(now[0]["false_alarm_by"], "operator");
}
