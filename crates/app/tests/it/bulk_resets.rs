//! Bulk resets: everybody of a profile once, whatever breaks off, and nobody else.

use std::task::{Context, Waker};
use std::time::Duration;

use symbolon_app::bulk_reset::{self, Asked, State};
use symbolon_app::login::{self, WebLogin};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, AppError, live, users};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_store::changes::{self, Change};
use tokio::time::timeout;

use crate::house::{PASSWORD, TestHouse, origin, password};

const PROFILE: &str = "Standard";

fn asked(scope: Scope) -> Asked<'static> {
    Asked { profile: PROFILE, device_type: DeviceType::any(), scope, reason: Some("a drill") }
}

async fn people(house: &TestHouse, count: usize) -> Vec<UserView> {
    let mut people = Vec::new();
    for number in 0..count {
        people.push(house.user(&format!("user{number}")).await);
    }
    people
}

async fn token_mails(house: &TestHouse) -> usize {
    house.deliver_mail().await;
    house.arrived().iter().filter(|mail| mail.subject.starts_with("Your new")).count()
}

#[tokio::test]
async fn everybody_of_the_profile_is_reset_once_in_steps() {
    let house = TestHouse::new().await;
    let people = people(&house, 60).await;
    let old = house.reset_and_read(&people[0]).await;
    let before = token_mails(&house).await;
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
    let begun = begun.unwrap().0;
    assert_eq!((begun.total, begun.done, begun.state), (60, 0, State::Running));

    let first = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;
    let second = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;
    let last = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;
    let again = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;

    assert_eq!((first.done, second.done), (50, 60));
    assert_eq!((last.done, last.passed_over, last.state), (60, 0, State::Done));
    assert_eq!(again, last);
    assert_eq!(token_mails(&house).await, before + 60);
    assert!(house.log_in(&people[0], &format!("{PASSWORD}{old}")).await.is_err());
    let row = house.last_audited(1).await.remove(0);
    assert_eq!(row.action, "bulk-reset.done");
}

#[tokio::test]
async fn whom_a_rule_forbids_it_is_passed_over_and_counted_beforehand() {
    let house = TestHouse::new().await;
    let people = people(&house, 3).await;
    users::freeze(&house.ctx, Actor::Operator, people[1].username.as_str()).await.unwrap();
    let scope = Scope::Account;

    let forecast = bulk_reset::forecast(&house.ctx, &asked(scope)).await.unwrap();
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(scope)).await.unwrap().0;
    let stands = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;

    assert_eq!((forecast.users, forecast.passed_over), (3, 1));
    assert_eq!((stands.done, stands.passed_over), (2, 1));
}

/// As if somebody had written into the database.
async fn break_row_of(house: &TestHouse, user: &UserView, statement: &'static str) {
    let mut tx = house.ctx.store.begin().await.expect("there is a connection");
    tx.execute(statement, &[user.id.raw().into()]).await.expect("the engine takes it");
    tx.commit().await.expect("it is kept");
}

#[tokio::test]
async fn users_of_whom_a_row_cannot_be_read_are_passed_over_and_nobody_else_with_them() {
    let house = TestHouse::new().await;
    let people = people(&house, 5).await;
    let olds = [house.reset_and_read(&people[0]).await, house.reset_and_read(&people[1]).await];
    break_row_of(&house, &people[1], "UPDATE token SET device_type = '' WHERE user_id = $1").await;
    break_row_of(&house, &people[3], "UPDATE user_account SET email = '' WHERE id = $1").await;
    let before = token_mails(&house).await;
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
    let id = begun.unwrap().0.id;

    bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap();
    let stands = bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap().0;

    assert_eq!((stands.done, stands.passed_over, stands.state), (3, 2, State::Done));
    assert_eq!(token_mails(&house).await, before + 3);
    break_row_of(&house, &people[1], "UPDATE token SET device_type = 'any' WHERE user_id = $1")
        .await;
    let [reset, passed_over] = [0, 1].map(|at| format!("{PASSWORD}{}", olds[at]));
    assert!(house.log_in(&people[0], &reset).await.is_err());
    assert!(house.log_in(&people[1], &passed_over).await.is_ok(), "nothing of his was changed");
}

#[tokio::test]
async fn a_cancelled_bulk_reset_goes_no_further_and_what_was_reset_stays() {
    let house = TestHouse::new().await;
    people(&house, 60).await;
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
    let id = begun.unwrap().0.id;
    bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap();

    let cancelled = bulk_reset::cancel(&house.ctx, Actor::Operator, id).await.unwrap().0;

    assert_eq!((cancelled.done, cancelled.state), (50, State::Cancelled));
    let refused = bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap_err();
    assert!(matches!(refused, AppError::Forbidden(_)));
    let refused = bulk_reset::cancel(&house.ctx, Actor::Operator, id).await.unwrap_err();
    assert!(matches!(refused, AppError::Forbidden(_)));
    assert_eq!(token_mails(&house).await, 50);
    assert_eq!(bulk_reset::list(&house.ctx).await.unwrap(), [bulk_reset::BulkResetView(cancelled)]);
}

#[tokio::test]
async fn two_who_drive_the_same_bulk_reset_reset_nobody_twice() {
    let house = TestHouse::new().await;
    people(&house, 120).await;
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
    let id = begun.unwrap().0.id;

    let drivers = (0..2).map(|_| {
        let ctx = house.ctx.clone();
        tokio::spawn(async move {
            while bulk_reset::step(&ctx, Actor::Operator, id).await.unwrap().0.state
                == State::Running
            {}
        })
    });
    for driver in drivers.collect::<Vec<_>>() {
        driver.await.unwrap();
    }

    assert_eq!(token_mails(&house).await, 120);
}

#[tokio::test]
async fn a_step_whose_driver_goes_away_comes_to_its_end_and_wakes_the_courier() {
    let house = TestHouse::new().await;
    people(&house, 3).await;
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
    let step = bulk_reset::step(&house.ctx, Actor::Operator, begun.unwrap().0.id);

    // Polled once, and dropped before anything else can run.
    assert!(Box::pin(step).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    let ended = async {
        loop {
            house.ctx.letters_waiting.notified().await;
            if bulk_reset::list(&house.ctx).await.unwrap()[0].0.done == 3 {
                break;
            }
        }
    };
    assert!(timeout(Duration::from_mins(1), ended).await.is_ok());
}

#[tokio::test]
async fn whoever_resets_alone_or_waits_for_a_code_does_not_queue_behind_a_bulk_reset() {
    let house = TestHouse::new().await;
    let people = people(&house, 60).await;
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
    let id = begun.unwrap().0.id;
    while bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap().0.state == State::Running
    {
    }
    house.wait(Duration::from_mins(1));

    house.reset(&people[59]).await;
    let attempt = WebLogin {
        username: people[58].username.to_string(),
        password: password(PASSWORD),
        places: Vec::new(),
        origin: origin("10.1.2.3"),
    };
    login::log_in_to_web(&house.ctx, attempt).await.unwrap();
    house.deliver_mail().await;

    let arrived = house.arrived();
    let first: Vec<(&str, &str)> =
        arrived.iter().take(3).map(|mail| (mail.to.as_str(), mail.subject.as_str())).collect();
    let (alone, logs_in) = (people[59].email.as_str(), people[58].email.as_str());
    for awaited in [
        (alone, "Your new Acme security token"),
        (logs_in, "Your Acme verification code"),
        (alone, "Your Acme security token was changed"),
    ] {
        assert!(first.contains(&awaited), "{awaited:?} not in {first:?}");
    }
    assert_eq!(arrived.len(), 2 * 60 - 1 + 3, "the token that was reset again is not mailed");
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_not_found() {
    let house = TestHouse::new().await;
    let asked = Asked { profile: "Nobody's", ..asked(Scope::Account) };

    let refused = bulk_reset::begin(&house.ctx, Actor::Operator, &asked).await.unwrap_err();

    assert!(matches!(refused, AppError::NotFound("profile")));
}

#[tokio::test]
async fn whoever_is_told_that_it_is_over_is_told_so_once_the_view_knows_what_it_has_ended() {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let people = people(&house, 2).await;
    let begin = async || {
        let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked(Scope::Account)).await;
        begun.unwrap().0.id
    };
    // What the last step of somebody who has gone away has committed, and nobody has applied yet.
    let behind_the_view = async || {
        let now = house.ctx.clock.now();
        let mut tx = house.ctx.store.begin().await.unwrap();
        changes::record(&mut tx, Change::UserChanged, people[0].id, None, now).await.unwrap();
        tx.commit().await.unwrap();
        assert!(house.ctx.live.view.applied() < house.revision().await);
    };
    let current = async || house.ctx.live.view.applied() == house.revision().await;
    let (id, cancelled) = (begin().await, begin().await);
    bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap();

    behind_the_view().await;
    let done = bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap().0;
    assert!(done.state == State::Done && current().await);
    behind_the_view().await;
    let again = bulk_reset::step(&house.ctx, Actor::Operator, id).await.unwrap().0;
    assert!(again.state == State::Done && current().await);
    behind_the_view().await;
    bulk_reset::cancel(&house.ctx, Actor::Operator, cancelled).await.unwrap();
    assert!(current().await);
}
