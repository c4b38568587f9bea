//! Mail with a token for users who have given an OpenPGP key.

use std::time::Duration;

use symbolon_app::bulk_reset::{self, Asked};
use symbolon_app::openpgp::LookupError;
use symbolon_app::reset::ResetError;
use symbolon_app::users::UserView;
use symbolon_app::{
    Actor, AppError, account, delivery, device_types, openpgp, profiles, reset, rotation,
};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::letter::LetterState;
use symbolon_core::names::{DeviceType, EmailAddress};
use symbolon_core::policy::{MailEncryption, Policy, TokensOnPasswordChange};
use symbolon_core::reset::Scope;
use symbolon_mail::{KeyFault, LookupFault};
use symbolon_store::openpgp_keys;

use crate::house::{PASSWORD, TestHouse, origin, password};

const KEY: &[u8] = include_bytes!("../../../mail/tests/keys/curve.asc");
/// The address that this key names.
const NAMED: &str = "curve@example.com";
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
    let shown = openpgp::of_user(&house.ctx, jane.id).await.unwrap().key.unwrap();
    let left = shown.expires_at.unwrap().since(house.ctx.clock.now());
    house.wait(left.checked_sub(Duration::from_mins(1)).unwrap());
    let receipt = house.reset(&jane).await;
    house.wait(Duration::from_mins(2));

    house.deliver_mail().await;

    let seen = reset::receipt(&house.ctx, jane.id, receipt.token).await.unwrap();
    assert_eq!(seen.mail.as_ref().unwrap().state, LetterState::Refused);
    let reply = seen.mail.unwrap().reply.unwrap();
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
    assert!(told.contains(" expired on ") && told.contains("give another key, or"), "{told}");
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

/// The profile of this name demands that mail with a token is encrypted.
async fn demand_encryption(house: &TestHouse, profile: &str, base: Policy) {
    let policy = Policy { mail_encryption: MailEncryption::Required, ..base };
    profiles::set(&house.ctx, Actor::Operator, profile, |known| *known = policy).await.unwrap();
}

#[tokio::test]
async fn where_it_is_demanded_a_user_without_a_key_gets_no_token_and_is_told_the_rule() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let set = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let before = (house.revision().await, house.arrived().len());
    demand_encryption(&house, "Organization", Policy::laxest()).await;

    let told = reset::obstacle(&house.ctx, jane.id, Scope::Account).await.unwrap();
    let rotation = rotation::obstacle(&house.ctx, jane.id, &DeviceType::any()).await.unwrap();
    let own = house.try_reset(&jane, PASSWORD, "0123456789abcdef").await;
    let username = jane.username.as_str();
    let (any, scope) = (DeviceType::any(), Scope::DeviceType);
    let by_other = reset::reset_for(&house.ctx, Actor::Operator, username, any, scope, None).await;

    let told = told.expect("an obstacle");
    assert!(told.contains("The owner can give one") && told.contains("lift the demand"), "{told}");
    assert_eq!(rotation.as_ref(), Some(&told));
    assert!(matches!(own, Err(ResetError::Forbidden(rule)) if rule == told));
    assert!(matches!(by_other, Err(ResetError::Forbidden(rule)) if rule == told));
    house.deliver_mail().await;
    let after = (house.revision().await, house.arrived().len());
    assert_eq!(after, (before.0 + 1, before.1), "the profile has changed, and nothing else");
    assert!(house.log_in(&jane, &format!("{PASSWORD}{old}")).await.is_ok());
}

#[tokio::test]
async fn where_it_is_demanded_a_new_user_gets_his_first_token_once_he_has_given_a_key() {
    let house = TestHouse::new().await;
    demand_encryption(&house, "Standard", Policy::default()).await;
    let jane = house.user("jane").await;
    let first = house.try_reset(&jane, PASSWORD, "0123456789abcdef").await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    let (current, from) = (password(PASSWORD), origin("10.1.2.3"));
    openpgp::set_own(&house.ctx, jane.id, current, Some(key), &from).await.unwrap();

    house.reset(&jane).await;
    house.deliver_mail().await;

    assert!(matches!(first, Err(ResetError::Forbidden(_))));
    let arrived = house.arrived();
    assert!(arrived.iter().any(|mail| mail.text.starts_with("-----BEGIN PGP MESSAGE-----")));
    assert!(arrived.iter().all(|mail| !mail.text.contains(TOKEN)));
}

#[tokio::test]
async fn where_it_is_demanded_and_the_key_has_expired_nobody_is_told_to_remove_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    let username = jane.username.as_str();
    openpgp::set_for(&house.ctx, Actor::Operator, username, Some(key)).await.unwrap();
    demand_encryption(&house, "Standard", Policy::default()).await;
    let expires_at = openpgp::of_user(&house.ctx, jane.id).await.unwrap().key.unwrap().expires_at;
    house.wait(Duration::from_hours(3 * 365 * 24));

    let told = reset::obstacle(&house.ctx, jane.id, Scope::Account).await.unwrap();

    let told = told.expect("an obstacle");
    assert!(told.contains(&format!("expired on {}.", expires_at.unwrap().day())), "{told}");
    assert!(told.ends_with("can give another key."), "{told}");
}

#[tokio::test]
async fn a_letter_that_waits_when_the_demand_comes_is_not_sent_in_clear() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let receipt = house.reset(&jane).await;
    demand_encryption(&house, "Standard", Policy::default()).await;

    house.deliver_mail().await;

    let seen = reset::receipt(&house.ctx, jane.id, receipt.token).await.unwrap();
    assert_eq!(seen.mail.as_ref().unwrap().state, LetterState::Refused);
    let reply = seen.mail.unwrap().reply.unwrap();
    assert!(reply.starts_with("not sent: the profile demands "), "{reply}");
    assert!(house.arrived().iter().all(|mail| !mail.text.contains(TOKEN)));
}

#[tokio::test]
async fn where_it_is_demanded_a_changed_password_still_ends_its_tokens_and_mails_none_in_clear() {
    const OTHER: &str = "amber lantern quarry 17";
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let tied = Policy { on_password_change: TokensOnPasswordChange::Reset, ..Policy::default() };
    demand_encryption(&house, "Standard", tied).await;
    let before = house.arrived().len();

    let (current, new, from) = (password(PASSWORD), password(OTHER), origin("10.1.2.3"));
    account::change_password(&house.ctx, jane.id, None, current, new, &from).await.unwrap();
    house.deliver_mail().await;

    assert!(house.log_in(&jane, &format!("{OTHER}{old}")).await.is_err());
    assert!(house.arrived()[before..].iter().all(|mail| !mail.text.contains(TOKEN)));
}

#[tokio::test]
async fn a_bulk_reset_passes_over_whom_mail_cannot_be_encrypted_to_and_foretells_it() {
    let house = TestHouse::new().await;
    let [jane, joe] = [house.user("jane").await, house.user("joe").await];
    let joes = house.reset_and_read(&joe).await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    let username = jane.username.as_str();
    openpgp::set_for(&house.ctx, Actor::Operator, username, Some(key)).await.unwrap();
    demand_encryption(&house, "Standard", Policy::default()).await;
    let (device_type, scope) = (DeviceType::any(), Scope::Account);
    let asked = Asked { profile: "Standard", device_type, scope, reason: None };

    let foretold = bulk_reset::forecast(&house.ctx, &asked).await.unwrap();
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked).await.unwrap().0;
    let stands = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;

    assert_eq!((foretold.users, foretold.passed_over), (2, 1));
    assert_eq!((stands.done, stands.passed_over), (1, 1));
    assert!(house.log_in(&joe, &format!("{PASSWORD}{joes}")).await.is_ok());
}

#[tokio::test]
async fn where_the_reader_changes_and_the_key_does_not_the_notice_names_the_key() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let (username, ctx) = (jane.username.as_str(), &house.ctx);
    let to = |text: &str| Some(EmailAddress::parse(text).unwrap());
    delivery::set_for(ctx, Actor::Operator, username, to("first@example.com")).await.unwrap();
    house.deliver_mail().await;
    let without = house.arrived();
    let key = openpgp::read(ctx, KEY).unwrap();
    openpgp::set_for(ctx, Actor::Operator, username, Some(key)).await.unwrap();
    house.deliver_mail().await;
    let before = house.arrived().len();

    delivery::set_for(ctx, Actor::Operator, username, to("second@example.com")).await.unwrap();
    house.reset(&jane).await;
    house.deliver_mail().await;

    let key = openpgp::of_user(ctx, jane.id).await.unwrap().key.expect("the key stays");
    assert!(without.iter().all(|mail| !mail.text.contains("OpenPGP")));
    let arrived = house.arrived().split_off(before);
    let told = arrived.iter().filter(|mail| mail.subject.contains("delivered elsewhere"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|mail| mail.text.contains(&key.fingerprint)));
    assert!(arrived.iter().all(|mail| !mail.text.contains(TOKEN)), "never in clear instead");
}

/// Jane, whose mail with a token goes to the address that [`KEY`] is of.
async fn jane_who_is_read_at_her_keys_address(house: &TestHouse) -> UserView {
    let jane = house.user("jane").await;
    let to = EmailAddress::parse(NAMED).unwrap();
    let username = jane.username.as_str();
    delivery::set_for(&house.ctx, Actor::Operator, username, Some(to)).await.unwrap();
    jane
}

fn publish(house: &TestHouse, address: &str, key: &[u8]) {
    house.directory.keys.lock().unwrap().insert(address.to_owned(), key.to_vec());
}

#[tokio::test]
async fn a_key_that_is_looked_up_is_that_of_whoever_reads_the_mail_and_is_told_as_any_other() {
    let house = TestHouse::new().await;
    let jane = jane_who_is_read_at_her_keys_address(&house).await;
    publish(&house, NAMED, KEY);
    house.deliver_mail().await;
    let before = house.arrived().len();

    let (current, from) = (password(PASSWORD), origin("10.1.2.3"));
    let looked_up = openpgp::look_up_own(&house.ctx, jane.id, &current, &from).await;
    let (key, found) = looked_up.unwrap();
    openpgp::set_own(&house.ctx, jane.id, current, Some(key), &from).await.unwrap();
    house.deliver_mail().await;

    let shown = openpgp::of_user(&house.ctx, jane.id).await.unwrap().key.unwrap();
    assert_eq!((found.fingerprint.as_str(), found.address.as_str()), (&*shown.fingerprint, NAMED));
    let told = house.arrived().split_off(before);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|mail| mail.text.contains(&shown.fingerprint)));
    let mut reader = house.ctx.store.read().await.unwrap();
    let row = openpgp_keys::find(&mut reader, jane.id).await.unwrap().unwrap();
    assert_eq!(row.origin, "wkd");
    let audited = house.last_audited(1).await.remove(0);
    assert_eq!(audited.action, "openpgp-key.changed");
    assert!(audited.details.ends_with(&format!("\nfound_for={NAMED}")), "{}", audited.details);
}

#[tokio::test]
async fn what_a_directory_has_is_taken_only_if_it_serves_and_names_the_very_address() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let look_up =
        async || openpgp::look_up_for(&house.ctx, Actor::Operator, jane.username.as_str()).await;

    let unknown = look_up().await.unwrap_err();
    publish(&house, jane.email.as_str(), b"<html>Welcome</html>");
    let no_key = look_up().await.unwrap_err();
    publish(&house, jane.email.as_str(), KEY);
    let foreign = look_up().await.unwrap_err();

    assert!(matches!(unknown, LookupError::Directory(LookupFault::NotFound(_))), "{unknown}");
    assert!(matches!(no_key, LookupError::Key(KeyFault::NotAKey)), "{no_key}");
    assert!(matches!(foreign, LookupError::Foreign(_)), "{foreign}");
    assert!(openpgp::of_user(&house.ctx, jane.id).await.unwrap().key.is_none());
    let nobody = openpgp::look_up_for(&house.ctx, Actor::Operator, "nobody").await;
    assert!(matches!(nobody, Err(LookupError::App(AppError::NotFound("user")))));
}

#[tokio::test]
async fn a_key_that_was_found_for_an_address_that_gets_the_mail_no_more_is_not_set() {
    let house = TestHouse::new().await;
    let jane = jane_who_is_read_at_her_keys_address(&house).await;
    publish(&house, NAMED, KEY);
    let (current, from) = (password(PASSWORD), origin("10.1.2.3"));
    let looked_up = openpgp::look_up_own(&house.ctx, jane.id, &current, &from).await;
    let (key, _) = looked_up.unwrap();
    let username = jane.username.as_str();
    delivery::set_for(&house.ctx, Actor::Operator, username, None).await.unwrap();

    let refused = openpgp::set_for(&house.ctx, Actor::Operator, username, Some(key)).await;

    assert!(matches!(refused, Err(AppError::Forbidden(_))));
    assert!(openpgp::of_user(&house.ctx, jane.id).await.unwrap().key.is_none());
}
