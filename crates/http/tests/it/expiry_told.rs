//! `X-Symbolon-Expires-At` on answers to log-ins: of a token that was shown, at every head, and of none that
//! was refused.

use std::time::Duration;

use symbolon_app::context::Switch;
use symbolon_app::rotation::{self, RotationFor};
use symbolon_app::{Actor, device_types, networks};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::names::DeviceType;
use symbolon_core::network::Network;
use symbolon_core::policy::DAY;

use crate::calls::{Answer, login};
use crate::house::{PASSWORD, PEER, TestHouse};

const ADA: &str = "ada@example.com";
const HEADER: &str = "x-symbolon-expires-at";

/// What each head answers to these secrets.
async fn log_ins(house: &TestHouse, secrets: &str) -> [Answer; 3] {
    let client = house.client(Switch::On).await;
    let id = client.id.to_string();
    let grant = [
        ("grant_type", "password"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.reveal()),
        ("username", ADA),
        ("password", secrets),
    ];
    [
        house.soap_at("/services/Soap/u/59.0", login(ADA, secrets)).await,
        house.soap_at("/services/Soap/c/59.0", login(ADA, secrets)).await,
        house.post_form("/services/oauth2/token", &grant).await,
    ]
}

/// What they tell; `None` where the header is not there.
async fn told(house: &TestHouse, secrets: &str) -> [Option<String>; 3] {
    log_ins(house, secrets)
        .await
        .map(|answer| answer.headers.get(HEADER).map(|value| value.to_str().unwrap().to_owned()))
}

async fn house_with_ada() -> (TestHouse, String) {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    (house, token)
}

fn each(text: &str) -> [Option<String>; 3] {
    [text; 3].map(|text| Some(text.to_owned()))
}

#[tokio::test]
async fn every_head_tells_when_the_token_that_was_shown_expires() {
    let (house, token) = house_with_ada().await;
    house.clock.advance(DAY);

    let secrets = format!("{PASSWORD}{token}");

    assert_eq!(told(&house, &secrets).await, each("2027-11-23T07:00:00Z"));
    assert!(log_ins(&house, &secrets).await.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_rotation_moves_what_is_told_of_the_old_token() {
    let (house, old) = house_with_ada().await;
    let any = DeviceType::any();
    let set = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &any, set).await.unwrap();
    house.clock.advance(DAY);
    let overlap = Some(Duration::from_hours(5));
    let asked = RotationFor { device_type: any, overlap, request_key: None, reason: None };
    rotation::rotate_for(&house.ctx, Actor::Operator, ADA, asked).await.unwrap();
    house.deliver_mail().await;
    let new = house.newest_token("ada");

    let of_old = told(&house, &format!("{PASSWORD}{old}")).await;
    let of_new = told(&house, &format!("{PASSWORD}{new}")).await;

    assert_eq!(of_old, each("2026-11-24T12:00:00Z"));
    assert_eq!(of_new, each("2027-11-24T07:00:00Z"));
}

#[tokio::test]
async fn a_refusal_tells_of_no_expiry_whatever_was_wrong() {
    let (house, token) = house_with_ada().await;
    let newer = house.token("ada").await;

    for secrets in
        [PASSWORD.to_owned(), format!("wrong{newer}"), format!("{PASSWORD}{token}"), newer.clone()]
    {
        let answers = log_ins(&house, &secrets).await;
        assert!(answers.iter().all(|answer| answer.status != 200));
        assert!(answers.iter().all(|answer| !answer.headers.contains_key(HEADER)));
    }
}

#[tokio::test]
async fn a_log_in_that_shows_no_token_tells_of_none() {
    let (house, _) = house_with_ada().await;
    let range = Network::parse(&format!("{PEER}/32")).unwrap();
    networks::add(&house.ctx, Actor::Operator, range, None).await.unwrap();

    let answers = log_ins(&house, PASSWORD).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| !answer.headers.contains_key(HEADER)));
}
