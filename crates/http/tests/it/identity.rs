//! User info and the identity service.

use axum::body::Body;
use http::Method;

use crate::calls::{bearer, request};
use crate::house::TestHouse;

#[tokio::test]
async fn user_info_is_told_to_get_and_post() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    for method in [Method::GET, Method::POST] {
        let request = request(method, "/services/oauth2/userinfo");
        let request = request.header("authorization", bearer(&session));
        let answer = house.send(request.body(Body::empty()).unwrap()).await;

        let json = answer.json();
        assert_eq!(answer.status, 200);
        assert_eq!(json["preferred_username"], "ada@example.com");
        assert_eq!(json["organization_id"].as_str().unwrap().len(), 18);
        assert_eq!(json["user_id"].as_str().unwrap().len(), 18);
    }
    let refused = house.get("/services/oauth2/userinfo").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn the_identity_is_told_by_every_way_to_present_a_session() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let path = format!("/id/{}/{ada}", house.organization().await);

    for uri in [format!("{path}?oauth_token={session}"), format!("{path}?access_token={session}")] {
        assert_eq!(house.get(&uri).await.json()["username"], "ada@example.com");
    }
    for scheme in ["Bearer", "OAuth"] {
        let request = request(Method::GET, &path);
        let request = request.header("authorization", format!("{scheme} {session}"));
        let answer = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.json()["user_id"].as_str().unwrap()[..15], ada.to_string());
    }
}

#[tokio::test]
async fn the_identity_comes_in_three_formats() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let path = format!("/id/{}/{ada}", house.organization().await);
    let ask = async |query: &str| house.get_as(&session, &format!("{path}?{query}")).await;

    let json = ask("format=json&version=59.0").await;
    let xml = ask("format=xml").await;
    let form = ask("format=urlencoded").await;
    let unknown = ask("format=yaml").await;

    assert!(json.json()["urls"]["partner"].as_str().unwrap().contains("/Soap/u/59.0/"));
    assert_eq!(xml.header("content-type"), "text/xml; charset=UTF-8");
    assert_eq!(xml.element("username"), "ada@example.com");
    assert!(form.body.contains("username=ada%40example.com"));
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn another_user_or_organization_is_not_found_and_a_dead_session_is_forbidden() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let bob = house.user("bob").await;
    let session = house.api_session("ada").await;
    let organization = house.organization().await;

    for path in [
        format!("/id/{organization}/{bob}"),
        format!("/id/{organization}/005000000000001"),
        format!("/id/00D000000000001/{ada}"),
        format!("/id/{organization}/%ff"),
    ] {
        assert_eq!(house.get_as(&session, &path).await.status, 404, "{path}");
    }
    let own = format!("/id/{organization}/{ada}");
    assert_eq!(house.get(&own).await.status, 403);
    assert_eq!(house.get_as("junk", &own).await.status, 403);
}
