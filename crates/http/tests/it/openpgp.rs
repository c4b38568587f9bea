//! A profile that demands encrypted mail: the same rule on the pages, in the JSON API and for administrators.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::{Actor, delivery, openpgp, profiles, users};
use symbolon_core::names::EmailAddress;
use symbolon_core::policy::{MailEncryption, Policy};
use symbolon_mail::{KeyDirectory, LookupFault};

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
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
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

/// A Web Key Directory in which everybody has this key, and how often it was asked.
#[derive(Debug, Default)]
struct Everybodys {
    asked: AtomicUsize,
}

#[async_trait]
impl KeyDirectory for Everybodys {
    async fn fetch(&self, _: &EmailAddress) -> Result<Vec<u8>, LookupFault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(KEY.to_vec())
    }
}

const KEY_PAGE: &str = "/setup/personal-information/openpgp-key";

/// Presses *Look Up My Key*; the answer.
async fn look_up(house: &TestHouse, cookie: &str, password: &str) -> Answer {
    let page = see(house, cookie, KEY_PAGE).await;
    let nonce = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("csrf", nonce), ("openpgp_key", ""), ("current_password", password)])
        .finish();
    let request = request(Method::POST, &format!("{KEY_PAGE}/look-up"))
        .header(header::COOKIE, format!("__Host-symbolon={cookie}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.send(request.body(Body::from(form)).unwrap()).await
}

#[tokio::test]
async fn an_owner_lets_the_key_of_whoever_reads_the_mail_be_looked_up_with_the_password() {
    let directory = Arc::new(Everybodys::default());
    let given = Arc::<Everybodys>::clone(&directory);
    let house = TestHouse::open_with(|plan| plan.key_directory = Some(given)).await;
    house.user("jane").await;
    let cookie = house.web_session("jane").await;

    let foreign = look_up(&house, &cookie, PASSWORD).await;
    let to = EmailAddress::parse("curve@example.com").unwrap();
    delivery::set_for(&house.ctx, Actor::Operator, "jane@example.com", Some(to)).await.unwrap();
    let before = directory.asked.load(Ordering::SeqCst);
    let unproved = look_up(&house, &cookie, "wrong").await;
    let after = directory.asked.load(Ordering::SeqCst);
    let found = look_up(&house, &cookie, PASSWORD).await;

    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(foreign.body.contains("is not that of jane@mail.example"), "{}", foreign.body);
    assert_eq!(unproved.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!((before, after), (1, 1), "who has not proved himself sends us nowhere");
    assert_eq!(found.status, StatusCode::SEE_OTHER, "{}", found.body);
    let jane = users::show(&house.ctx, "jane@example.com").await.unwrap();
    let key = openpgp::of_user(&house.ctx, jane.id).await.unwrap().key.unwrap();
    let page = see(&house, &cookie, "/setup/personal-information").await;
    assert!(page.contains(&key.fingerprint), "{page}");
}

#[tokio::test]
async fn whoever_changes_the_reader_of_the_mail_is_told_that_the_key_stays() {
    let house = TestHouse::open().await;
    let jane = house.user("jane").await;
    let cookie = house.web_session("jane").await;
    let pages = ["/setup/personal-information/delivery", "/setup/personal-information/email"];
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    for path in pages {
        assert!(!see(&house, &cookie, path).await.contains("stays encrypted"));
    }

    openpgp::set_for(&house.ctx, Actor::Operator, "jane@example.com", Some(key)).await.unwrap();

    let key = openpgp::of_user(&house.ctx, jane).await.unwrap().key.unwrap();
    for path in pages {
        let page = see(&house, &cookie, path).await;
        assert!(page.contains(&format!("stays encrypted to the OpenPGP key {}", key.fingerprint)));
    }
}

#[tokio::test]
async fn where_keys_are_not_looked_up_the_button_says_who_can_switch_it_on() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let cookie = house.web_session("jane").await;

    let page = see(&house, &cookie, KEY_PAGE).await;
    let refused = look_up(&house, &cookie, PASSWORD).await;

    assert!(is_disabled(&page, "Look Up My Key"), "{page}");
    assert!(!is_disabled(&page, "Save"), "{page}");
    assert!(page.contains("openpgp_lookup"), "{page}");
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("openpgp_lookup"), "{}", refused.body);
}
