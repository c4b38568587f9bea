//! API logins under the duty of a second factor: the code of the authenticator app stands behind the
//! password in the token's place.

use std::time::Duration;

use symbolon_app::explain::Said;
use symbolon_app::history::{self, Reader};
use symbolon_app::links::LinkKind;
use symbolon_app::{Actor, owner_freeze, profiles, users};
use symbolon_core::judge::{Refusal, Rule};
use symbolon_core::policy::{DAY, Duty, Policy};

use crate::accounts::mailed_link;
use crate::house::{PASSWORD, TestHouse, origin, password};

const STEP: Duration = Duration::from_secs(30);

/// A house whose users owe a second factor at APIs, since now.
async fn dutiful_house() -> TestHouse {
    let house = TestHouse::new().await;
    let policy = Policy { duty: Duty::WebAndApi, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", policy).await.unwrap();
    house
}

#[tokio::test]
async fn the_code_takes_the_place_of_the_token_and_the_history_says_so() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    let code = app.code(house.ctx.clock.now(), 0);

    let with_token = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
    let without = house.log_in(&jane, PASSWORD).await.unwrap_err();
    // Entries of the history have an order then.
    house.wait(Duration::from_millis(1));
    let with_code = house.log_in(&jane, &format!("{PASSWORD}{code}")).await;

    assert_eq!(with_token.refusal, Refusal::CodeMissing);
    assert_eq!(without.refusal, Refusal::CodeMissing);
    assert!(with_code.is_ok());
    assert_eq!(house.last_entry(&jane).await.reason, "password and authenticator code");
}

#[tokio::test]
async fn a_code_opens_one_session() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    let credential = format!("{PASSWORD}{}", app.code(house.ctx.clock.now(), 0));
    house.log_in(&jane, &credential).await.unwrap();

    let again = house.log_in(&jane, &credential).await.unwrap_err();

    assert_eq!(again.refusal, Refusal::CodeWrong);
}

#[tokio::test]
async fn of_many_who_bring_one_code_at_once_one_is_let_in() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    let credential = format!("{PASSWORD}{}", app.code(house.ctx.clock.now(), 0));

    let (a, b, c) = tokio::join!(
        house.log_in(&jane, &credential),
        house.log_in(&jane, &credential),
        house.log_in(&jane, &credential),
    );

    assert_eq!([a, b, c].iter().filter(|login| login.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_wrong_password_takes_no_code() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    let code = app.code(house.ctx.clock.now(), 0);

    let wrong = house.log_in(&jane, &format!("not the password{code}")).await.unwrap_err();
    let right = house.log_in(&jane, &format!("{PASSWORD}{code}")).await;

    assert_eq!(wrong.refusal, Refusal::WrongPassword);
    assert!(right.is_ok());
}

#[tokio::test]
async fn ten_wrong_codes_lock_the_entry_of_codes_until_an_administrator_unlocks() {
    let house = dutiful_house().await;
    let policy = Policy { duty: Duty::WebAndApi, lockout_failures: 100, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", policy).await.unwrap();
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    for guess in 0..10 {
        let guessed = house.log_in(&jane, &format!("{PASSWORD}00000{guess}")).await.unwrap_err();
        assert_eq!(guessed.refusal, Refusal::CodeWrong);
    }
    let code = app.code(house.ctx.clock.now(), 0);

    let locked = house.log_in(&jane, &format!("{PASSWORD}{code}")).await.unwrap_err();
    users::unlock(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();
    let unlocked = house.log_in(&jane, &format!("{PASSWORD}{code}")).await;

    assert!(matches!(locked.refusal, Refusal::CodesLockedOut(_)), "{:?}", locked.refusal);
    assert!(unlocked.is_ok());
}

#[tokio::test]
async fn who_has_no_app_logs_in_by_token_until_the_time_to_enrol_is_over() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let credential = format!("{PASSWORD}{token}");

    let within = house.log_in(&jane, &credential).await;
    house.wait(DAY * 14);
    let too_late = house.log_in(&jane, &credential).await.unwrap_err();

    assert!(within.is_ok());
    assert!(matches!(too_late.refusal, Refusal::SecondFactorNotEnrolled(_)));
}

#[tokio::test]
async fn without_the_duty_a_password_may_end_in_digits() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.enrol(&jane).await;
    let token = house.reset_and_read(&jane).await;

    let with_code = house.log_in(&jane, &format!("{PASSWORD}123456")).await.unwrap_err();
    let with_token = house.log_in(&jane, &format!("{PASSWORD}{token}")).await;

    assert_eq!(with_code.refusal, Refusal::WrongPassword);
    assert!(with_token.is_ok());
}

#[tokio::test]
async fn while_the_owner_has_frozen_the_tokens_a_right_code_is_refused_too_and_explained() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();
    let credential = format!("{PASSWORD}{}", app.code(house.ctx.clock.now(), 0));

    let refused = house.log_in(&jane, &credential).await.unwrap_err();
    let entry = refused.correlation_id.to_string();
    let kept = history::explain_entry(&house.ctx, Reader::Owner(jane.id), &entry).await.unwrap();
    let here = origin("10.1.2.3");
    owner_freeze::lift(&house.ctx, jane.id, password(PASSWORD), &here).await.unwrap();
    let admitted = house.log_in(&jane, &credential).await;

    assert!(matches!(refused.refusal, Refusal::TokensFrozen(_)), "{refused:?}");
    let step = kept.steps.iter().find(|step| step.said == Said::Refused).unwrap();
    assert_eq!(step.rule, Rule::Token.word());
    assert!(step.input.contains("tokens frozen by their owner since"), "{}", step.input);
    assert!(step.remedy.contains("My Personal Information"), "{}", step.remedy);
    assert!(admitted.is_ok(), "the refusal took no code");
}
