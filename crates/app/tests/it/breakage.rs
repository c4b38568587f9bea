//! What a reset will break, told beforehand; and what became of the clients, told afterwards.

use std::time::Duration;

use symbolon_app::breakage::{self, Breakage, Fate, Outcome};
use symbolon_app::follow_up::{self, FollowUp, Whereabouts};
use symbolon_app::reset::ResetError;
use symbolon_app::users::UserView;
use symbolon_app::{Actor, AppError, device_types, janitor, profiles, reset, tokens};
use symbolon_core::device_type::{DeviceRules, Holders};
use symbolon_core::id::{Id, Token};
use symbolon_core::judge::Refusal;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::{DAY, Policy, SessionsOnReset};
use symbolon_core::reset::Scope;
use symbolon_store::history::{self, LoginRow};

use crate::house::{PASSWORD, TestHouse};

const MINUTE: Duration = Duration::from_mins(1);
const OFFICE: &str = "10.1.2.3";
const PLANT: &str = "10.9.9.9";

fn server() -> DeviceType {
    DeviceType::parse("server").unwrap()
}

async fn log_in(house: &TestHouse, user: &UserView, token: &str, source: &str) {
    let credential = format!("{PASSWORD}{token}");
    house.log_in_from(user.username.as_str(), &credential, source).await.unwrap();
}

async fn be_refused(house: &TestHouse, user: &UserView, token: &str, source: &str) {
    let credential = format!("{PASSWORD}{token}");
    let refused = house.log_in_from(user.username.as_str(), &credential, source).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenRetired(..)), "{:?}", refused.refusal);
}

/// A further token, which leaves those of other device types alone.
async fn token_for(house: &TestHouse, user: &UserView, device_type: DeviceType) -> String {
    let (actor, scope) = (Actor::Operator, Scope::DeviceType);
    let name = user.username.as_str();
    reset::reset_for(&house.ctx, actor, name, device_type, scope, None).await.unwrap();
    house.newest_token().await
}

async fn would_break(house: &TestHouse, user: &UserView, scope: Scope) -> Breakage {
    breakage::of_own(&house.ctx, user.id, scope, &DeviceType::any()).await.unwrap()
}

/// Device type and fate of a token, and address and outcome of each of its clients.
type Told<'a> = (&'a str, Fate, Vec<(&'a str, Outcome)>);

fn told(breakage: &Breakage) -> Vec<Told<'_>> {
    let tokens = breakage.tokens.iter().map(|outlook| {
        let clients = outlook.clients.iter();
        let clients = clients.map(|client| (client.used.source.as_str(), client.outcome));
        (outlook.device_type.as_str(), outlook.fate, clients.collect())
    });
    tokens.collect()
}

async fn followed(house: &TestHouse, user: &UserView, token: Id<Token>) -> FollowUp {
    follow_up::of_token(&house.ctx, user.id, token).await.unwrap()
}

fn whereabouts(followed: &FollowUp) -> Vec<(&str, &'static str)> {
    let clients = followed.clients.iter();
    clients.map(|client| (client.source.as_str(), client.whereabouts.word())).collect()
}

async fn keep_sessions_on_reset(house: &TestHouse) {
    let policy = Policy { on_reset: SessionsOnReset::Keep, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
}

#[tokio::test]
async fn a_reset_of_the_account_stops_every_client_and_one_of_a_device_type_its_own() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let any = house.reset_and_read(&jane).await;
    let for_server = token_for(&house, &jane, server()).await;
    log_in(&house, &jane, &any, OFFICE).await;
    log_in(&house, &jane, &for_server, PLANT).await;

    let of_all = would_break(&house, &jane, Scope::Account).await;
    let of_one = would_break(&house, &jane, Scope::DeviceType).await;

    let stopping = vec![(OFFICE, Outcome::Stops)];
    assert_eq!(
        told(&of_all),
        [
            ("any", Fate::Ends, stopping.clone()),
            ("server", Fate::Ends, vec![(PLANT, Outcome::Stops)])
        ]
    );
    assert_eq!(
        told(&of_one),
        [("any", Fate::Ends, stopping), ("server", Fate::LivesOn, vec![(PLANT, Outcome::GoesOn)])]
    );
}

#[tokio::test]
async fn each_client_is_told_with_how_often_and_when_it_used_the_token() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let first = house.ctx.clock.now();
    log_in(&house, &jane, &token, "2001:db8:1:2::7").await;
    house.wait(DAY);
    log_in(&house, &jane, &token, "2001:db8:1:2::8").await;
    let last = house.ctx.clock.now();

    let breakage = would_break(&house, &jane, Scope::Account).await;

    let outlook = &breakage.tokens[0];
    assert_eq!((outlook.clients.len(), outlook.open_sessions), (1, 2));
    let used = &outlook.clients[0].used;
    assert_eq!((used.times, used.first_at, used.last_at), (2, first, last));
    let place = (&*used.client, &*used.network, &*used.source);
    assert_eq!(place, ("jsforce/3.10", "2001:db8:1:2::/64", "2001:db8:1:2::8"));
}

#[tokio::test]
async fn who_has_not_used_the_token_for_ninety_days_is_not_told_of() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &token, OFFICE).await;

    house.wait(90 * DAY);
    janitor::tidy(&house.ctx).await.unwrap();
    let within = would_break(&house, &jane, Scope::Account).await;
    house.wait(Duration::from_millis(1));
    let beyond = would_break(&house, &jane, Scope::Account).await;

    assert_eq!(within.tokens[0].clients.len(), 1);
    assert_eq!(beyond.tokens[0].clients.len(), 0);
}

#[tokio::test]
async fn where_sessions_outlive_their_token_clients_stop_when_they_next_present_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    keep_sessions_on_reset(&house).await;
    let token = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &token, OFFICE).await;

    let breakage = would_break(&house, &jane, Scope::Account).await;

    assert_eq!(breakage.tokens[0].clients[0].outcome, Outcome::StopsAtNextUse);
}

#[tokio::test]
async fn a_browser_that_was_proved_by_the_token_goes_on() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let issued = house.reset(&jane).await.token;
    let row = LoginRow {
        id: Id::from_raw(5),
        at: house.ctx.clock.now(),
        user: Some(jane.id),
        username: jane.username.to_string(),
        head: "web".to_owned(),
        client: "Firefox 130 on Linux".to_owned(),
        source: OFFICE.to_owned(),
        outcome: "admitted".to_owned(),
        reason: "password and security token".to_owned(),
        correlation_id: "abc".to_owned(),
    };
    let mut tx = house.ctx.store.begin().await.unwrap();
    history::insert(&mut tx, &row, Some(issued)).await.unwrap();
    tx.commit().await.unwrap();

    let breakage = would_break(&house, &jane, Scope::Account).await;
    let next = house.reset(&jane).await.token;

    assert_eq!(breakage.tokens[0].clients[0].outcome, Outcome::GoesOn);
    assert_eq!(breakage.tokens[0].stopping(), 0);
    assert_eq!(whereabouts(&followed(&house, &jane, next).await), []);
}

#[tokio::test]
async fn an_expired_token_breaks_nothing_any_more() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    house.wait(364 * DAY);
    log_in(&house, &jane, &token, OFFICE).await;

    house.wait(DAY);

    assert!(would_break(&house, &jane, Scope::Account).await.tokens.is_empty());
}

#[tokio::test]
async fn nothing_is_told_of_users_and_device_types_that_are_not_there() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let toaster = DeviceType::parse("toaster").unwrap();

    let any = DeviceType::any();
    let nobody = breakage::of_user(&house.ctx, "joe@example.com", Scope::Account, &any).await;
    let nothing = breakage::of_own(&house.ctx, jane.id, Scope::Account, &toaster).await;

    assert!(matches!(nobody, Err(AppError::NotFound("user"))));
    assert!(matches!(nothing, Err(AppError::NotFound("device type"))));
}

#[tokio::test]
async fn a_client_is_followed_from_the_retired_token_to_the_new_one() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &old, OFFICE).await;
    let before = house.ctx.clock.now();
    house.wait(MINUTE);
    let receipt = house.reset(&jane).await.token;
    let new = house.newest_token().await;

    let unseen = followed(&house, &jane, receipt).await;
    house.wait(MINUTE);
    be_refused(&house, &jane, &old, OFFICE).await;
    let tried_at = house.ctx.clock.now();
    let tried = followed(&house, &jane, receipt).await;
    house.wait(MINUTE);
    log_in(&house, &jane, &new, OFFICE).await;
    let back_at = house.ctx.clock.now();
    let back = followed(&house, &jane, receipt).await;

    let client = |follow_up: FollowUp| follow_up.clients.into_iter().next().unwrap();
    assert_eq!((unseen.missing(), tried.missing(), back.missing()), (1, 1, 0));
    let unseen = client(unseen);
    assert_eq!(unseen.before, Some(before));
    assert_eq!(unseen.whereabouts, Whereabouts::NotSeen);
    let on_retired = Whereabouts::OnRetired { last_at: tried_at, times: 1, back_at: None };
    assert_eq!(client(tried).whereabouts, on_retired);
    let device_type = DeviceType::any();
    assert_eq!(client(back).whereabouts, Whereabouts::Back { at: back_at, device_type });
}

#[tokio::test]
async fn who_tries_the_retired_token_again_after_coming_back_is_told_of_as_both() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let receipt = house.reset(&jane).await.token;
    let new = house.newest_token().await;
    house.wait(MINUTE);
    log_in(&house, &jane, &new, OFFICE).await;
    let back_at = house.ctx.clock.now();
    house.wait(MINUTE);
    be_refused(&house, &jane, &old, OFFICE).await;

    let followed = followed(&house, &jane, receipt).await;

    let last_at = house.ctx.clock.now();
    let both = Whereabouts::OnRetired { last_at, times: 1, back_at: Some(back_at) };
    assert_eq!(followed.clients[0].whereabouts, both);
}

#[tokio::test]
async fn a_client_may_come_back_with_the_token_of_another_device_type() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &old, PLANT).await;
    house.wait(MINUTE);
    let receipt = house.reset(&jane).await.token;
    house.wait(MINUTE);
    let for_server = token_for(&house, &jane, server()).await;
    log_in(&house, &jane, &for_server, PLANT).await;

    let followed = followed(&house, &jane, receipt).await;

    let at = house.ctx.clock.now();
    let back = Whereabouts::Back { at, device_type: server() };
    assert_eq!(followed.clients[0].whereabouts, back);
}

#[tokio::test]
async fn those_who_have_not_come_back_stand_first_and_newcomers_apart() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    for source in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        log_in(&house, &jane, &old, source).await;
        house.wait(MINUTE);
    }
    let receipt = house.reset(&jane).await.token;
    let new = house.newest_token().await;
    house.wait(MINUTE);
    log_in(&house, &jane, &new, "10.0.0.3").await;
    be_refused(&house, &jane, &old, "10.0.0.1").await;
    log_in(&house, &jane, &new, "10.0.0.4").await;

    let followed = followed(&house, &jane, receipt).await;

    assert_eq!(
        whereabouts(&followed),
        [("10.0.0.1", "on-retired-token"), ("10.0.0.2", "not-seen"), ("10.0.0.3", "back")]
    );
    let newcomers: Vec<_> = followed.newcomers.iter().map(|used| used.source.as_str()).collect();
    assert_eq!(newcomers, ["10.0.0.4"]);
    assert_eq!(followed.missing(), 2);
}

#[tokio::test]
async fn a_token_of_another_device_type_that_lived_on_is_not_followed() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let any = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &any, OFFICE).await;
    house.wait(MINUTE);

    token_for(&house, &jane, server()).await;

    let newest = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    assert_eq!(whereabouts(&followed(&house, &jane, newest).await), []);
}

#[tokio::test]
async fn clients_of_a_token_that_was_ended_before_the_reset_are_followed_as_well() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &old, OFFICE).await;
    house.wait(MINUTE);
    let ended = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    tokens::revoke(&house.ctx, Actor::Operator, ended).await.unwrap();
    house.wait(DAY);

    let receipt = house.reset(&jane).await.token;
    be_refused(&house, &jane, &old, OFFICE).await;

    let followed = followed(&house, &jane, receipt).await;
    assert_eq!(whereabouts(&followed), [(OFFICE, "on-retired-token")]);
}

#[tokio::test]
async fn a_receipt_outlives_the_letter_that_it_tells_of() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    log_in(&house, &jane, &old, OFFICE).await;
    let token = house.reset(&jane).await.token;
    house.newest_token().await;
    let before = reset::receipt(&house.ctx, jane.id, token).await.unwrap();

    house.wait(31 * DAY);
    janitor::tidy(&house.ctx).await.unwrap();
    let after = reset::receipt(&house.ctx, jane.id, token).await.unwrap();

    assert!(before.mail.is_some());
    assert!(after.mail.is_none());
    assert_eq!(followed(&house, &jane, token).await.clients.len(), 1);
}

#[tokio::test]
async fn nobody_follows_the_clients_of_another() {
    let house = TestHouse::new().await;
    let (jane, eve) = (house.user("jane").await, house.user("eve").await);
    let receipt = house.reset(&jane).await.token;

    let followed = follow_up::of_token(&house.ctx, eve.id, receipt).await;

    assert!(matches!(followed, Err(AppError::NotFound("token"))));
}

#[tokio::test]
async fn what_would_refuse_the_reset_is_foretold_in_the_words_of_the_refusal() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let held_by_others =
        |rules: &mut DeviceRules| rules.holders = Holders::Profiles(vec![Id::from_raw(1)]);
    device_types::set(&house.ctx, Actor::Operator, &server(), held_by_others).await.unwrap();
    let (name, scope) = (jane.username.as_str(), Scope::Account);

    let foretold = breakage::of_user(&house.ctx, name, scope, &server()).await.unwrap();
    let refused = reset::reset_for(&house.ctx, Actor::Operator, name, server(), scope, None).await;

    let Err(ResetError::Forbidden(rule)) = refused else { panic!("{refused:?}") };
    assert_eq!(foretold.obstacle, Some(rule));
    assert_eq!(would_break(&house, &jane, scope).await.obstacle, None);
}
