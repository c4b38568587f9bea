//! Device types: data, not code. A token is issued for those that there are.

use symbolon_app::reset::{self, ResetError};
use symbolon_app::{Actor, AppError, device_types, profiles, setup, tokens};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::names::{DeviceType, DisplayName};
use symbolon_core::policy::Policy;
use symbolon_core::reset::Scope;
use symbolon_core::verification::BearerUse;

use crate::house::TestHouse;

const OPERATOR: Actor = Actor::Operator;

fn named(name: &str) -> DeviceType {
    DeviceType::parse(name).unwrap()
}

/// The rules under which a token is a whole credential.
fn alone() -> DeviceRules {
    DeviceRules { bearer: BearerUse::Allowed, ..DeviceRules::default() }
}

async fn listed(house: &TestHouse) -> Vec<(String, bool)> {
    let all = device_types::list(&house.ctx).await.unwrap();
    all.into_iter()
        .map(|row| (row.name.to_string(), row.rules.bearer == BearerUse::Allowed))
        .collect()
}

#[tokio::test]
async fn an_organization_begins_with_five_device_types_and_none_is_a_whole_credential() {
    let house = TestHouse::new().await;

    let expected = ["any", "command-line", "desktop", "mobile", "server"];

    assert_eq!(listed(&house).await, expected.map(|name| (name.to_owned(), false)));
}

#[tokio::test]
async fn a_further_start_leaves_the_device_types_as_they_were_set() {
    let house = TestHouse::new().await;
    device_types::set(&house.ctx, OPERATOR, &named("server"), |rules| {
        rules.bearer = BearerUse::Allowed;
    })
    .await
    .unwrap();
    let before = listed(&house).await;

    setup::prepare(&house.ctx).await.unwrap();

    assert_eq!(listed(&house).await, before);
}

#[tokio::test]
async fn a_name_is_added_once() {
    let house = TestHouse::new().await;

    let added = device_types::add(&house.ctx, OPERATOR, named("printer"), alone()).await;
    let again =
        device_types::add(&house.ctx, OPERATOR, named("printer"), DeviceRules::default()).await;

    assert!(added.unwrap().rules.bearer == BearerUse::Allowed);
    assert!(matches!(again, Err(AppError::Taken("device type"))));
    assert!(listed(&house).await.contains(&("printer".to_owned(), true)));
}

#[tokio::test]
async fn bearer_use_is_switched_on_and_off() {
    let house = TestHouse::new().await;
    let set = async |name: &str, bearer| {
        device_types::set(&house.ctx, OPERATOR, &named(name), |rules| rules.bearer = bearer).await
    };

    assert!(set("server", BearerUse::Allowed).await.unwrap().rules.bearer == BearerUse::Allowed);
    assert!(listed(&house).await.contains(&("server".to_owned(), true)));
    assert!(set("server", BearerUse::OneHalf).await.unwrap().rules.bearer == BearerUse::OneHalf);
    assert!(listed(&house).await.contains(&("server".to_owned(), false)));
    let unknown = set("toaster", BearerUse::Allowed).await;
    assert!(matches!(unknown, Err(AppError::NotFound("device type"))));
}

#[tokio::test]
async fn every_change_is_in_the_trail_and_in_the_change_log_and_what_changes_nothing_is_in_neither()
{
    let house = TestHouse::new().await;
    let before = house.revision().await;

    let added =
        device_types::add(&house.ctx, OPERATOR, named("printer"), DeviceRules::default()).await;
    for bearer in [BearerUse::Allowed, BearerUse::Allowed, BearerUse::OneHalf] {
        device_types::set(&house.ctx, OPERATOR, &named("printer"), |rules| rules.bearer = bearer)
            .await
            .unwrap();
    }

    assert_eq!(house.revision().await - before, 3);
    let subject = format!("device-type:{}", added.unwrap().id);
    let told = house.last_audited(3).await;
    let first_two = |details: &str| details.lines().take(2).collect::<Vec<_>>().join("; ");
    let told: Vec<_> =
        told.iter().map(|row| (&*row.action, &*row.subject, first_two(&row.details))).collect();
    let expected = [
        ("device-type.added", &*subject, "name=printer; bearer=off".to_owned()),
        ("device-type.changed", &*subject, "name=printer; bearer=on".to_owned()),
        ("device-type.changed", &*subject, "name=printer; bearer=off".to_owned()),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_change_of_a_profile_is_in_the_change_log() {
    let house = TestHouse::new().await;
    let before = house.revision().await;
    let name = DisplayName::parse("Integration").unwrap();

    profiles::add(&house.ctx, OPERATOR, name, Policy::default()).await.unwrap();
    let added = house.revision().await;
    profiles::set(&house.ctx, OPERATOR, "Integration", Policy::default()).await.unwrap();

    assert_eq!((added - before, house.revision().await - before), (1, 2));
}

#[tokio::test]
async fn no_token_is_issued_for_a_device_type_that_there_is_not() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    let reset = async |name: &str| {
        let (username, device_type) = (jane.username.as_str(), named(name));
        let scope = Scope::Account;
        reset::reset_for(&house.ctx, OPERATOR, username, device_type, scope, None).await
    };

    let refused = reset("printer").await;
    let tokens_then = tokens::of_user(&house.ctx, jane.id).await.unwrap();
    device_types::add(&house.ctx, OPERATOR, named("printer"), DeviceRules::default())
        .await
        .unwrap();
    let issued = reset("printer").await;

    assert!(matches!(refused, Err(ResetError::App(AppError::NotFound("device type")))));
    assert_eq!(tokens_then.len(), 1);
    assert!(tokens_then[0].retired.is_none(), "the earlier token lives on");
    assert_eq!(issued.unwrap().retired, 1);
}
