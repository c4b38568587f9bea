//! Rotation whose new token is first used in a browser: at *Verify Your Identity*, and before a change.

use symbolon_app::challenges::Entered;
use symbolon_app::login::challenge::{self, Outcome};
use symbolon_app::login::{Entrance, WebLogin, log_in_to_web};
use symbolon_app::rotation::{self, RotationFor};
use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, device_types, live, step_up, trail};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::judge::{Refusal, RetirementCause};
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::secret::{Credential, TypedCode};
use symbolon_core::session::SessionKind;

use crate::house::{PASSWORD, TestHouse, origin, password};

const HERE: &str = "10.1.2.3";

/// Jane, whose rotation is under way, with the old token and the new one.
async fn rotating() -> (TestHouse, UserView, String, String) {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    set(&house, |rules| rules.overlap = Overlap::Allowed).await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let (device_type, name) = (DeviceType::any(), jane.username.as_str());
    let asked = RotationFor { device_type, overlap: None, request_key: None, reason: None };
    rotation::rotate_for(&house.ctx, Actor::Operator, name, asked).await.unwrap();
    let new = house.newest_token().await;
    (house, jane, old, new)
}

async fn set(house: &TestHouse, change: impl FnOnce(&mut DeviceRules)) {
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), change).await.unwrap();
}

fn entered(token: &str) -> Entered {
    Entered {
        code: TypedCode::new(String::new()),
        token: Credential::new(token.to_owned()),
        password: password(""),
    }
}

/// Logs in from a browser that nobody knows, and answers with a token.
async fn verify_identity(house: &TestHouse, user: &UserView, token: &str) -> Outcome {
    let login = WebLogin {
        username: user.username.to_string(),
        password: password(PASSWORD),
        places: Vec::new(),
        origin: origin(HERE),
    };
    let Entrance::Challenged(asked) = log_in_to_web(&house.ctx, login).await.unwrap() else {
        panic!("nobody knows this browser");
    };
    challenge::answer(&house.ctx, &asked, entered(token), &origin(HERE)).await.unwrap()
}

async fn session(house: &TestHouse, outcome: Outcome) -> LiveSession {
    let Outcome::Opened(opened) = outcome else { panic!("not let in: {outcome:?}") };
    let found = sessions::find(&house.ctx, SessionKind::Web, &opened.secret).await.unwrap();
    found.expect("it lives")
}

async fn step_up_by(house: &TestHouse, session: &LiveSession, token: &str) -> step_up::Outcome {
    step_up::answer(&house.ctx, session, None, entered(token), &origin(HERE)).await.unwrap()
}

async fn api_refusal(house: &TestHouse, user: &UserView, token: &str) -> Option<Refusal> {
    let login = house.log_in(user, &format!("{PASSWORD}{token}")).await;
    login.err().map(|refused| refused.refusal)
}

/// The old token is retired, the new one is not, the owner is told, and nothing is missing in the trail.
async fn assert_completed(house: &TestHouse, jane: &UserView, (old, new): (&str, &str)) {
    let refused = api_refusal(house, jane, old).await;
    assert!(
        matches!(refused, Some(Refusal::TokenRetired(_, RetirementCause::Rotation))),
        "{refused:?}"
    );
    assert_eq!(api_refusal(house, jane, new).await, None);
    let told = trail::export(&house.ctx, 0, 1000).await.unwrap();
    let completed = told.iter().filter(|(row, _)| row.action == "token.rotation-completed");
    assert_eq!(completed.count(), 1);
    assert!(trail::verify(&house.ctx).await.unwrap().is_ok());
    house.deliver_mail().await;
    let letters = house.arrived();
    let first_use = letters.iter().filter(|letter| letter.text.contains("used for the first time"));
    assert_eq!(first_use.count(), 1);
}

#[tokio::test]
async fn the_first_use_at_verify_your_identity_ends_the_old_token() {
    let (house, jane, old, new) = rotating().await;

    let outcome = verify_identity(&house, &jane, &new).await;

    session(&house, outcome).await;
    assert_completed(&house, &jane, (&old, &new)).await;
}

#[tokio::test]
async fn the_first_use_before_a_change_ends_the_old_token_and_not_the_session() {
    let (house, jane, old, new) = rotating().await;
    // This browser came in by the old token: with it go the sessions of programs, and not this one.
    let by_old = verify_identity(&house, &jane, &old).await;
    let before = session(&house, by_old).await;
    assert_eq!(api_refusal(&house, &jane, &old).await, None);

    let proved = step_up_by(&house, &before, &new).await;

    let step_up::Outcome::Proved(secret) = proved else { panic!("not proved: {proved:?}") };
    let found = sessions::find(&house.ctx, SessionKind::Web, &secret).await.unwrap();
    assert_eq!(found.map(|found| found.session), Some(before.session));
    assert_completed(&house, &jane, (&old, &new)).await;
}

#[tokio::test]
async fn the_old_token_in_a_browser_completes_nothing() {
    let (house, jane, old, new) = rotating().await;

    let by_old = verify_identity(&house, &jane, &old).await;
    let session = session(&house, by_old).await;
    step_up_by(&house, &session, &old).await;

    assert_eq!(api_refusal(&house, &jane, &old).await, None);
    assert_eq!(api_refusal(&house, &jane, &new).await, None);
}

#[tokio::test]
async fn a_new_token_that_is_refused_in_a_browser_completes_nothing() {
    let (house, jane, old, new) = rotating().await;
    set(&house, |rules| rules.addresses = LoginRanges::parse("192.0.2.0/24").unwrap()).await;

    let outcome = verify_identity(&house, &jane, &new).await;

    let Outcome::Wrong { refused, .. } = outcome else { panic!("let in: {outcome:?}") };
    assert_eq!(refused.refusal, Refusal::TokenOutsideAddresses);
    set(&house, |rules| rules.addresses = None).await;
    assert_eq!(api_refusal(&house, &jane, &old).await, None, "it lives on");
}

#[tokio::test]
async fn an_old_token_that_a_browser_has_ended_is_refused_there_and_said_to_be_retired() {
    let (house, jane, old, new) = rotating().await;
    let by_new = verify_identity(&house, &jane, &new).await;
    let session = session(&house, by_new).await;

    let again = verify_identity(&house, &jane, &old).await;
    let before_a_change = step_up_by(&house, &session, &old).await;

    let Outcome::Wrong { refused, .. } = again else { panic!("let in: {again:?}") };
    let step_up::Outcome::Wrong(in_session) = before_a_change else {
        panic!("proved: {before_a_change:?}");
    };
    for refusal in [refused.refusal, in_session.refusal] {
        assert!(
            matches!(refusal, Refusal::TokenRetired(_, RetirementCause::Rotation)),
            "{refusal:?}"
        );
    }
}
