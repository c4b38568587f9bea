//! Rotation: two tokens for a while; at the first use of the new one, or at the deadline, the old one is dead.

use std::time::Duration;

use symbolon_app::login::Head;
use symbolon_app::reset::ResetError;
use symbolon_app::rotation::{self, OwnRotation, RotationFor, RotationReceipt, Which};
use symbolon_app::scribe::Scribe;
use symbolon_app::users::UserView;
use symbolon_app::verify::{self, NoAdmission, Presented, Presenter, Question, Waiter, Waiting};
use symbolon_app::{Actor, AppError, device_types, janitor, live, sessions, tokens, trail};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::judge::{Refusal, RetirementCause};
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::policy::DAY;
use symbolon_core::session::SessionKind;
use symbolon_core::verification::BearerUse;
use symbolon_mail::Delivery;

use crate::house::{PASSWORD, TestHouse, origin, password};

const MS: Duration = Duration::from_millis(1);

/// A house whose tokens may overlap and stand alone, with Jane and her token in it.
async fn house_with_token() -> (TestHouse, UserView, String) {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let set = |rules: &mut DeviceRules| {
        rules.overlap = Overlap::Allowed;
        rules.bearer = BearerUse::Allowed;
    };
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    (house, jane, token)
}

async fn try_rotate(
    house: &TestHouse,
    user: &UserView,
    key: Option<&str>,
) -> Result<RotationReceipt, ResetError> {
    let device_type = DeviceType::any();
    let asked = RotationFor { device_type, overlap: None, request_key: key, reason: None };
    rotation::rotate_for(&house.ctx, Actor::Operator, user.username.as_str(), asked).await
}

/// A rotation and the token that it mailed.
async fn rotate_and_read(house: &TestHouse, user: &UserView) -> String {
    try_rotate(house, user, None).await.unwrap();
    house.newest_token().await
}

async fn cancel(house: &TestHouse, user: &UserView) -> Result<(), ResetError> {
    let which = Which::OfDeviceType(&DeviceType::any());
    rotation::cancel(&house.ctx, Actor::Operator, user.id, which).await.map(|_| ())
}

async fn logs_in(house: &TestHouse, user: &UserView, token: &str) -> Result<(), Refusal> {
    let login = house.log_in(user, &format!("{PASSWORD}{token}")).await;
    login.map(|_| ()).map_err(|refused| refused.refusal)
}

async fn present(house: &TestHouse, token: &str) -> Result<(), NoAdmission> {
    let source = Source::new("198.51.100.7".parse().unwrap());
    let presenter = Presenter::of_client(Head::ForwardAuth, source, b"shop/1.0");
    let question = Question { presented: Presented::token(token), username: None };
    let waiting = Waiting::of(Waiter::Stranger(source), None);
    verify::verify(&house.ctx, &question, presenter, waiting).await.map(|_| ())
}

fn is_retired(outcome: &Result<(), Refusal>, cause: RetirementCause) -> bool {
    matches!(outcome, Err(Refusal::TokenRetired(_, why)) if *why == cause)
}

async fn last_action(house: &TestHouse) -> String {
    house.last_audited(1).await.remove(0).action
}

#[tokio::test]
async fn both_tokens_work_until_the_new_one_is_first_used() {
    let (house, jane, old) = house_with_token().await;

    let new = rotate_and_read(&house, &jane).await;

    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert_eq!(logs_in(&house, &jane, &new).await, Ok(()));
    assert!(is_retired(&logs_in(&house, &jane, &old).await, RetirementCause::Rotation));
    assert!(present(&house, &old).await.is_err());
    assert_eq!(present(&house, &new).await, Ok(()));
}

#[tokio::test]
async fn the_first_use_ends_what_the_old_token_opened_and_says_so() {
    let (house, jane, old) = house_with_token().await;
    let opened = house.log_in(&jane, &format!("{PASSWORD}{old}")).await.unwrap();
    let new = rotate_and_read(&house, &jane).await;

    logs_in(&house, &jane, &new).await.unwrap();

    let found = sessions::find(&house.ctx, SessionKind::Api, &opened.secret).await.unwrap();
    assert!(found.is_none());
    assert_eq!(last_action(&house).await, "token.rotation-completed");
    house.deliver_mail().await;
    assert!(house.arrived().last().unwrap().text.contains("used for the first time"));
    assert!(trail::verify(&house.ctx).await.unwrap().is_ok());
}

#[tokio::test]
async fn the_first_use_as_a_whole_credential_ends_the_old_token_too() {
    let (house, jane, old) = house_with_token().await;
    let new = rotate_and_read(&house, &jane).await;
    assert_eq!(present(&house, &old).await, Ok(()));
    Scribe::default().write_down(&house.ctx).await.unwrap();
    assert_eq!(present(&house, &old).await, Ok(()));

    assert_eq!(present(&house, &new).await, Ok(()));
    // It is written down at once, not when the next batch is due.
    tokio::time::timeout(Duration::from_secs(5), house.ctx.notebook.first_use()).await.unwrap();
    Scribe::default().write_down(&house.ctx).await.unwrap();

    assert!(present(&house, &old).await.is_err());
    assert!(is_retired(&logs_in(&house, &jane, &old).await, RetirementCause::Rotation));
}

#[tokio::test]
async fn the_old_token_dies_at_the_deadline_whether_anybody_comes_to_retire_it_or_not() {
    let (house, jane, old) = house_with_token().await;
    let new = rotate_and_read(&house, &jane).await;

    house.wait(DAY.saturating_sub(MS));
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert_eq!(present(&house, &old).await, Ok(()));
    house.wait(MS);

    assert!(matches!(logs_in(&house, &jane, &old).await, Err(Refusal::TokenExpired(_))));
    assert!(present(&house, &old).await.is_err());
    janitor::tidy(&house.ctx).await.unwrap();
    assert!(is_retired(&logs_in(&house, &jane, &old).await, RetirementCause::Rotation));
    house.deliver_mail().await;
    assert!(house.arrived().iter().any(|letter| letter.text.contains("The overlap is over")));
    assert_eq!(logs_in(&house, &jane, &new).await, Ok(()));
}

#[tokio::test]
async fn a_cancelled_rotation_gives_the_old_token_its_life_back() {
    let (house, jane, old) = house_with_token().await;
    let new = rotate_and_read(&house, &jane).await;

    cancel(&house, &jane).await.unwrap();

    assert!(is_retired(&logs_in(&house, &jane, &new).await, RetirementCause::RotationCancelled));
    house.wait(364 * DAY);
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert_eq!(present(&house, &old).await, Ok(()));
    house.wait(DAY);
    assert!(matches!(logs_in(&house, &jane, &old).await, Err(Refusal::TokenExpired(_))));
}

#[tokio::test]
async fn no_rotation_is_cancelled_after_the_new_token_was_used_or_the_deadline_has_passed() {
    let (house, jane, _) = house_with_token().await;
    let new = rotate_and_read(&house, &jane).await;
    // A use that nobody has written down yet counts.
    present(&house, &new).await.unwrap();
    let after_use = cancel(&house, &jane).await;

    try_rotate(&house, &jane, None).await.unwrap();
    house.wait(DAY);
    let after_deadline = cancel(&house, &jane).await;

    assert!(matches!(after_use, Err(ResetError::App(_))), "{after_use:?}");
    assert!(matches!(after_deadline, Err(ResetError::Forbidden(_))), "{after_deadline:?}");
}

#[tokio::test]
async fn the_same_request_again_neither_rotates_twice_nor_ends_anything() {
    let (house, jane, old) = house_with_token().await;
    let first = try_rotate(&house, &jane, Some("deploy-7")).await.unwrap();
    let new = house.newest_token().await;

    let again = try_rotate(&house, &jane, Some("deploy-7")).await.unwrap();
    logs_in(&house, &jane, &old).await.unwrap();
    logs_in(&house, &jane, &new).await.unwrap();
    let late = try_rotate(&house, &jane, Some("deploy-7")).await.unwrap();

    assert!(first.fresh && !again.fresh && !late.fresh);
    assert!(
        first.revision > 0 && again.revision >= first.revision && late.revision > again.revision
    );
    assert_eq!((first.token, first.token), (again.token, late.token));
    assert_eq!((again.outgoing, late.outgoing), (first.outgoing, None));
    assert_eq!(logs_in(&house, &jane, &new).await, Ok(()));
}

#[tokio::test]
async fn a_second_rotation_waits_for_the_end_of_the_first() {
    let (house, jane, old) = house_with_token().await;
    let new = rotate_and_read(&house, &jane).await;

    let refused = try_rotate(&house, &jane, None).await;

    assert!(matches!(refused, Err(ResetError::Forbidden(_))));
    let any = DeviceType::any();
    let obstacle = rotation::obstacle(&house.ctx, jane.id, &any).await.unwrap();
    assert!(obstacle.is_some_and(|rule| rule.contains("cancelled")));
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    logs_in(&house, &jane, &new).await.unwrap();
    assert!(try_rotate(&house, &jane, None).await.is_ok());
}

#[tokio::test]
async fn where_no_overlap_is_allowed_nothing_is_rotated() {
    let (house, jane, old) = house_with_token().await;
    let strict = |rules: &mut DeviceRules| rules.overlap = Overlap::Forbidden;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), strict).await.unwrap();

    let refused = try_rotate(&house, &jane, None).await;

    let Err(ResetError::Forbidden(rule)) = refused else { panic!("{refused:?}") };
    assert!(rule.contains("administrator"));
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
}

#[tokio::test]
async fn a_reset_in_the_middle_ends_both() {
    let (house, jane, old) = house_with_token().await;
    let new = rotate_and_read(&house, &jane).await;

    let newest = house.reset_and_read(&jane).await;

    for token in [&old, &new] {
        assert!(is_retired(&logs_in(&house, &jane, token).await, RetirementCause::Reset));
        assert!(present(&house, token).await.is_err());
    }
    assert_eq!(logs_in(&house, &jane, &newest).await, Ok(()));
}

#[tokio::test]
async fn a_revocation_of_the_new_token_leaves_the_old_one_until_its_deadline() {
    let (house, jane, old) = house_with_token().await;
    let receipt = try_rotate(&house, &jane, None).await.unwrap();

    tokens::revoke(&house.ctx, Actor::Operator, receipt.token).await.unwrap();

    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert!(matches!(cancel(&house, &jane).await, Err(ResetError::Forbidden(_))));
    house.wait(DAY);
    assert!(logs_in(&house, &jane, &old).await.is_err());
}

#[tokio::test]
async fn an_owner_rotates_with_the_password_and_a_second_click_is_the_same_rotation() {
    let (house, jane, old) = house_with_token().await;
    let ask = async |current: &str| {
        let request = OwnRotation {
            user: jane.id,
            current_password: password(current),
            device_type: DeviceType::any(),
            overlap: Duration::from_hours(1),
            request_key: "k".repeat(32),
            head: Head::Web,
            origin: origin("10.1.2.3"),
        };
        rotation::rotate_own(&house.ctx, request).await
    };

    let wrong = ask("violet tundra marble 43").await;
    let first = ask(PASSWORD).await.unwrap();
    let again = ask(PASSWORD).await.unwrap();

    assert!(matches!(wrong, Err(ResetError::WrongPassword(_))));
    assert!(first.fresh && !again.fresh);
    assert_eq!(first.token, again.token);
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    house.wait(Duration::from_hours(1));
    assert!(logs_in(&house, &jane, &old).await.is_err());
}

#[tokio::test]
async fn a_new_token_that_cannot_be_mailed_ends_nothing_and_can_be_cancelled() {
    let (house, jane, old) = house_with_token().await;
    house.deliver_mail().await;
    let reply = "550 No such mailbox".to_owned();
    house.post.answers.lock().unwrap().push(Delivery::Refused { reply });

    try_rotate(&house, &jane, None).await.unwrap();
    house.deliver_mail().await;

    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    cancel(&house, &jane).await.unwrap();
    house.wait(2 * DAY);
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
}

/// Each write of a rotation, and a trigger that makes it fail.
const FAULTS: [&str; 9] = [
    "CREATE TRIGGER fault BEFORE UPDATE ON user_account BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE UPDATE ON token BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE INSERT ON token BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE INSERT ON link BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE INSERT ON letter BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE INSERT ON reset_request BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE UPDATE ON revision BEGIN SELECT RAISE(ABORT, 'planted'); END",
    "CREATE TRIGGER fault BEFORE INSERT ON change BEGIN SELECT RAISE(ABORT, 'planted'); END",
];

async fn run(house: &TestHouse, sql: &'static str) {
    let mut tx = house.ctx.store.begin().await.unwrap();
    tx.execute(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_rotation_that_fails_at_any_statement_leaves_nothing_behind() {
    let (house, jane, old) = house_with_token().await;
    let before = tokens::of_user(&house.ctx, jane.id).await.unwrap();

    for fault in FAULTS {
        run(&house, fault).await;
        let failed = try_rotate(&house, &jane, Some("deploy-7")).await;
        run(&house, "DROP TRIGGER fault").await;

        assert!(matches!(failed, Err(ResetError::App(_))), "{fault}: {failed:?}");
        let after = tokens::of_user(&house.ctx, jane.id).await.unwrap();
        assert_eq!(after.len(), before.len(), "{fault}");
        assert_eq!(after[0].expires_at, before[0].expires_at, "{fault}");
    }

    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert!(try_rotate(&house, &jane, Some("deploy-7")).await.unwrap().fresh);
}

#[tokio::test]
async fn a_cancellation_that_is_asked_for_again_leaves_the_rotation_begun_since_alone() {
    let (house, jane, old) = house_with_token().await;
    let (from, proof) = (origin("10.1.2.3"), password(PASSWORD));
    let cancel =
        async |token| rotation::cancel_own(&house.ctx, jane.id, &proof, token, &from).await;
    let first = try_rotate(&house, &jane, None).await.unwrap();
    let (kept, _) = first.outgoing.unwrap();

    let done = cancel(first.token).await.unwrap();
    let by_the_old = cancel(kept).await.unwrap();
    let second = try_rotate(&house, &jane, None).await.unwrap();
    let new = house.newest_token().await;
    let again = cancel(first.token).await.unwrap();

    for answer in [done, by_the_old, again] {
        assert_eq!((answer.retired, answer.kept), (first.token, kept));
    }
    assert!(again.revision >= second.revision, "it tells of all that is there");
    assert_eq!(logs_in(&house, &jane, &old).await, Ok(()));
    assert_eq!(logs_in(&house, &jane, &new).await, Ok(()), "the second rotation goes on");
    let by_what_is_dead = cancel(kept).await;
    let not_found = |error: &ResetError| matches!(error, ResetError::App(AppError::NotFound(_)));
    assert!(by_what_is_dead.as_ref().is_err_and(not_found), "nobody is told that it goes on");
}

#[tokio::test]
async fn a_token_that_has_no_part_in_a_rotation_names_none() {
    let (house, jane, _) = house_with_token().await;
    let before = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    house.reset(&jane).await;
    try_rotate(&house, &jane, None).await.unwrap();

    let by = Actor::User(jane.id);
    let refused = rotation::cancel(&house.ctx, by, jane.id, Which::Of(before)).await;

    let not_found = |error: &ResetError| matches!(error, ResetError::App(AppError::NotFound(_)));
    assert!(refused.as_ref().is_err_and(not_found), "{refused:?}");
    assert_eq!(last_action(&house).await, "token.rotated");
}

#[tokio::test]
async fn a_token_that_is_dead_of_disuse_is_not_rotated() {
    let (house, jane, old) = house_with_token().await;
    logs_in(&house, &jane, &old).await.unwrap();
    let set = |rules: &mut DeviceRules| rules.idle_end = Some(30 * DAY);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();

    house.wait((30 * DAY).saturating_sub(MS));
    let obstacle = rotation::obstacle(&house.ctx, jane.id, &DeviceType::any()).await.unwrap();
    house.wait(MS);
    let refused = try_rotate(&house, &jane, None).await;

    assert_eq!(obstacle, None);
    let Err(ResetError::Forbidden(rule)) = refused else { panic!("{refused:?}") };
    assert!(rule.contains("no live token"), "{rule}");
}
