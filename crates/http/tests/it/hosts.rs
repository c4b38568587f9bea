//! Host names, in each head's own words.

use axum::body::Body;
use http::{Method, Request, header};

use crate::calls::Answer;
use crate::house::TestHouse;

async fn ask(house: &TestHouse, uri: &str, hosts: &[&str]) -> Answer {
    let mut request = Request::builder().method(Method::GET).uri(uri);
    for host in hosts {
        request = request.header(header::HOST, *host);
    }
    house.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_foreign_host_is_misdirected_in_the_words_of_the_head() {
    let house = TestHouse::open().await;

    for (uri, words) in [
        ("/login", "<html"),
        ("/services/Soap/u/59.0", "<soapenv:Fault>"),
        ("/services/oauth2/token", r#"{"error":"invalid_request""#),
        ("/services/data", r#"[{"message":"#),
        ("/id/a/b", r#"[{"message":"#),
    ] {
        let answer = ask(&house, uri, &["evil.example"]).await;

        assert_eq!(answer.status, 421, "{uri}");
        assert!(answer.body.contains(words), "{uri}: {}", answer.body);
        assert!(!answer.body.contains("evil"), "{uri}");
    }
}

#[tokio::test]
async fn own_names_loopback_and_addresses_are_answered() {
    let house =
        TestHouse::open_with(|plan| plan.front.allowed_hosts = vec!["Alias.Example".to_owned()])
            .await;

    for host in [
        "auth.example",
        "AUTH.example:443",
        "alias.example",
        "localhost:8080",
        "127.0.0.1",
        "[::1]:8080",
        "login.salesforce.com",
    ] {
        assert_eq!(ask(&house, "/services/data", &[host]).await.status, 200, "{host}");
    }
    assert_eq!(ask(&house, "/", &["login.salesforce.com"]).await.status, 421);
}

#[tokio::test]
async fn a_missing_double_or_malformed_host_is_a_bad_request() {
    let house = TestHouse::open().await;

    for hosts in [&[][..], &["auth.example", "auth.example"], &["a@auth.example"]] {
        assert_eq!(ask(&house, "/services/data", hosts).await.status, 400, "{hosts:?}");
    }
}

#[tokio::test]
async fn an_absolute_target_is_held_to_the_same_rule() {
    let house = TestHouse::open().await;

    let evil = ask(&house, "http://evil.example/services/data", &["auth.example"]).await;
    let own = ask(&house, "http://auth.example/services/data", &["auth.example"]).await;

    assert_eq!((evil.status.as_u16(), own.status.as_u16()), (421, 200));
}

#[tokio::test]
async fn health_checks_come_under_any_name() {
    let house = TestHouse::open().await;

    assert_eq!(ask(&house, "/livez", &["10-0-0-7.pods.example"]).await.status, 200);
    assert_eq!(ask(&house, "/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn no_header_moves_what_we_emit() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let request = Request::builder()
        .uri("/services/data/v59.0")
        .header(header::HOST, "localhost")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example")
        .header(header::AUTHORIZATION, format!("Bearer {session}"));

    let answer = house.send(request.body(Body::empty()).unwrap()).await;

    assert!(answer.json()["identity"].as_str().unwrap().starts_with("https://auth.example/"));
}
