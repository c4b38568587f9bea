//! API logins under the duty of a second factor: the code of the authenticator app stands behind the
//! password in the token's place.

use std::time::Duration;

use symbolon_app::explain::Said;
use symbolon_app::history::{self, Reader};
use symbolon_app::links::LinkKind;
use symbolon_app::login::{self, ApiLogin, Head, LoginError, NewSession, Refused};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, AppError, owner_freeze, profiles, users};
use symbolon_core::judge::{Refusal, Rule};
use symbolon_core::policy::{DAY, Duty, Policy};
use symbolon_core::secret::Credential;
use symbolon_store::users as stored_users;

use crate::accounts::mailed_link;
use crate::authenticator_app::AuthenticatorApp;
use crate::house::{PASSWORD, TestHouse, origin, password};

const STEP: Duration = Duration::from_secs(30);

/// A house whose users owe a second factor at APIs, since now.
async fn dutiful_house() -> TestHouse {
    let house = TestHouse::new().await;
    let policy = Policy { duty: Duty::WebAndApi, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
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

    assert_eq!(with_token.refusal, Refusal::TokenInPlaceOfCode);
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
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
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

/// Guesses codes from elsewhere, which strangers are counted for, until `often` were tried.
async fn guess(house: &TestHouse, jane: &UserView, source: &str, often: u32) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for _ in 0..often {
        let credential = format!("{PASSWORD}000000");
        let guessed = house.log_in_from(jane.username.as_str(), &credential, source).await;
        refusals.push(guessed.expect_err("000000 is not the code").refusal);
    }
    refusals
}

/// Jane with an app, under the duty, whose passwords lock nobody out here; her program is known at 10.1.2.3.
async fn jane_whose_program_is_known(house: &TestHouse) -> (UserView, AuthenticatorApp) {
    let policy = Policy { duty: Duty::WebAndApi, lockout_failures: 100, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    assert!(program_logs_in(house, &jane, &app).await.is_ok());
    (jane, app)
}

async fn program_logs_in(
    house: &TestHouse,
    jane: &UserView,
    app: &AuthenticatorApp,
) -> Result<NewSession, Refused> {
    let outcome =
        house.log_in(jane, &format!("{PASSWORD}{}", app.code(house.ctx.clock.now(), 0))).await;
    house.wait(STEP);
    outcome
}

#[tokio::test]
async fn a_guesser_from_elsewhere_is_not_let_off_by_the_owners_program() {
    let house = dutiful_house().await;
    let (jane, app) = jane_whose_program_is_known(&house).await;

    let mut refusals = Vec::new();
    for _ in 0..6 {
        refusals.extend(guess(&house, &jane, "10.9.9.9", 2).await);
        assert!(program_logs_in(&house, &jane, &app).await.is_ok(), "it is at home here");
    }

    let (tried, locked) = refusals.split_at(10);
    assert!(tried.iter().all(|refusal| *refusal == Refusal::CodeWrong), "{tried:?}");
    let is_locked = |refusal: &Refusal| matches!(refusal, Refusal::CodesLockedOut(_));
    assert!(locked.iter().all(is_locked), "{locked:?}");
}

#[tokio::test]
async fn the_owners_program_is_not_locked_by_a_guesser_from_elsewhere_and_the_other_way_round() {
    let house = dutiful_house().await;
    let (jane, app) = jane_whose_program_is_known(&house).await;

    guess(&house, &jane, "10.9.9.9", 10).await;
    let at_home = program_logs_in(&house, &jane, &app).await;
    let code = app.code(house.ctx.clock.now(), 0);
    let credential = format!("{PASSWORD}{code}");
    let elsewhere = house.log_in_from(jane.username.as_str(), &credential, "10.9.9.9").await;
    guess(&house, &jane, "10.1.2.3", 10).await;
    let locked_at_home = program_logs_in(&house, &jane, &app).await.unwrap_err().refusal;
    let mut reader = house.ctx.store.read().await.unwrap();
    let of_strangers = stored_users::find(&mut reader, jane.id).await.unwrap().unwrap();
    drop(reader);

    assert!(at_home.is_ok());
    assert!(matches!(elsewhere.unwrap_err().refusal, Refusal::CodesLockedOut(_)));
    assert!(matches!(locked_at_home, Refusal::CodesLockedOut(_)), "{locked_at_home:?}");
    assert_eq!(of_strangers.code_failures.count, 10, "what failed at home is not counted here");
}

#[tokio::test]
async fn a_right_code_at_an_api_takes_back_one_wrong_one_where_it_comes_from() {
    let house = dutiful_house().await;
    let (jane, app) = jane_whose_program_is_known(&house).await;
    guess(&house, &jane, "10.9.9.9", 9).await;
    guess(&house, &jane, "10.1.2.3", 9).await;

    let credential = format!("{PASSWORD}{}", app.code(house.ctx.clock.now(), 0));
    let new = house.log_in_from(jane.username.as_str(), &credential, "10.8.8.8").await;
    house.wait(STEP);
    let known = program_logs_in(&house, &jane, &app).await;

    assert!(new.is_ok() && known.is_ok());
    for source in ["10.9.9.9", "10.1.2.3"] {
        let more = guess(&house, &jane, source, 3).await;
        assert_eq!(more[..2], [Refusal::CodeWrong; 2], "{source}");
        assert!(matches!(more[2], Refusal::CodesLockedOut(_)), "{source}: {more:?}");
    }
}

#[tokio::test]
async fn a_program_that_was_told_of_no_duty_locks_nobody_out_and_a_retired_token_is_told_of() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let retired = house.reset_and_read(&jane).await;
    let live = house.reset_and_read(&jane).await;
    house.enrol(&jane).await;
    house.deliver_mail().await;
    let before = house.arrived().len();

    for token in [&live, &retired] {
        for _ in 0..12 {
            let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
            assert_eq!(refused.refusal, Refusal::TokenInPlaceOfCode);
        }
    }

    let view = users::show(&house.ctx, jane.username.as_str()).await.unwrap();
    assert_eq!(view.locked_until, None);
    house.deliver_mail().await;
    let told: Vec<String> =
        house.arrived().split_off(before).into_iter().map(|letter| letter.subject).collect();
    assert_eq!(told.len(), 1, "of the retired one, once: {told:?}");
    assert!(told[0].contains("retired"), "{told:?}");
}

#[tokio::test]
async fn whoever_holds_a_retired_token_is_told_of_whichever_rule_refuses_him() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let retired = house.reset_and_read(&jane).await;
    house.reset_and_read(&jane).await;
    let before = house.arrived().len();

    let refused = house.log_in(&jane, &format!("an old password{retired}")).await.unwrap_err();

    assert_eq!(refused.refusal, Refusal::WrongPassword);
    house.deliver_mail().await;
    let told = house.arrived().split_off(before);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("retired"), "{}", told[0].subject);
}

#[tokio::test]
async fn where_no_secret_can_be_opened_a_code_is_not_called_wrong_and_a_stranger_learns_nothing() {
    let house = dutiful_house().await;
    let jane = house.user("jane").await;
    let (app, _) = house.restarted_with_another_key().enrol(&jane).await;
    house.wait(STEP);
    let code = app.code(house.ctx.clock.now(), 0);
    let log_in = async |password: &str| {
        let login = ApiLogin {
            head: Head::SoapPartner,
            username: jane.username.to_string(),
            credential: Credential::new(format!("{password}{code}")),
            client: None,
            origin: origin("10.1.2.3"),
        };
        login::log_in_to_api(&house.ctx, login).await
    };

    let right = log_in(PASSWORD).await;
    let wrong = log_in("not the password").await;

    assert!(matches!(right, Err(LoginError::App(AppError::KeyMissing))), "{right:?}");
    let Err(LoginError::Refused(refused)) = wrong else { panic!("{wrong:?}") };
    assert_eq!(refused.refusal, Refusal::WrongPassword);
    let mut reader = house.ctx.store.read().await.unwrap();
    let row = stored_users::find(&mut reader, jane.id).await.unwrap().unwrap();
    assert_eq!((row.code_failures.count, row.standing.failures.count), (0, 1));
}
