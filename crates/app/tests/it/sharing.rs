//! Tokens that look shared: what is raised, who is told how often, and that a false alarm is remembered.

use std::sync::Arc;
use std::time::Duration;

use symbolon_app::sharing::{self, Watch};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, AppError, device_types, owner_freeze, sessions, tokens};
use symbolon_core::country::Countries;
use symbolon_core::device_type::{DeviceRules, OnSharing};
use symbolon_core::id::Id;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::DAY;
use symbolon_core::session::SessionKind;
use symbolon_core::sharing::{SharingRule, SharingSignal, SignalSubject};
use symbolon_store::sharing_signals::{self as stored, UsedToken};
use symbolon_store::users as stored_users;
use symbolon_store::uses::{self, Use};

use crate::house::{PASSWORD, TestHouse};

const MINUTE: Duration = Duration::from_mins(1);

/// A house in which a token may be in use in two networks, and Jane has one.
async fn house_with_token() -> (TestHouse, UserView, String) {
    let house = TestHouse::new().await;
    set(&house, |rules| rules.most_places = 2).await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    (house, jane, token)
}

async fn set(house: &TestHouse, change: impl FnOnce(&mut DeviceRules)) {
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), change).await.unwrap();
}

async fn use_from(house: &TestHouse, jane: &UserView, token: &str, networks: u32) {
    for network in 0..networks {
        let source = format!("198.51.100.{network}");
        let credential = format!("{PASSWORD}{token}");
        house.log_in_from(jane.username.as_str(), &credential, &source).await.unwrap();
        house.wait(MINUTE);
    }
}

async fn warnings(house: &TestHouse) -> usize {
    house.deliver_mail().await;
    let arrived = house.arrived();
    arrived
        .iter()
        .filter(|letter| letter.subject == "Your Acme security token looks shared")
        .count()
}

#[tokio::test]
async fn a_token_in_too_many_networks_is_told_of_once() {
    let (house, jane, token) = house_with_token().await;
    let mut watch = Watch::default();

    use_from(&house, &jane, &token, 2).await;
    watch.look(&house.ctx).await.unwrap();
    assert_eq!(sharing::list(&house.ctx, Some(jane.id)).await.unwrap(), []);
    use_from(&house, &jane, &token, 3).await;
    for _ in 0..3 {
        watch.look(&house.ctx).await.unwrap();
        Watch::default().look(&house.ctx).await.unwrap();
        house.wait(11 * MINUTE);
    }

    let signals = sharing::list(&house.ctx, Some(jane.id)).await.unwrap();
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].subject.to_string(), "198.51.0.0/16");
    assert!(signals[0].evidence.contains("198.51.100.2, 198.51.100.1"), "{}", signals[0].evidence);
    assert_eq!(warnings(&house).await, 1);
    let letter = house.arrived().pop().unwrap();
    assert!(letter.text.contains(&signals[0].evidence[..40]), "{}", letter.text);
}

#[tokio::test]
async fn whoever_calls_himself_ever_something_else_does_not_push_the_owners_uses_out() {
    let (house, jane, token) = house_with_token().await;
    use_from(&house, &jane, &token, 2).await;
    let used = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    let at = house.ctx.clock.now();
    let thief = |number: u32| Use {
        network: "203.0.113.9".to_owned(),
        client: format!("client {number}"),
        source: "203.0.113.9".to_owned(),
        head: "forward-auth".to_owned(),
        first_at: at,
        last_at: at + Duration::from_millis(u64::from(number)),
        times: 1,
    };
    let noted: Vec<(i64, Use)> = (0..600).map(|number| (used.raw(), thief(number))).collect();
    let mut tx = house.ctx.store.begin().await.unwrap();
    uses::note(&mut tx, &noted).await.unwrap();
    tx.commit().await.unwrap();
    house.wait(MINUTE);

    Watch::default().look(&house.ctx).await.unwrap();

    let signals = sharing::list(&house.ctx, Some(jane.id)).await.unwrap();
    assert_eq!(signals.len(), 1, "three networks are one too many");
    assert!(signals[0].evidence.contains("198.51.100.0"), "{}", signals[0].evidence);
}

#[tokio::test]
async fn a_false_alarm_is_remembered_for_the_next_token_too_and_nobody_else_can_mark_it() {
    let (house, jane, token) = house_with_token().await;
    let joe = house.user("joe").await;
    use_from(&house, &jane, &token, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();
    let signal = sharing::list(&house.ctx, None).await.unwrap().remove(0).id;

    let foreign =
        sharing::mark_false_alarm(&house.ctx, Actor::User(joe.id), Some(joe.id), signal).await;
    let own = Actor::User(jane.id);
    sharing::mark_false_alarm(&house.ctx, own, Some(jane.id), signal).await.unwrap();
    house.wait(2 * DAY);
    let next = house.reset_and_read(&jane).await;
    use_from(&house, &jane, &next, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();

    assert!(matches!(foreign, Err(AppError::NotFound(_))));
    let signals = sharing::list(&house.ctx, Some(jane.id)).await.unwrap();
    assert_eq!(signals.len(), 1);
    assert!(signals[0].false_alarm.is_some());
    assert_eq!(warnings(&house).await, 1);
}

#[tokio::test]
async fn a_signal_that_nobody_called_false_is_told_again_of_the_next_token() {
    let (house, jane, token) = house_with_token().await;
    use_from(&house, &jane, &token, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();

    let next = house.reset_and_read(&jane).await;
    house.wait(Duration::from_hours(1));
    use_from(&house, &jane, &next, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();

    assert_eq!(warnings(&house).await, 2);
    assert_eq!(sharing::list(&house.ctx, Some(jane.id)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn where_the_device_type_says_so_the_tokens_are_frozen() {
    let (house, jane, token) = house_with_token().await;
    set(&house, |rules| rules.on_sharing = OnSharing::Freeze).await;
    use_from(&house, &jane, &token, 3).await;

    Watch::default().look(&house.ctx).await.unwrap();

    let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await;
    assert!(refused.is_err());
    let audited = house.last_audited(2).await;
    let actions: Vec<_> = audited.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["token.looks-shared", "tokens.frozen"]);
    assert_eq!(tokens::of_user(&house.ctx, jane.id).await.unwrap().len(), 1);
}

async fn is_frozen(house: &TestHouse, jane: &UserView) -> bool {
    symbolon_app::users::by_id(&house.ctx, jane.id).await.unwrap().tokens_frozen.is_some()
}

async fn freezes(house: &TestHouse) {
    set(house, |rules| rules.on_sharing = OnSharing::Freeze).await;
}

async fn lift(house: &TestHouse, jane: &UserView) {
    let name = jane.username.as_str();
    owner_freeze::lift_for(&house.ctx, Actor::Operator, name).await.unwrap();
}

#[tokio::test]
async fn a_freeze_ends_the_sessions_of_the_token_and_the_history_says_why() {
    let (house, jane, token) = house_with_token().await;
    freezes(&house).await;
    let credential = format!("{PASSWORD}{token}");
    let session = house.log_in(&jane, &credential).await.unwrap();
    use_from(&house, &jane, &token, 3).await;
    let live = async || {
        sessions::find(&house.ctx, SessionKind::Api, &session.secret).await.unwrap().is_some()
    };
    assert!(live().await);

    Watch::default().look(&house.ctx).await.unwrap();

    assert!(!live().await);
    house.log_in(&jane, &credential).await.unwrap_err();
    let reason = house.last_entry(&jane).await.reason;
    assert!(reason.starts_with("tokens frozen as one looks shared, since "), "{reason}");
}

#[tokio::test]
async fn who_was_judged_before_a_freeze_opens_no_session_after_it() {
    let (house, jane, token) = house_with_token().await;
    freezes(&house).await;
    use_from(&house, &jane, &token, 3).await;
    let mut reader = house.ctx.store.read().await.unwrap();
    let judged = stored_users::find(&mut reader, jane.id).await.unwrap().unwrap().epoch;
    drop(reader);

    Watch::default().look(&house.ctx).await.unwrap();

    let mut tx = house.ctx.store.begin().await.unwrap();
    assert!(!stored_users::hold_at_epoch(&mut tx, jane.id, judged).await.unwrap());
    drop(tx);
    // The same with log-ins that are under way beside the look.
    for network in 0..6 {
        lift(&house, &jane).await;
        house.wait(MINUTE);
        use_from(&house, &jane, &token, 3).await;
        let mut watch = Watch::default();
        let (source, credential) = (format!("198.51.100.{network}"), format!("{PASSWORD}{token}"));
        let logging_in = house.log_in_from(jane.username.as_str(), &credential, &source);
        let (looked, opened) = tokio::join!(watch.look(&house.ctx), logging_in);
        looked.unwrap();
        assert!(is_frozen(&house, &jane).await);
        if let Ok(session) = opened {
            let kind = SessionKind::Api;
            let found = sessions::find(&house.ctx, kind, &session.secret).await.unwrap();
            assert!(found.is_none(), "a session of before the freeze has ended with it");
        }
    }
}

#[tokio::test]
async fn a_freeze_that_was_lifted_comes_again_for_new_uses_and_not_for_old_ones() {
    let (house, jane, token) = house_with_token().await;
    freezes(&house).await;
    let mut watch = Watch::default();
    use_from(&house, &jane, &token, 3).await;
    watch.look(&house.ctx).await.unwrap();
    assert!(is_frozen(&house, &jane).await);

    lift(&house, &jane).await;
    house.wait(MINUTE);
    use_from(&house, &jane, &token, 1).await;
    watch.look(&house.ctx).await.unwrap();
    let by_old_uses = is_frozen(&house, &jane).await;
    use_from(&house, &jane, &token, 3).await;
    watch.look(&house.ctx).await.unwrap();

    assert!(!by_old_uses);
    assert!(is_frozen(&house, &jane).await);
    assert_eq!(warnings(&house).await, 2);
}

#[tokio::test]
async fn what_was_marked_as_a_false_alarm_freezes_no_more() {
    let (house, jane, token) = house_with_token().await;
    freezes(&house).await;
    use_from(&house, &jane, &token, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();
    let signal = sharing::list(&house.ctx, None).await.unwrap().remove(0).id;
    sharing::mark_false_alarm(&house.ctx, Actor::Operator, None, signal).await.unwrap();
    lift(&house, &jane).await;

    house.wait(MINUTE);
    use_from(&house, &jane, &token, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();

    assert!(!is_frozen(&house, &jane).await);
}

#[tokio::test]
async fn a_signal_that_was_told_of_freezes_once_its_device_type_says_so() {
    let (house, jane, token) = house_with_token().await;
    let mut watch = Watch::default();
    use_from(&house, &jane, &token, 3).await;
    watch.look(&house.ctx).await.unwrap();
    let told_alone = is_frozen(&house, &jane).await;

    freezes(&house).await;
    use_from(&house, &jane, &token, 3).await;
    watch.look(&house.ctx).await.unwrap();

    assert!(!told_alone);
    assert!(is_frozen(&house, &jane).await);
    assert_eq!(warnings(&house).await, 2);
}

#[tokio::test]
async fn what_is_new_is_raised_however_many_signals_there_were() {
    let (house, jane, token) = house_with_token().await;
    let of_jane = tokens::of_user(&house.ctx, jane.id).await.unwrap().remove(0).token;
    let used = UsedToken {
        token: of_jane,
        user: jane.id,
        device_type: DeviceType::any(),
        unfrozen_at: None,
    };
    let mut tx = house.ctx.store.begin().await.unwrap();
    for number in 1..=100 {
        let subject = SignalSubject::parse(&format!("10.{number}.0.0/16"));
        let evidence = String::new();
        let signal = SharingSignal { rule: SharingRule::Places, subject, evidence };
        let at = house.ctx.clock.now() - DAY * 2;
        stored::insert(&mut tx, Id::from_raw(number), &used, &signal, at).await.unwrap();
        stored::mark_false_alarm(&mut tx, Id::from_raw(number), "", at).await.unwrap();
    }
    tx.commit().await.unwrap();

    use_from(&house, &jane, &token, 3).await;
    Watch::default().look(&house.ctx).await.unwrap();

    let all = sharing::list(&house.ctx, Some(jane.id)).await.unwrap();
    assert_eq!(all.len(), 100);
    assert_eq!(all[0].subject.to_string(), "198.51.0.0/16");
    assert_eq!(warnings(&house).await, 1);
}

#[tokio::test]
async fn a_token_that_goes_back_and_forth_between_countries_is_told_of_where_a_file_tells_them() {
    let (house, jane, token) = house_with_token().await;
    let countries = Countries::parse("198.51.100.0/24 DE\n203.0.113.0/24 FR").unwrap();
    let mut watch = Watch::knowing(Arc::new(countries));
    for source in ["198.51.100.1", "203.0.113.1"].into_iter().cycle().take(7) {
        let credential = format!("{PASSWORD}{token}");
        assert_eq!(sharing::list(&house.ctx, Some(jane.id)).await.unwrap(), []);
        house.log_in_from(jane.username.as_str(), &credential, source).await.unwrap();
        house.wait(MINUTE);
        watch.look(&house.ctx).await.unwrap();
    }

    let signals = sharing::list(&house.ctx, Some(jane.id)).await.unwrap();
    let letter = warnings(&house).await;
    let mut without_a_file = Watch::default();
    house.wait(11 * MINUTE);
    without_a_file.look(&house.ctx).await.unwrap();

    assert_eq!(signals.len(), 1);
    assert_eq!(
        (signals[0].rule, signals[0].subject.to_string()),
        (SharingRule::Countries, "DE + FR".into())
    );
    assert!(signals[0].evidence.contains("FR (203.0.113.1 at "), "{}", signals[0].evidence);
    assert_eq!(letter, 1);
    assert!(
        house.arrived().pop().unwrap().text.contains("used within an hour from several countries")
    );
    let then = sharing::list(&house.ctx, Some(jane.id)).await.unwrap();
    assert_eq!(then[0].last_at, signals[0].last_at, "nothing is said without a file");
}
