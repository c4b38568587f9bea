//! Device types: data, not code. A token is issued for those that there are.

use std::time::Duration;

use symbolon_app::device_types::ReplaceError;
use symbolon_app::explain::Said;
use symbolon_app::history::Reader;
use symbolon_app::reset::{self, ResetError};
use symbolon_app::tokens::TokenState;
use symbolon_app::{
    Actor, AppError, device_types, history, janitor, live, profiles, setup, tokens,
};
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{DeviceRules, Holders, Mismatch};
use symbolon_core::id::{Id, Profile};
use symbolon_core::judge::{Refusal, RetirementCause};
use symbolon_core::names::{DeviceType, DisplayName};
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{DAY, Policy};
use symbolon_core::reset::Scope;
use symbolon_core::verification::BearerUse;

use crate::house::{PASSWORD, TestHouse};

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
    let set = async |days| {
        let change = |policy: &mut Policy| policy.token_max_age = days * DAY;
        profiles::set(&house.ctx, OPERATOR, "Integration", change).await.unwrap();
        house.revision().await - before
    };

    let changed = set(30).await;
    let same_again = set(30).await;

    assert_eq!((added - before, changed, same_again), (1, 2, 2));
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

async fn rule(house: &TestHouse, change: impl FnOnce(&mut DeviceRules)) {
    device_types::set(&house.ctx, OPERATOR, &DeviceType::any(), change).await.unwrap();
}

async fn refusal(house: &TestHouse, token: &str, source: &str) -> Option<Refusal> {
    let credential = format!("{PASSWORD}{token}");
    let entered = house.log_in_from("jane@example.com", &credential, source).await;
    entered.err().map(|refused| refused.refusal)
}

#[tokio::test]
async fn a_token_opens_nothing_from_outside_the_addresses_of_its_device_type() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    rule(&house, |rules| rules.addresses = LoginRanges::parse("10.0.0.0/8").unwrap()).await;

    let (inside, outside) =
        (refusal(&house, &token, "10.1.2.3").await, refusal(&house, &token, "192.0.2.7").await);

    assert_eq!((inside, outside), (None, Some(Refusal::TokenOutsideAddresses)));
    let told = house.last_entry(&jane).await.reason;
    assert_eq!(told, Refusal::TokenOutsideAddresses.to_string());
}

#[tokio::test]
async fn another_kind_of_client_is_refused_or_noted_as_its_device_type_says() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    // The client of these log-ins is a program that serves.
    let log_in_under = async |kind, mismatch| {
        rule(&house, |rules| (rules.kind, rules.mismatch) = (kind, mismatch)).await;
        house.wait(Duration::from_millis(1));
        let refused = refusal(&house, &token, "10.1.2.3").await;
        (refused, house.last_entry(&jane).await.reason)
    };

    let meant = log_in_under(Some(ClientKind::Server), Mismatch::Refused).await;
    let refused = log_in_under(Some(ClientKind::Mobile), Mismatch::Refused).await;
    let noted = log_in_under(Some(ClientKind::Mobile), Mismatch::Noted).await;
    let for_all = log_in_under(None, Mismatch::Refused).await;

    let plain = "password and security token".to_owned();
    let another = Refusal::TokenOfAnotherKind;
    assert_eq!(meant, (None, plain.clone()));
    assert_eq!(refused, (Some(another), another.to_string()));
    let remark = "; another kind of client than its device type is for";
    assert_eq!(noted, (None, format!("{plain}{remark}")));
    assert_eq!(for_all, (None, plain));
}

#[tokio::test]
async fn a_client_of_another_kind_is_never_locked_out_nor_ends_the_token() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    rule(&house, |rules| {
        (rules.kind, rules.mismatch) = (Some(ClientKind::Mobile), Mismatch::Refused);
    })
    .await;

    for _ in 0..30 {
        let refused = refusal(&house, &token, "10.1.2.3").await;
        assert_eq!(refused, Some(Refusal::TokenOfAnotherKind));
    }
    rule(&house, |rules| rules.mismatch = Mismatch::Noted).await;

    assert_eq!(refusal(&house, &token, "10.1.2.3").await, None);
}

#[tokio::test]
async fn an_unused_token_dies_to_the_second_and_is_then_retired_and_its_owner_told() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let used_at = house.ctx.clock.now();
    rule(&house, |rules| rules.idle_end = Some(30 * DAY)).await;
    let mails = house.arrived().len();

    house.wait(Duration::from_millis(30 * 86_400_000 - 1));
    janitor::tidy(&house.ctx).await.unwrap();
    let before = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].state;
    house.wait(Duration::from_millis(1));
    let refused = refusal(&house, &token, "10.1.2.3").await;
    house.wait(Duration::from_mins(2));
    janitor::tidy(&house.ctx).await.unwrap();
    janitor::tidy(&house.ctx).await.unwrap();
    house.deliver_mail().await;

    assert_eq!((before, refused), (TokenState::Live, Some(Refusal::TokenUnused(used_at))));
    let row = tokens::of_user(&house.ctx, jane.id).await.unwrap().remove(0);
    assert_eq!(row.retired.map(|(_, cause)| cause), Some(RetirementCause::Unused));
    assert_eq!(house.arrived().len(), mails + 1);
    assert_eq!(house.last_audited(1).await[0].action, "token.unused");
}

#[tokio::test]
async fn a_shorter_idle_end_has_ended_every_unused_token_when_it_is_answered() {
    let house = TestHouse::new().await;
    let mut owners = Vec::new();
    for name in ["jane", "joe", "eve"] {
        let user = house.user(name).await;
        house.reset(&user).await;
        owners.push(user);
    }
    house.wait(40 * DAY);
    let used = house.user("ada").await;
    house.reset(&used).await;

    rule(&house, |rules| rules.idle_end = Some(30 * DAY)).await;

    for owner in &owners {
        let row = tokens::of_user(&house.ctx, owner.id).await.unwrap().remove(0);
        assert_eq!(row.retired.map(|(_, cause)| cause), Some(RetirementCause::Unused));
    }
    let row = tokens::of_user(&house.ctx, used.id).await.unwrap().remove(0);
    assert_eq!(row.state, TokenState::Live);
}

#[tokio::test]
async fn who_may_hold_no_token_of_a_device_type_is_told_the_rule() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    rule(&house, |rules| rules.holders = Holders::Profiles(vec![Id::from_raw(1)])).await;

    let all = tokens::offers(&house.ctx, jane.id).await.unwrap();

    let forbidden: Vec<&str> = all
        .iter()
        .filter(|offer| offer.obstacle.is_some())
        .map(|offer| offer.device_type.as_str())
        .collect();
    assert_eq!((forbidden, all.len()), (vec!["any"], 5));
}

/// The profile that everybody begins under.
async fn first_profile(house: &TestHouse) -> Id<Profile> {
    let all = profiles::list(&house.ctx).await.unwrap();
    all.into_iter().find(|profile| profile.name == setup::STANDARD_PROFILE).unwrap().id
}

#[tokio::test]
async fn whom_his_device_type_no_longer_names_among_its_holders_no_token_lets_in() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let name = DisplayName::parse("Integration Users").unwrap();
    let others = profiles::add(&house.ctx, OPERATOR, name, Policy::default()).await.unwrap().id;
    let own = first_profile(&house).await;
    let held_by = async |profiles: Vec<Id<Profile>>| {
        rule(&house, |rules| rules.holders = Holders::Profiles(profiles)).await;
        house.wait(Duration::from_millis(1));
        let refused = refusal(&house, &token, "10.1.2.3").await;
        let obstacle = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].obstacle;
        (refused, obstacle.is_some())
    };

    let by_others = held_by(vec![others]).await;
    let told = house.last_entry(&jane).await;
    let by_both = held_by(vec![others, own]).await;
    held_by(vec![own]).await;
    profiles::assign(&house.ctx, OPERATOR, "jane@example.com", "Integration Users").await.unwrap();
    let under_another_profile = refusal(&house, &token, "10.1.2.3").await;

    let not_held = Some(Refusal::TokenNotForProfile);
    assert_eq!((by_others, by_both), ((not_held, true), (None, false)));
    assert_eq!(under_another_profile, not_held);
    assert_eq!(told.reason, Refusal::TokenNotForProfile.to_string());
    let own = Reader::Owner(jane.id);
    let explained = history::explain_entry(&house.ctx, own, &told.correlation_id).await.unwrap();
    let said = explained.steps.iter().find(|step| step.said == Said::Refused).unwrap();
    assert_eq!(said.remedy, Refusal::TokenNotForProfile.remedy());
}

#[tokio::test]
async fn rules_are_replaced_only_where_they_are_still_those_that_were_seen() {
    let house = TestHouse::new().await;
    let seen = DeviceRules { kind: Some(ClientKind::Server), ..DeviceRules::default() };
    let typed = DeviceRules { max_age: 90 * DAY, bearer: BearerUse::Allowed, ..seen.clone() };
    let rules = async || {
        let all = device_types::list(&house.ctx).await.unwrap();
        all.into_iter().find(|row| row.name == named("server")).unwrap().rules
    };
    assert_eq!(rules().await, seen);
    let switch = |rules: &mut DeviceRules| rules.most_places = 2;
    device_types::set(&house.ctx, OPERATOR, &named("server"), switch).await.unwrap();
    let holds = rules().await;

    let replace = async |seen: &DeviceRules| {
        let (name, typed) = (named("server"), typed.clone());
        device_types::replace(&house.ctx, OPERATOR, &name, seen, typed).await
    };
    let stale = replace(&seen).await;
    let untouched = rules().await;
    let fresh = replace(&holds).await;

    assert!(matches!(stale, Err(ReplaceError::ChangedMeanwhile)), "{stale:?}");
    assert_eq!(untouched, holds);
    assert_eq!(fresh.unwrap().rules, typed);
}

#[tokio::test]
async fn a_65th_holder_is_refused_and_nothing_is_changed() {
    let house = TestHouse::new().await;
    let before = house.revision().await;
    let set = async |holders: i64| {
        let holders = Holders::Profiles((1..=holders).map(Id::from_raw).collect());
        device_types::set(&house.ctx, OPERATOR, &named("server"), |rules| rules.holders = holders)
            .await
    };

    let refused = set(65).await;
    let unchanged = house.revision().await;
    let taken = set(64).await;

    assert!(matches!(refused, Err(AppError::Invalid(_))), "{refused:?}");
    assert_eq!(unchanged, before);
    assert!(taken.is_ok());
    live::bring_up_to_date(&house.ctx).await.expect("every row can be read");
}
