//! A profile that demands encrypted mail: the same rule on the pages, in the JSON API and for administrators.

use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::{Actor, openpgp, profiles};
use symbolon_core::policy::{MailEncryption, Policy};

use crate::administration::Administrator;
use crate::calls::{Answer, bearer, request};
use crate::house::{PASSWORD, TestHouse};

const KEY: &[u8] = include_bytes!("../../../mail/tests/keys/curve.asc");
const RULE: &str =
    "The profile demands that mail with a token is encrypted, and the account has no OpenPGP key.";

/// Whether the button or link of this label is shown disabled.
fn is_disabled(page: &str, label: &str) -> bool {
    let ends = [format!(">{label}</button>"), format!(">{label}</a>")];
    let at = ends.iter().find_map(|end| page.find(end));
    let at = at.unwrap_or_else(|| panic!("no {label} in {page}"));
    let begins = page[..at].rfind('<').unwrap();
    page[begins..at].contains("disabled")
}

async fn demand_encryption(house: &TestHouse) {
    let policy = Policy { mail_encryption: MailEncryption::Required, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", policy).await.unwrap();
}

async fn see(house: &TestHouse, cookie: &str, path: &str) -> String {
    let request = request(Method::GET, path);
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
    house.send(request.body(Body::empty()).unwrap()).await.body
}

async fn reset_by_api(house: &TestHouse, session: &str) -> Answer {
    let body = format!(r#"{{"current_password":"{PASSWORD}"}}"#);
    let request = request(Method::POST, "/api/v1/tokens/reset")
        .header(header::AUTHORIZATION, bearer(session))
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", "1");
    house.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn each_way_to_a_reset_is_shown_disabled_with_the_rule_until_there_is_a_key() {
    const USER: &str = "/setup/users/jane@example.com";
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    house.user("jane").await;
    let cookie = house.web_session("jane").await;
    let ways = [
        ("/setup/personal-information", "Reset Security Token"),
        ("/setup/reset-security-token", "Reset Security Token"),
        ("/setup/reset-security-token/confirm", "Save"),
    ];
    demand_encryption(&house).await;

    let mut pages = Vec::new();
    for (path, label) in ways {
        pages.push((see(&house, &cookie, path).await, label));
    }
    pages.push((root.see(USER).await.body, "Reset Security Token"));
    let confirm = format!("{USER}/reset-security-token");
    pages.push((root.see(&confirm).await.body, "Reset Security Token"));
    let key_page = see(&house, &cookie, "/setup/personal-information/openpgp-key").await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    openpgp::set_for(&house.ctx, Actor::Operator, "jane@example.com", Some(key)).await.unwrap();

    for (page, label) in &pages {
        assert!(is_disabled(page, label), "{page}");
        assert!(page.contains(RULE), "{page}");
    }
    assert!(key_page.contains("Your profile demands a key"));
    for (path, label) in ways {
        let page = see(&house, &cookie, path).await;
        assert!(!is_disabled(&page, label), "{page}");
        assert!(!page.contains(RULE), "{page}");
    }
}

#[tokio::test]
async fn the_api_refuses_a_reset_with_the_rule_and_the_session_lives_on() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    demand_encryption(&house).await;

    let refused = reset_by_api(&house, &session).await;

    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.json()["detail"].as_str().unwrap().starts_with(RULE), "{}", refused.body);
    assert_eq!(house.get_as(&session, "/api/v1/tokens").await.status, StatusCode::OK);
}
