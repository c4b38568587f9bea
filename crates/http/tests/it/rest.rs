//! Versions, resources and the password resource.

use axum::body::Body;
use http::{Method, header};

use crate::calls::{Answer, bearer, login, request};
use crate::house::{PASSWORD, TestHouse};

const NEW_PASSWORD: &str = "nine quiet Otters under a bridge";

async fn send(
    house: &TestHouse,
    method: Method,
    session: &str,
    uri: &str,
    body: &'static str,
) -> Answer {
    let request = request(method, uri)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, bearer(session));
    house.send(request.body(Body::from(body)).unwrap()).await
}

fn code(answer: &Answer) -> String {
    answer.json()[0]["errorCode"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn versions_are_for_everybody_and_resources_for_sessions() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    let versions = house.get("/services/data").await;
    let resources = house.get_as(&session, "/services/data/v59.0/").await;
    let refused = house.get("/services/data/v59.0/").await;

    assert!(versions.json().as_array().unwrap().len() > 10);
    let identity = resources.json()["identity"].as_str().unwrap().to_owned();
    assert!(identity.starts_with("https://auth.example/id/00D"));
    assert!(resources.header("sforce-limit-info").starts_with("api-usage="));
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.body,
        r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#
    );
}

#[tokio::test]
async fn a_session_may_come_by_the_header_of_bulk_clients() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    let request = request(Method::GET, "/services/data/v59.0").header("X-SFDC-Session", session);
    let answer = house.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_is_not_here_is_an_array_with_not_found() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    for uri in ["/services/data/v59.0/query?q=x", "/services/data/59.0", "/services/async/40.0/job"]
    {
        let answer = house.get_as(&session, uri).await;

        assert_eq!(answer.status, 404, "{uri}");
        assert_eq!(code(&answer), "NOT_FOUND");
    }
    let wrong_method = send(&house, Method::PUT, &session, "/services/data", "").await;
    assert_eq!(wrong_method.status, 405);
    assert_eq!(wrong_method.header("allow"), "GET,HEAD");
    assert_eq!(code(&wrong_method), "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn own_password_is_read_and_set_whatever_the_case_of_the_words() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let token = house.token("ada").await;
    let opened = house.soap(login("ada@example.com", &format!("{PASSWORD}{token}"))).await;
    let session = if house.get_as(&session, "/services/data/v59.0").await.status == 200 {
        session
    } else {
        opened.element("sessionId").to_owned()
    };
    let uri = format!("/services/data/v59.0/sobjects/user/{ada}/password");

    let read = send(&house, Method::GET, &session, &uri, "").await;
    let weak = send(&house, Method::POST, &session, &uri, r#"{"newPassword":"short"}"#).await;
    let set = send(
        &house,
        Method::POST,
        &session,
        &uri,
        r#"{"newPassword":"nine quiet Otters under a bridge"}"#,
    )
    .await;
    let again = house.soap(login("ada@example.com", &format!("{NEW_PASSWORD}{token}"))).await;

    assert_eq!(read.body, r#"{"isExpired":false}"#);
    assert_eq!((weak.status.as_u16(), code(&weak).as_str()), (400, "INVALID_NEW_PASSWORD"));
    assert_eq!((set.status.as_u16(), set.body.as_str()), (204, ""));
    assert_eq!(again.status, 200, "{}", again.body);
}

#[tokio::test]
async fn passwords_of_others_are_for_administrators() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let root = house.administrator("root").await;
    let user = house.api_session("ada").await;
    let administrator = house.api_session("root").await;
    let of = |id: &str| format!("/services/data/v59.0/sobjects/User/{id}/password");
    let before = house.mark().await;

    for id in [root.to_string(), "005000000000001".to_owned()] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = send(&house, method, &user, &of(&id), r#"{"NewPassword":"x"}"#).await;
            assert_eq!(answer.status, 403);
            assert_eq!(code(&answer), "INSUFFICIENT_ACCESS");
        }
    }
    assert_eq!(house.mark().await, before);
    let reset = send(&house, Method::DELETE, &administrator, &of(&ada.to_string()), "").await;
    let expired = send(&house, Method::GET, &administrator, &of(&ada.to_string()), "").await;
    let nobody = send(&house, Method::GET, &administrator, &of("005000000000001"), "").await;

    assert!(reset.json()["NewPassword"].is_string());
    assert_eq!(expired.body, r#"{"isExpired":true}"#);
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn bodies_that_are_no_new_password_are_refused() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let uri = format!("/services/data/v59.0/sobjects/User/{ada}/password");
    let before = house.mark().await;

    for body in ["", "[]", "{", r#"{"NewPassword":"a","x":1}"#, r#"{"NewPassword":"a\u0000b"}"#] {
        let answer = send(&house, Method::POST, &session, &uri, body).await;

        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(code(&answer), "JSON_PARSER_ERROR");
    }
    assert_eq!(house.mark().await, before);
}
