//! Where a new token goes is told before it is sent, and it goes there.

use axum::body::Body;
use http::{Method, header};
use symbolon_app::{Actor, delivery, device_types};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::names::{DeviceType, EmailAddress};

use crate::administration::Administrator;
use crate::calls::request;
use crate::house::TestHouse;

const OWN: &str = "a•••@m•••.example";
const CONTACT: &str = "o•••@g•••.example";

/// Ada, whose mail with a token goes to the group that looks after her integration.
async fn house_with_contact() -> TestHouse {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let contact = EmailAddress::parse("operations@group.example").unwrap();
    let (actor, name) = (Actor::Operator, "ada@example.com");
    delivery::set_for(&house.ctx, actor, name, Some(contact)).await.unwrap();
    let overlap = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, actor, &DeviceType::any(), overlap).await.unwrap();
    house
}

#[tokio::test]
async fn every_page_that_leads_to_a_token_names_the_delivery_contact() {
    let house = house_with_contact().await;
    let ada = house.web_session("ada").await;
    reset(&house).await;
    let root = Administrator::of(&house).await;
    let see = async |path: &str| {
        let request = request(Method::GET, path);
        let request = request.header(header::COOKIE, format!("__Host-symbolon={ada}"));
        house.send(request.body(Body::empty()).unwrap()).await.body
    };
    let cards = see("/setup/tokens").await;
    let (_, rest) = cards.split_once("action=\"/setup/tokens/").unwrap();
    let token = rest.split_once('/').unwrap().0.to_owned();

    for page in [
        see("/setup/reset-security-token").await,
        see("/setup/reset-security-token/confirm").await,
        see(&format!("/setup/tokens/{token}/rotate")).await,
        root.see("/setup/users/ada@example.com/reset-security-token").await.body,
    ] {
        assert!(page.contains(CONTACT), "{page}");
        assert!(!page.contains(OWN), "{page}");
    }
    house.deliver_mail().await;
    let carries_token = |text: &str| text.contains("Security token (case-sensitive): ");
    let mails = house.mails();
    let carriers: Vec<_> = mails.iter().filter(|mail| carries_token(&mail.text)).collect();
    assert!(!carriers.is_empty());
    assert!(carriers.iter().all(|mail| mail.to == "operations@group.example"));
}

#[tokio::test]
async fn without_a_contact_the_users_own_address_is_named() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let root = Administrator::of(&house).await;

    let page = root.see("/setup/users/ada@example.com/reset-security-token").await.body;

    assert!(page.contains(OWN), "{page}");
}

/// A token for Ada; its mail does not go to her.
async fn reset(house: &TestHouse) {
    let (any, scope) = (DeviceType::any(), symbolon_core::reset::Scope::Account);
    let (actor, name) = (Actor::Operator, "ada@example.com");
    symbolon_app::reset::reset_for(&house.ctx, actor, name, any, scope, None).await.unwrap();
}
