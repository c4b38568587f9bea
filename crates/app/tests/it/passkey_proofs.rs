//! Passkeys as a second factor: in the challenge of a web log-in, and before a sensitive change.

use std::time::Duration;

use symbolon_app::explain::Said;
use symbolon_app::history::{self, Reader};
use symbolon_app::login::challenge::{self, Outcome};
use symbolon_app::login::{Entrance, WebLogin, log_in_to_web};
use symbolon_app::passkeys::{self, login};
use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::step_up;
use symbolon_app::users::UserView;
use symbolon_core::id::{Id, Place};
use symbolon_core::judge::Refusal;
use symbolon_core::lockout::Failures;
use symbolon_core::secret::{ChallengeSecret, SessionSecret};
use symbolon_core::session::SessionKind;
use symbolon_store::{places, users};

use crate::house::{PASSWORD, TestHouse, origin, password};
use crate::passkey_device::Device;
use crate::passkeys::register;

const HERE: &str = "10.1.2.3";

/// Types the password in a browser that is not known.
async fn begin(house: &TestHouse, user: &UserView) -> ChallengeSecret {
    let username = user.username.to_string();
    let (password, origin) = (password(PASSWORD), origin(HERE));
    let login = WebLogin { username, password, places: Vec::new(), origin };
    match log_in_to_web(&house.ctx, login).await.unwrap() {
        Entrance::Challenged(secret) => secret,
        Entrance::Opened(session) => panic!("not asked: {session:?}"),
    }
}

async fn ask(house: &TestHouse, secret: &ChallengeSecret) -> String {
    let asked = passkeys::challenge::begin(&house.ctx, secret, &origin(HERE)).await.unwrap();
    asked.expect("there is a passkey to ask for")
}

async fn answer(house: &TestHouse, secret: &ChallengeSecret, answer: &str) -> Outcome {
    // Entries of the history have an order then.
    house.wait(Duration::from_millis(1));
    passkeys::challenge::answer(&house.ctx, secret, answer, &origin(HERE)).await.unwrap()
}

async fn find(house: &TestHouse, secret: &SessionSecret) -> Option<LiveSession> {
    sessions::find(&house.ctx, SessionKind::Web, secret).await.unwrap()
}

/// A session of the device's owner, opened by it.
async fn session_of(house: &TestHouse, device: &mut Device) -> LiveSession {
    let asked = login::begin_login(&house.ctx, "browser").unwrap();
    let answer = device.prove(&asked.options);
    let entered =
        login::log_in(&house.ctx, "browser", &asked.name, &answer, Vec::new(), &origin(HERE)).await;
    let login::Entrance::Opened(opened) = entered.unwrap() else { panic!("not let in") };
    find(house, &opened.secret).await.expect("it lives")
}

#[tokio::test]
async fn a_passkey_meets_the_challenge_of_a_browser_that_is_not_known() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let secret = begin(&house, &ada).await;
    let asked = ask(&house, &secret).await;

    let outcome = answer(&house, &secret, &device.prove(&asked)).await;

    let Outcome::Opened(opened) = outcome else { panic!("not let in: {outcome:?}") };
    assert!(opened.place.is_some());
    assert!(find(&house, &opened.secret).await.is_some());
    assert_eq!(house.last_entry(&ada).await.reason, "password and passkey");
}

#[tokio::test]
async fn a_challenge_takes_no_passkey_of_another_user() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let (mut hers, mut other) = (Device::new(1), Device::new(2));
    register(&house, &ada, &mut hers).await;
    register(&house, &eve, &mut other).await;
    let secret = begin(&house, &ada).await;
    let asked = ask(&house, &secret).await;

    let outcome = answer(&house, &secret, &other.prove(&asked)).await;

    assert!(matches!(outcome, Outcome::Wrong { left: 4, .. }), "{outcome:?}");
    let entry = house.last_entry(&ada).await;
    assert_eq!(entry.reason, "passkey refused: no such passkey");
    let reader = Reader::Owner(ada.id);
    let kept = history::explain_entry(&house.ctx, reader, &entry.correlation_id).await.unwrap();
    let refused = kept.steps.iter().find(|step| step.said == Said::Refused).unwrap();
    assert_eq!(refused.remedy, Refusal::PasskeyRefused.remedy());
}

#[tokio::test]
async fn a_question_is_answered_once_and_wrong_answers_use_the_challenge_up() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let secret = begin(&house, &ada).await;
    let asked = ask(&house, &secret).await;
    let sound = device.prove(&asked);

    assert!(matches!(answer(&house, &secret, "junk").await, Outcome::Wrong { left: 4, .. }));
    // The question went with the first answer, so a sound one comes too late.
    for left in [3, 2, 1, 0] {
        let outcome = answer(&house, &secret, &sound).await;
        assert!(matches!(outcome, Outcome::Wrong { left: l, .. } if l == left), "{outcome:?}");
    }

    assert!(matches!(answer(&house, &secret, &sound).await, Outcome::Over));
    assert!(challenge::look(&house.ctx, &secret, &origin(HERE)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_answer_to_the_challenge_of_another_log_in_is_wrong() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let (mine, stolen) = (begin(&house, &ada).await, begin(&house, &ada).await);
    let asked = ask(&house, &mine).await;
    ask(&house, &stolen).await;

    let outcome = answer(&house, &stolen, &device.prove(&asked)).await;

    assert!(matches!(outcome, Outcome::Wrong { .. }), "{outcome:?}");
    assert_eq!(house.last_entry(&ada).await.reason, "passkey refused: answers another question");
}

#[tokio::test]
async fn who_has_no_passkey_is_not_asked_for_one() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let secret = begin(&house, &ada).await;

    let asked = passkeys::challenge::begin(&house.ctx, &secret, &origin(HERE)).await.unwrap();

    assert!(asked.is_none());
    assert!(matches!(answer(&house, &secret, "{}").await, Outcome::Wrong { .. }));
}

#[tokio::test]
async fn a_passkey_proves_a_session_again_and_gives_it_a_new_secret() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let session = session_of(&house, &mut device).await;
    house.wait(Duration::from_mins(10));
    assert!(!step_up::is_fresh(&session, house.ctx.clock.now()));

    let asked = passkeys::step_up::begin(&house.ctx, &session).await.unwrap().expect("a question");
    let said = device.prove(&asked.options);
    let (ctx, here) = (&house.ctx, origin(HERE));
    let outcome = passkeys::step_up::answer(ctx, &session, &asked.name, &said, &here).await;

    let step_up::Outcome::Proved(secret) = outcome.unwrap() else { panic!("not proved") };
    let proved = find(&house, &secret).await.expect("it lives under its new secret");
    assert_eq!(proved.session, session.session);
    assert!(step_up::is_fresh(&proved, house.ctx.clock.now()));
    let again = passkeys::step_up::answer(ctx, &session, &asked.name, &said, &here).await;
    assert!(matches!(again.unwrap(), step_up::Outcome::Wrong(_)));
}

#[tokio::test]
async fn a_proof_is_taken_in_the_session_that_was_asked_and_from_a_passkey_of_its_user() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let (mut hers, mut other) = (Device::new(1), Device::new(2));
    register(&house, &ada, &mut hers).await;
    register(&house, &eve, &mut other).await;
    let first = session_of(&house, &mut hers).await;
    let second = session_of(&house, &mut hers).await;
    let begin = async || passkeys::step_up::begin(&house.ctx, &first).await.unwrap().unwrap();
    let (ctx, here) = (&house.ctx, origin(HERE));

    let asked = begin().await;
    let said = hers.prove(&asked.options);
    let elsewhere = passkeys::step_up::answer(ctx, &second, &asked.name, &said, &here).await;
    let asked = begin().await;
    let said = other.prove(&asked.options);
    let foreign = passkeys::step_up::answer(ctx, &first, &asked.name, &said, &here).await;

    assert!(matches!(elsewhere.unwrap(), step_up::Outcome::Wrong(_)));
    assert!(matches!(foreign.unwrap(), step_up::Outcome::Wrong(_)));
}

/// Writes nine wrong codes down, of strangers or of a known place.
async fn guess_nine(house: &TestHouse, user: &UserView, place: Option<Id<Place>>) {
    let nine = Failures { count: 9, last_at: None, locked_until: None };
    let mut tx = house.ctx.store.begin().await.unwrap();
    match place {
        Some(place) => places::set_code_failures(&mut tx, place, nine).await.unwrap(),
        None => users::set_code_failures(&mut tx, user.id, nine).await.unwrap(),
    }
    tx.commit().await.unwrap();
}

/// How many wrong codes of strangers count.
async fn guessed(house: &TestHouse, user: &UserView) -> u32 {
    let mut reader = house.ctx.store.read().await.unwrap();
    users::find(&mut reader, user.id).await.unwrap().unwrap().code_failures.count
}

#[tokio::test]
async fn a_passkey_begins_the_count_of_wrong_codes_anew_where_it_is_proved() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;

    // In the challenge of a browser that is not known strangers begin anew.
    guess_nine(&house, &ada, None).await;
    let secret = begin(&house, &ada).await;
    let asked = ask(&house, &secret).await;
    let met = answer(&house, &secret, &device.prove(&asked)).await;
    assert!(matches!(met, Outcome::Opened(_)), "{met:?}");
    assert_eq!(guessed(&house, &ada).await, 0);

    // The same by a login without a password.
    guess_nine(&house, &ada, None).await;
    let session = session_of(&house, &mut device).await;
    assert_eq!(guessed(&house, &ada).await, 0);

    // Before a change it is the browser of the session, and strangers are counted on.
    guess_nine(&house, &ada, None).await;
    guess_nine(&house, &ada, session.place).await;
    let asked = passkeys::step_up::begin(&house.ctx, &session).await.unwrap().unwrap();
    let (ctx, proof) = (&house.ctx, device.prove(&asked.options));
    let proved = passkeys::step_up::answer(ctx, &session, &asked.name, &proof, &origin(HERE)).await;
    let mut reader = house.ctx.store.read().await.unwrap();
    let place = places::find(&mut reader, session.place.unwrap()).await.unwrap().unwrap();
    drop(reader);
    assert!(matches!(proved, Ok(step_up::Outcome::Proved(_))), "{proved:?}");
    assert_eq!((place.code_failures.count, guessed(&house, &ada).await), (0, 9));
}
