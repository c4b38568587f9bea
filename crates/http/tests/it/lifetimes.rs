//! What ends a credential ends it for the next question, wherever it is asked; and a security token
//! stands alone only where its device type lets it.

use std::time::Duration;

use symbolon_app::context::Switch;
use symbolon_app::hashing::Asker;
use symbolon_app::scribe::Scribe;
use symbolon_app::{
    Actor, Origin, device_types, history, owner_freeze, profiles, reset, sessions, tokens, users,
};
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{DeviceRules, Holders, Mismatch};
use symbolon_core::id::{Id, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{ClientName, DeviceType, DisplayName, Source};
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{DAY, Policy};
use symbolon_core::reset::Scope;
use symbolon_core::secret::{LinkSecret, Password};
use symbolon_core::session::SessionKind;
use symbolon_core::verification::BearerUse;
use symbolon_store::sessions as stored_sessions;

use crate::asking::{AUTH_REQUEST, FORWARD_AUTH, INACTIVE, PROXIES, basic};
use crate::calls::call;
use crate::house::{PASSWORD, PEER, TestHouse};

const OTHER_PASSWORD: &str = "nine quiet Otters under a bridge";
const ADA: &str = "ada@example.com";

/// A house with Ada in it, whose token stands alone.
pub(crate) async fn house_with_bearer() -> (TestHouse, Id<User>, String) {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    house.set_bearer(Switch::On).await;
    let token = house.token("ada").await;
    (house, ada, token)
}

pub(crate) async fn status(house: &TestHouse, credential: &str) -> u16 {
    let mut statuses = Vec::new();
    for uri in PROXIES {
        statuses.push(house.ask_bearer(uri, credential).await.status.as_u16());
    }
    statuses.dedup();
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    statuses[0]
}

/// The newest entry of the user's history once everything noted is written down.
pub(crate) async fn last_reason(house: &TestHouse, user: Id<User>) -> String {
    Scribe::default().write_down(&house.ctx).await.unwrap();
    let entries = history::list(&house.ctx, Some(user), 1, None).await.unwrap();
    entries.into_iter().next().map(|entry| entry.reason).unwrap_or_default()
}

fn origin() -> Origin {
    Origin { source: Source::new(PEER), client: ClientName::sanitised("test"), place: None }
}

pub(crate) async fn set_policy(house: &TestHouse, change: impl FnOnce(&mut Policy)) {
    let mut policy = Policy::default();
    change(&mut policy);
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
}

#[tokio::test]
async fn a_token_by_itself_is_one_half_and_its_owner_reads_so() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let token = house.token("ada").await;

    assert_eq!(status(&house, &token).await, 401);
    assert_eq!(
        house.ask(AUTH_REQUEST, &[("authorization", &basic(ADA, &token))]).await.status,
        401
    );

    assert_eq!(
        last_reason(&house, ada).await,
        "security token without its password: its device type makes it only one half"
    );
    let entry = history::list(&house.ctx, Some(ada), 1, None).await.unwrap().remove(0);
    assert_eq!(entry.outcome, "refused");
    assert_eq!(entry.source, PEER.to_string());
    assert_eq!(entry.client, "python-requests/2.32.3");
}

#[tokio::test]
async fn whether_tokens_stand_alone_holds_from_the_next_question_on() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    assert_eq!(status(&house, &token).await, 401);

    house.set_bearer(Switch::On).await;
    assert_eq!(status(&house, &token).await, 200);
    let as_ada = basic(ADA, &token);
    assert_eq!(house.ask(FORWARD_AUTH, &[("authorization", &as_ada)]).await.status, 200);

    house.set_bearer(Switch::Off).await;
    assert_eq!(status(&house, &token).await, 401);
}

#[tokio::test]
async fn a_token_that_stands_alone_says_until_when() {
    let (house, _, token) = house_with_bearer().await;
    let client = house.verifier().await;

    let answer = house.ask_bearer(FORWARD_AUTH, &token).await;
    let told = house.introspect(&client, &token).await.json();

    assert_eq!(answer.header("x-symbolon-expires-at"), "2027-11-23T07:00:00Z");
    assert_eq!(answer.header("x-symbolon-device-type"), "any");
    assert_eq!(told["exp"], 1_795_417_200 + 365 * 24 * 60 * 60);
    assert_eq!(told["iat"], 1_795_417_200);
}

#[tokio::test]
async fn a_reset_kills_the_token_and_its_sessions_for_the_next_question() {
    let (house, _, token) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let newer = house.token("ada").await;

    assert_eq!(status(&house, &token).await, 401);
    assert_eq!(status(&house, &session).await, 401);
    assert_eq!(status(&house, &newer).await, 200);
}

#[tokio::test]
async fn a_reset_of_one_device_type_leaves_the_tokens_of_others_alone() {
    let (house, _, token) = house_with_bearer().await;
    let server = DeviceType::parse("server").unwrap();

    reset::reset_for(&house.ctx, Actor::Operator, ADA, server, Scope::DeviceType, None)
        .await
        .unwrap();

    assert_eq!(status(&house, &token).await, 200);
}

#[tokio::test]
async fn who_goes_on_using_a_retired_token_is_seen_by_its_owner_and_its_owner_is_warned() {
    let (house, ada, retired) = house_with_bearer().await;
    house.token("ada").await;
    let mails = house.mails().len();

    assert_eq!(status(&house, &retired).await, 401);

    let reason = last_reason(&house, ada).await;
    assert!(reason.starts_with("token retired 2026-11-23T07:00:0"), "{reason}");
    house.deliver_mail().await;
    let new = house.mails().len() - mails;
    assert_eq!(new, 1, "one warning, however often and at whichever head it was used");
    let warning = &house.mails()[0];
    assert_eq!(warning.to, "ada@mail.example");
    assert!(warning.text.contains(&PEER.to_string()), "{}", *warning.text);
    assert!(!warning.text.contains(&retired));
}

#[tokio::test]
async fn a_token_that_is_revoked_dies_with_its_sessions_for_the_next_question() {
    let (house, ada, _) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let token = house.newest_token("ada");
    let all = tokens::of_user(&house.ctx, ada).await.unwrap();
    let live = all.iter().find(|token| token.retired.is_none()).unwrap().token;
    assert_eq!((status(&house, &session).await, status(&house, &token).await), (200, 200));

    tokens::revoke(&house.ctx, Actor::User(ada), live).await.unwrap();

    assert_eq!((status(&house, &session).await, status(&house, &token).await), (401, 401));
}

#[tokio::test]
async fn a_token_dies_at_its_expiry_and_its_owner_reads_so() {
    let (house, ada, token) = house_with_bearer().await;
    // Each question moves the clock by a millisecond.
    let most = Duration::from_millis(10);
    house.clock.advance((365 * DAY).saturating_sub(most));
    assert_eq!(status(&house, &token).await, 200);

    house.clock.advance(most);
    assert_eq!(status(&house, &token).await, 401);

    assert_eq!(last_reason(&house, ada).await, "token expired");
}

#[tokio::test]
async fn a_frozen_user_is_nobody_until_unfrozen() {
    let (house, ada, _) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let token = house.newest_token("ada");
    house.clock.advance(Duration::from_secs(1));

    users::freeze(&house.ctx, Actor::Operator, ADA).await.unwrap();
    assert_eq!(status(&house, &token).await, 401);
    assert_eq!(status(&house, &session).await, 401);
    assert_eq!(last_reason(&house, ada).await, "user frozen or removed");

    users::unfreeze(&house.ctx, Actor::Operator, ADA).await.unwrap();
    assert_eq!(status(&house, &token).await, 200);
    assert_eq!(status(&house, &session).await, 401, "the freeze has ended it");
}

#[tokio::test]
async fn tokens_that_their_owner_froze_are_refused_and_the_owner_reads_so() {
    let (house, ada, token) = house_with_bearer().await;
    let mail = house.mails().into_iter().find(|mail| mail.text.contains("/activate/freeze/"));
    let text = &mail.unwrap().text;
    let (_, rest) = text.split_once("/activate/freeze/").unwrap();
    let secret = rest.split_whitespace().next().unwrap().to_owned();

    owner_freeze::freeze(&house.ctx, &LinkSecret::new(secret), &origin()).await.unwrap();
    assert_eq!(status(&house, &token).await, 401);
    assert_eq!(last_reason(&house, ada).await, "tokens frozen");

    let password = Password::new(PASSWORD.to_owned());
    owner_freeze::lift(&house.ctx, ada, password, &origin()).await.unwrap();
    assert_eq!(status(&house, &token).await, 200);
}

#[tokio::test]
async fn a_new_password_ends_sessions_and_leaves_tokens() {
    let (house, ada, _) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let token = house.newest_token("ada");

    let (operator, asker) = (Actor::Operator, Asker::Operator);
    let password = Password::new(OTHER_PASSWORD.to_owned());
    users::set_password(&house.ctx, operator, asker, ADA, password).await.unwrap();
    assert_eq!(status(&house, &session).await, 401);
    assert_eq!(status(&house, &token).await, 200);

    users::reset_password(&house.ctx, operator, asker, ada).await.unwrap();
    assert_eq!(status(&house, &token).await, 200, "it stands beside the password, not on it");
}

#[tokio::test]
async fn a_user_who_is_removed_leaves_nothing_that_is_accepted() {
    let (house, _, _) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let token = house.newest_token("ada");

    users::remove(&house.ctx, Actor::Operator, ADA).await.unwrap();
    assert_eq!(status(&house, &session).await, 401);
    assert_eq!(status(&house, &token).await, 401);

    house.user("ada").await;
    assert_eq!(status(&house, &session).await, 401, "the name is somebody else's now");
    assert_eq!(status(&house, &token).await, 401);
}

#[tokio::test]
async fn a_log_out_is_final_for_the_next_question() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    assert_eq!(status(&house, &session).await, 200);

    house.soap(call(&session, "<logout/>")).await;

    assert_eq!(status(&house, &session).await, 401);
    assert_eq!(house.introspect(&house.verifier().await, &session).await.body, INACTIVE);
}

#[tokio::test]
async fn every_use_puts_the_end_of_a_session_off() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let hour = Duration::from_hours(1);

    for _ in 0..5 {
        house.clock.advance(hour);
        assert_eq!(status(&house, &session).await, 200);
    }
    house.clock.advance(2 * hour);
    assert_eq!(status(&house, &session).await, 401);
    house.clock.advance(2 * hour);
    assert_eq!(status(&house, &session).await, 401, "a refusal is no use");
}

#[tokio::test]
async fn how_long_a_session_may_be_idle_holds_from_the_next_question_on() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    house.clock.advance(Duration::from_mins(6));

    set_policy(&house, |policy| policy.session_idle = Duration::from_mins(5)).await;
    assert_eq!(status(&house, &session).await, 401);

    set_policy(&house, |policy| policy.session_idle = Duration::from_hours(1)).await;
    assert_eq!(status(&house, &session).await, 200);
    house.clock.advance(Duration::from_mins(59));
    assert_eq!(status(&house, &session).await, 200);
}

#[tokio::test]
async fn what_is_told_of_a_user_is_what_holds_now() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let name = DisplayName::parse("Zoë, of Athens").unwrap();

    symbolon_app::account::change_name(&house.ctx, ada, name).await.unwrap();
    let answer = house.ask_bearer(FORWARD_AUTH, &session).await;

    assert_eq!(answer.headers["remote-name"].as_bytes(), "Zoë, of Athens".as_bytes());
}

#[tokio::test]
async fn a_session_of_a_password_that_must_be_changed_is_good_for_nothing_else() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let (operator, asker) = (Actor::Operator, Asker::Operator);
    let temporary = users::reset_password(&house.ctx, operator, asker, ada).await.unwrap();
    let token = house.token("ada").await;
    let credential = format!("{}{token}", temporary.reveal());
    let opened = house.soap(crate::calls::login(ADA, &credential)).await;
    let session = opened.element("sessionId").to_owned();

    assert_eq!(status(&house, &session).await, 401);
    assert_eq!(house.introspect(&house.verifier().await, &session).await.body, INACTIVE);
}

#[tokio::test]
async fn sessions_end_for_the_view_whoever_ends_them() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let secret = symbolon_core::secret::SessionSecret::new(session[16..].to_owned());

    sessions::end_own(&house.ctx, ada, &[secret]).await.unwrap();

    assert_eq!(status(&house, &session).await, 401);
}

/// A session whose last use is in memory alone: the database takes it for idle.
async fn session_used_a_moment_ago(house: &TestHouse) -> String {
    let session = house.api_session("ada").await;
    house.clock.advance(Duration::from_mins(119));
    assert_eq!(status(house, &session).await, 200);
    house.clock.advance(Duration::from_mins(2));
    session
}

#[tokio::test]
async fn a_revocation_ends_a_session_whose_last_use_the_database_does_not_know_yet() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = session_used_a_moment_ago(&house).await;

    let revoked = house.post_form("/services/oauth2/revoke", &[("token", &session)]).await;

    assert_eq!(revoked.status, 200);
    assert_eq!(status(&house, &session).await, 401);
}

#[tokio::test]
async fn a_session_is_invalidated_or_logged_out_whatever_the_database_knows_of_its_last_use() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = session_used_a_moment_ago(&house).await;
    let secret = symbolon_core::secret::SessionSecret::new(session[16..].to_owned());

    assert_eq!(sessions::end_own(&house.ctx, ada, &[secret]).await.unwrap(), [true]);
    assert_eq!(status(&house, &session).await, 401);

    let session = session_used_a_moment_ago(&house).await;
    house.soap(call(&session, "<logout/>")).await;
    assert_eq!(status(&house, &session).await, 401);
}

#[tokio::test]
async fn who_asks_for_a_log_out_of_a_session_that_seems_dead_has_ended_it() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    house.clock.advance(Duration::from_mins(125));
    let secret = symbolon_core::secret::SessionSecret::new(session[16..].to_owned());
    let answer = house.soap(call(&session, "<logout/>")).await;
    assert!(answer.body.contains("INVALID_SESSION_ID"), "{}", answer.body);

    // What another node has still to write down comes too late.
    let digest = house.ctx.keys.digest(Purpose::Session, secret.reveal().as_bytes());
    let mut reader = house.ctx.store.read().await.unwrap();
    let row = stored_sessions::find(&mut reader, SessionKind::Api, &[digest]).await.unwrap();

    assert!(row.unwrap().times.ended_at.is_some());
}

#[tokio::test]
async fn the_use_of_an_expired_token_is_told_also_once_it_is_swept() {
    let (house, ada, token) = house_with_bearer().await;
    house.clock.advance(366 * DAY);
    symbolon_app::live::sweep(&house.ctx).await.unwrap();
    assert!(house.ctx.live.view.is_empty());

    assert_eq!(status(&house, &token).await, 401);

    assert!(last_reason(&house, ada).await.starts_with("token expired"));
}

#[tokio::test]
async fn a_token_by_itself_from_nobody_knows_where_or_by_another_kind_of_client_is_refused_and_its_owner_reads_so()
 {
    let (house, ada, token) = house_with_bearer().await;
    let under = async |change: &dyn Fn(&mut DeviceRules)| {
        let rules = |rules: &mut DeviceRules| {
            *rules = DeviceRules { bearer: BearerUse::Allowed, ..DeviceRules::default() };
            change(rules);
        };
        device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), rules).await.unwrap();
        (status(&house, &token).await, last_reason(&house, ada).await)
    };
    let elsewhere = "from where the token was used is not known, and its device type or profile \
                     restricts it"
        .to_owned();
    let another = "token used by another kind of client than its device type is for".to_owned();

    let allowed = under(&|_| {}).await.0;
    let outside =
        under(&|rules| rules.addresses = LoginRanges::parse("192.0.2.0/24").unwrap()).await;
    house.clock.advance(DAY);
    let of_another_kind = under(&|rules| {
        (rules.kind, rules.mismatch) = (Some(ClientKind::Mobile), Mismatch::Refused);
    })
    .await;
    let noted = under(&|rules| rules.kind = Some(ClientKind::Mobile)).await.0;

    assert_eq!((allowed, outside), (200, (401, elsewhere)));
    assert_eq!((of_another_kind, noted), ((401, another), 200));
    let entry = history::list(&house.ctx, Some(ada), 1, None).await.unwrap().remove(0);
    assert_eq!((entry.outcome.as_str(), entry.source), ("refused", PEER.to_string()));
}

#[tokio::test]
async fn a_token_by_itself_is_refused_once_its_owner_may_not_hold_it_and_the_pages_say_by_which_rule()
 {
    let (house, ada, token) = house_with_bearer().await;
    let all = profiles::list(&house.ctx).await.unwrap();
    let own = all
        .iter()
        .find(|profile| profile.name == symbolon_app::setup::STANDARD_PROFILE)
        .unwrap()
        .id;
    let held_by = async |holders| {
        let rules = |rules: &mut DeviceRules| rules.holders = holders;
        device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), rules).await.unwrap();
        status(&house, &token).await
    };

    let by_others = held_by(Holders::Profiles(vec![Id::from_raw(1)])).await;
    let told = last_reason(&house, ada).await;
    let shown = tokens::of_user(&house.ctx, ada).await.unwrap()[0].obstacle;
    let by_own = held_by(Holders::Profiles(vec![own])).await;
    let name = DisplayName::parse("Integration Users").unwrap();
    profiles::add(&house.ctx, Actor::Operator, name, Policy::default()).await.unwrap();
    profiles::assign(&house.ctx, Actor::Operator, ADA, "Integration Users").await.unwrap();

    assert_eq!((by_others, by_own), (401, 200));
    assert_eq!(told, "token of a device type whose holders do not include the profile");
    assert!(shown.is_some());
    assert_eq!(status(&house, &token).await, 401, "he is under another profile now");
}
