//! The reset: final when it says so, once per request, one live token whatever races.

use std::time::Duration;

use symbolon_app::reset::ResetError;
use symbolon_app::tokens::{self, TokenState};
use symbolon_app::trail::Walk;
use symbolon_app::{Actor, reset, sessions, trail, users};
use symbolon_core::audit::Break;
use symbolon_core::judge::Refusal;
use symbolon_core::letter::LetterState;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::DAY;
use symbolon_core::reset::Scope;
use symbolon_core::session::SessionKind;
use symbolon_store::audit::{self, AuditEvent};

use crate::house::{PASSWORD, TestHouse};

#[tokio::test]
async fn the_mailed_token_works_at_once_and_the_earlier_one_is_dead() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let first = house.reset_and_read(&jane).await;

    let second = house.reset_and_read(&jane).await;

    assert!(house.log_in(&jane, &format!("{PASSWORD}{second}")).await.is_ok());
    let refused = house.log_in(&jane, &format!("{PASSWORD}{first}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenRetired(..)));
}

#[tokio::test]
async fn the_same_request_twice_is_one_reset_and_one_mail() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    let first = house.try_reset(&jane, PASSWORD, "k".repeat(32).as_str()).await.unwrap();
    let again = house.try_reset(&jane, PASSWORD, "k".repeat(32).as_str()).await.unwrap();

    house.deliver_mail().await;
    let token_mails = house.arrived().iter().filter(|m| m.subject.starts_with("Your new")).count();
    assert_eq!(first.token, again.token);
    assert_eq!(token_mails, 1);
}

#[tokio::test]
async fn the_same_request_again_tells_a_revision_that_knows_the_reset() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    let first = house.try_reset(&jane, PASSWORD, "once").await.unwrap();
    let again = house.try_reset(&jane, PASSWORD, "once").await.unwrap();

    assert!(first.fresh && !again.fresh && first.token == again.token);
    assert!(first.revision > 0 && again.revision >= first.revision, "{again:?}");
}

#[tokio::test]
async fn a_request_key_of_somebody_else_leads_nowhere() {
    let house = TestHouse::new().await;
    let (jane, eve) = (house.user("jane").await, house.user("eve").await);
    let hers = house.try_reset(&jane, PASSWORD, "k".repeat(32).as_str()).await.unwrap();

    let other = house.try_reset(&eve, PASSWORD, "k".repeat(32).as_str()).await.unwrap();

    assert_ne!(hers.token, other.token);
    assert!(reset::receipt(&house.ctx, eve.id, hers.token).await.is_err());
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing_and_counts() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    for _ in 0..10 {
        let key = house.ctx.chance.text(32);
        let refused = house.try_reset(&jane, "violet tundra marble 43", &key).await.unwrap_err();
        assert!(matches!(refused, ResetError::WrongPassword(_)));
    }

    let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::LockedOut(_)));
    users::unlock(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();
    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_ok());
}

#[tokio::test]
async fn racing_resets_leave_one_live_token_and_it_is_the_last_one_mailed() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let racers = (0..8).map(|_| {
        let ctx = house.ctx.clone();
        let name = jane.username.to_string();
        tokio::spawn(async move {
            let (actor, scope) = (Actor::Operator, Scope::Account);
            reset::reset_for(&ctx, actor, &name, DeviceType::any(), scope, None).await.unwrap()
        })
    });

    let mut receipts = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        receipts.push(racer.await.unwrap());
    }

    let last = receipts.iter().max_by_key(|receipt| receipt.revision).unwrap();
    let views = tokens::of_user(&house.ctx, jane.id).await.unwrap();
    let live: Vec<_> = views.iter().filter(|view| view.state == TokenState::Live).collect();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].token, last.token);
    let token = house.newest_token().await;
    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_ok());
}

#[tokio::test]
async fn a_letter_whose_token_was_reset_meanwhile_is_never_sent() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let first = house.reset(&jane).await;

    house.reset(&jane).await;
    house.deliver_mail().await;

    let receipt = reset::receipt(&house.ctx, jane.id, first.token).await.unwrap();
    assert_eq!(receipt.mail.as_ref().unwrap().state, LetterState::Superseded);
    let token_mails = house.arrived().iter().filter(|m| m.subject.starts_with("Your new")).count();
    assert_eq!(token_mails, 1);
}

#[tokio::test]
async fn a_reset_ends_the_sessions_that_the_retired_token_opened() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let session = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();
    let found = sessions::find(&house.ctx, SessionKind::Api, &session.secret).await.unwrap();
    assert!(found.is_some());

    house.reset(&jane).await;

    let found = sessions::find(&house.ctx, SessionKind::Api, &session.secret).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn a_reset_of_one_device_type_leaves_the_other_tokens_alive() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let any = house.reset_and_read(&jane).await;
    let (name, server) = (jane.username.as_str(), DeviceType::parse("server").unwrap());

    let (actor, scope) = (Actor::Operator, Scope::DeviceType);
    reset::reset_for(&house.ctx, actor, name, server, scope, Some("new host")).await.unwrap();
    let for_server = house.newest_token().await;

    assert!(house.log_in(&jane, &format!("{PASSWORD}{any}")).await.is_ok());
    assert!(house.log_in(&jane, &format!("{PASSWORD}{for_server}")).await.is_ok());
}

#[tokio::test]
async fn a_token_dies_at_the_instant_its_year_is_full() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let credential = format!("{PASSWORD}{token}");

    let almost_a_year = (365 * DAY).saturating_sub(Duration::from_millis(1));
    house.wait(almost_a_year);
    assert!(house.log_in(&jane, &credential).await.is_ok());
    house.wait(Duration::from_millis(1));

    let refused = house.log_in(&jane, &credential).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenExpired(_)));
}

#[tokio::test]
async fn a_frozen_user_cannot_reset_and_is_told_who_can_lift_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    users::freeze(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();

    let obstacle = reset::obstacle(&house.ctx, jane.id, Scope::Account).await.unwrap();

    assert!(obstacle.is_some_and(|rule| rule.contains("administrator")));
}

#[tokio::test]
async fn every_change_is_in_an_audit_trail_that_is_whole() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    house.reset(&jane).await;

    let verdict = trail::verify(&house.ctx).await.unwrap();
    let rows = trail::export(&house.ctx, 0, 100).await.unwrap();

    let actions: Vec<&str> = rows.iter().map(|(row, _)| row.action.as_str()).collect();
    assert_eq!(actions, ["user.added", "token.reset", "token.reset"]);
    assert_eq!(verdict, Ok(3));
}

#[tokio::test]
async fn a_long_trail_is_walked_in_portions_and_a_row_that_is_altered_on_the_way_shows() {
    let house = TestHouse::new().await;
    let mut tx = house.ctx.store.begin().await.unwrap();
    for row in 0..2_500 {
        let (action, subject) = ("test.row", format!("row:{row}"));
        let event =
            AuditEvent { actor: "operator".into(), action, subject, details: String::new() };
        audit::append(&mut tx, event, house.ctx.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut walk = Walk::begin(&house.ctx).await.unwrap();
    let mut places = Vec::new();
    let verdict = loop {
        let verdict = walk.go_on(&house.ctx).await.unwrap();
        places.push(walk.reached().number);
        walk = Walk::from(walk.reached(), walk.head());
        if let Some(verdict) = verdict {
            break verdict;
        }
    };
    assert_eq!((places, verdict), (vec![1_000, 2_000, 2_500], Ok(2_500)));

    run(&house, "UPDATE audit SET subject = 'row:x' WHERE number = 1500").await;
    assert_eq!(trail::verify(&house.ctx).await.unwrap(), Err(Break::Altered(1_500)));
}

/// A trigger that makes the next write to a table fail, and how to take it away.
macro_rules! fault_in {
    ($($event:literal $table:literal),* $(,)?) => {[$((
        concat!(
            "CREATE TRIGGER fault BEFORE ", $event, " ON ", $table,
            " BEGIN SELECT RAISE(ABORT, 'planted'); END"
        ),
        concat!($event, " ", $table),
    )),*]};
}

#[tokio::test]
async fn a_reset_that_fails_at_any_statement_leaves_nothing_behind() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let credential = format!("{PASSWORD}{token}");
    let session = house.log_in(&jane, &credential).await.unwrap();
    let faults = fault_in![
        "UPDATE" "user_account",
        "UPDATE" "token",
        "UPDATE" "session",
        "INSERT" "token",
        "INSERT" "link",
        "INSERT" "letter",
        "INSERT" "reset_request",
        "UPDATE" "audit_head",
        "INSERT" "audit",
        "UPDATE" "revision",
        "INSERT" "change",
    ];
    let before = everything(&house).await;

    for (plant, place) in faults {
        run(&house, plant).await;
        let failed = house.try_reset(&jane, PASSWORD, &house.ctx.chance.text(32)).await;
        run(&house, "DROP TRIGGER fault").await;

        assert!(matches!(failed, Err(ResetError::App(_))), "{place}: {failed:?}");
        assert_eq!(everything(&house).await, before, "{place}");
        let found = sessions::find(&house.ctx, SessionKind::Api, &session.secret).await.unwrap();
        assert!(found.is_some(), "{place}");
    }

    assert!(house.log_in(&jane, &credential).await.is_ok());
    assert!(trail::verify(&house.ctx).await.unwrap().is_ok());
}

async fn run(house: &TestHouse, sql: &'static str) {
    let mut tx = house.ctx.store.begin().await.unwrap();
    tx.execute(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many rows of each kind there are, and how far the revision has come.
async fn everything(house: &TestHouse) -> Vec<i64> {
    let sql = "SELECT (SELECT COUNT(*) FROM token), (SELECT COUNT(*) FROM token WHERE retired_at IS NULL),
                      (SELECT COUNT(*) FROM letter), (SELECT COUNT(*) FROM link),
                      (SELECT COUNT(*) FROM audit), (SELECT COUNT(*) FROM change),
                      (SELECT revision FROM revision), (SELECT MAX(epoch) FROM user_account)";
    let mut reader = house.ctx.store.read().await.unwrap();
    let row = reader.fetch_one(sql, &[]).await.unwrap();
    (0..8).map(|column| row.int(column).unwrap()).collect()
}
