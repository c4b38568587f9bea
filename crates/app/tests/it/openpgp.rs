//! Mail with a token for users who have given an OpenPGP key.

use std::time::Duration;

use symbolon_app::reset::ResetError;
use symbolon_app::{Actor, AppError, delivery, openpgp, reset};
use symbolon_core::letter::LetterState;
use symbolon_core::names::{DeviceType, EmailAddress};
use symbolon_core::reset::Scope;

use crate::house::{PASSWORD, TestHouse, origin, password};

const KEY: &[u8] = include_bytes!("../../../mail/tests/keys/curve.asc");
const TOKEN: &str = "Security token (case-sensitive)";

#[tokio::test]
async fn mail_with_a_token_is_encrypted_and_other_mail_is_not() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    let (current, from) = (password(PASSWORD), origin("10.1.2.3"));
    openpgp::set_own(&house.ctx, jane.id, current, Some(key), &from).await.unwrap();

    house.deliver_mail().await;
    let before = house.arrived().len();

    house.reset(&jane).await;
    house.deliver_mail().await;

    let arrived = house.arrived().split_off(before);
    assert!(arrived.iter().all(|mail| !mail.text.contains(TOKEN)));
    let armored = |text: &str| text.starts_with("-----BEGIN PGP MESSAGE-----");
    assert_eq!(arrived.iter().filter(|mail| armored(&mail.text)).count(), 1);
    assert_eq!(arrived.len(), 2, "the notice is there, in clear");
}

#[tokio::test]
async fn with_a_key_that_has_expired_no_mail_with_a_token_is_sent_and_the_reply_says_why() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    let username = jane.username.as_str();
    openpgp::set_for(&house.ctx, Actor::Operator, username, Some(key)).await.unwrap();
    let shown = openpgp::of_user(&house.ctx, jane.id).await.unwrap().unwrap();
    let left = shown.expires_at.unwrap().since(house.ctx.clock.now());
    house.wait(left.checked_sub(Duration::from_mins(1)).unwrap());
    let receipt = house.reset(&jane).await;
    house.wait(Duration::from_mins(2));

    house.deliver_mail().await;

    let seen = reset::receipt(&house.ctx, jane.id, receipt.token).await.unwrap();
    assert_eq!(seen.mail_state, LetterState::Refused);
    let reply = seen.mail_reply.unwrap();
    assert!(reply.starts_with("not sent: the OpenPGP key "), "{reply}");
    assert!(reply.contains("expired"), "{reply}");
    assert!(house.arrived().iter().all(|mail| !mail.text.contains(TOKEN)));
}

#[tokio::test]
async fn with_a_key_that_has_expired_a_reset_is_refused_before_anything_changes() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    let username = jane.username.as_str();
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    openpgp::set_for(&house.ctx, Actor::Operator, username, Some(key)).await.unwrap();
    house.deliver_mail().await;
    let before = house.arrived().len();
    house.wait(Duration::from_hours(3 * 365 * 24));

    let told = reset::obstacle(&house.ctx, jane.id, Scope::Account).await.unwrap();
    let any = DeviceType::any();
    let (scope, asked) = (Scope::Account, Actor::Operator);
    let refused = reset::reset_for(&house.ctx, asked, username, any, scope, None).await;

    let told = told.expect("an obstacle");
    assert!(told.contains("has expired"), "{told}");
    assert!(matches!(refused, Err(ResetError::Forbidden(rule)) if rule == told));
    house.deliver_mail().await;
    assert_eq!(house.arrived().len(), before, "no letter");
    openpgp::set_for(&house.ctx, Actor::Operator, username, None).await.unwrap();
    let lifted = reset::obstacle(&house.ctx, jane.id, Scope::Account).await.unwrap();
    assert_eq!(lifted, None);
}

#[tokio::test]
async fn whoever_gets_the_mail_is_told_of_a_key_added_changed_and_removed() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let username = jane.username.as_str();
    let group = EmailAddress::parse("integrations@example.org").unwrap();
    delivery::set_for(&house.ctx, Actor::Operator, username, Some(group)).await.unwrap();
    house.deliver_mail().await;
    let before = house.arrived().len();

    for key in [Some(KEY), Some(KEY), None] {
        let key = key.map(|bytes| openpgp::read(&house.ctx, bytes).unwrap());
        openpgp::set_for(&house.ctx, Actor::Operator, username, key).await.unwrap();
        house.deliver_mail().await;
    }

    let arrived = house.arrived();
    let told: Vec<_> = arrived[before..].iter().map(|mail| one_line(&mail.text)).collect();
    assert_eq!(told.len(), 6, "two letters each time");
    assert!(told[..4].iter().all(|text| text.contains("is encrypted to")));
    assert!(told[4..].iter().all(|text| text.contains("is not encrypted")));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn whose_key_is_removed_gets_mail_in_clear_again_and_both_are_in_the_trail() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let username = jane.username.as_str();
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    openpgp::set_for(&house.ctx, Actor::Operator, username, Some(key)).await.unwrap();

    openpgp::set_for(&house.ctx, Actor::Operator, username, None).await.unwrap();
    house.reset_and_read(&jane).await;

    let again = openpgp::set_for(&house.ctx, Actor::Operator, username, None).await;
    assert!(matches!(again, Err(AppError::Forbidden(_))));
    assert!(house.arrived().iter().any(|mail| mail.text.contains(TOKEN)));
    let told = house.last_audited(4).await;
    assert_eq!(told.iter().filter(|row| row.action == "openpgp-key.changed").count(), 2);
}
