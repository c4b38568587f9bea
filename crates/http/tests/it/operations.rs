//! Health, metrics, time limits and fallbacks.

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::calls::{login, request};
use crate::house::{TestHouse, View};

async fn ops(house: &TestHouse, uri: &str) -> (u16, String) {
    let router = symbolon_http::ops_router(house.state.clone());
    let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_house_in_order_is_alive_and_ready() {
    let house = TestHouse::open().await;

    assert_eq!(house.get("/livez").await.status, 200);
    assert_eq!(house.get("/readyz").await.body, "ok\n");
    let verbose = house.get("/readyz?verbose").await;
    assert_eq!(verbose.body, "[+] database: ok\n[+] migrations: ok\n[+] live view: ok\nok\n");
    assert_eq!(ops(&house, "/readyz").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn a_house_without_its_database_is_alive_but_not_ready() {
    // A view that is current would keep a connection, and the closing wait for it.
    let house = TestHouse::open_with(|plan| plan.view = View::ToBeFilled).await;
    house.ctx.store.close().await;

    let ready = house.get("/readyz").await;

    assert_eq!(house.get("/livez").await.status, 200);
    assert_eq!(ready.status, 503);
    assert!(ready.body.starts_with("[-] database: "), "{}", ready.body);
}

#[tokio::test]
async fn logins_and_requests_are_counted_without_names() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.soap(login("ada@example.com", "wrong password, no token")).await;
    house.get("/nowhere/at/all").await;

    let (status, text) = ops(&house, "/metrics").await;

    assert_eq!(status, 200);
    for line in [
        r#"symbolon_logins_total{head="soap-partner",outcome="refused"} 1"#,
        r#"symbolon_http_requests_total{route="/services/Soap/{flavour}/{version}",method="POST",status="500"} 1"#,
        r#"symbolon_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        "symbolon_letters_waiting ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("ada") && !text.contains("nowhere"));
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_body_is_cut_off() {
    let house = TestHouse::open().await;
    // From here on time runs as soon as everybody waits.
    tokio::time::pause();
    let endless = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });

    let answer = house.soap(Body::from_stream(endless)).await;

    assert_eq!(answer.status, 408);
    assert!(answer.body.contains("<soapenv:Fault>"));
}

#[tokio::test]
async fn what_is_not_here_is_told_in_the_words_of_the_head() {
    let house = TestHouse::open().await;

    for (uri, words) in [
        ("/nowhere", "<html"),
        ("/services/Soap/u", "<soapenv:Fault>"),
        ("/services/oauth2/authorize", r#""error":"invalid_request""#),
        ("/services/data/v59.0/nothing", r#""errorCode":"NOT_FOUND""#),
    ] {
        let answer = house.get(uri).await;

        assert_eq!(answer.status, 404, "{uri}");
        assert!(answer.body.contains(words), "{uri}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_request_without_a_connection_is_a_fault_of_ours_and_no_panic() {
    let house = TestHouse::open().await;
    let request = request(Method::POST, "/services/Soap/u/59.0").body(Body::empty()).unwrap();

    let response = symbolon_http::router(house.state.clone()).oneshot(request).await.unwrap();

    assert_eq!(response.status(), 500);
}
