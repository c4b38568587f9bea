//! Proving oneself again in a session: where wrong codes count, and what the history keeps of them.

use std::time::Duration;

use symbolon_app::challenges::Entered;
use symbolon_app::explain::Said;
use symbolon_app::history::{self, Reader};
use symbolon_app::login::challenge;
use symbolon_app::login::{Entrance, NewSession, Refused, WebLogin, log_in_to_web};
use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::step_up::{self, Outcome};
use symbolon_app::users::UserView;
use symbolon_app::{AppError, places};
use symbolon_core::judge::{Refusal, Rule};
use symbolon_core::keys::Purpose;
use symbolon_core::secret::{ChallengeSecret, Credential, TypedCode};
use symbolon_core::session::SessionKind;
use symbolon_store::challenges::{self, ChallengePurpose};

use crate::authenticator_app::AuthenticatorApp;
use crate::house::{PASSWORD, TestHouse, origin, password};

const HOME: &str = "10.1.2.3";
const ELSEWHERE: &str = "10.9.9.9";
const STEP: Duration = Duration::from_secs(30);

fn entered(code: &str) -> Entered {
    let code = TypedCode::new(code.to_owned());
    Entered { code, token: Credential::new(String::new()), password: password("") }
}

async fn challenged(house: &TestHouse, user: &UserView, source: &str) -> ChallengeSecret {
    let login = WebLogin {
        username: user.username.to_string(),
        password: password(PASSWORD),
        places: Vec::new(),
        origin: origin(source),
    };
    match log_in_to_web(&house.ctx, login).await.unwrap() {
        Entrance::Challenged(secret) => secret,
        Entrance::Opened(_) => panic!("nobody knows this browser"),
    }
}

async fn live(house: &TestHouse, opened: &NewSession) -> LiveSession {
    let found = sessions::find(&house.ctx, SessionKind::Web, &opened.secret).await.unwrap();
    found.expect("it lives")
}

/// Jane with an app, and her session in a browser that is known since.
async fn jane_at_home(house: &TestHouse) -> (UserView, AuthenticatorApp, LiveSession) {
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    let asked = challenged(house, &jane, HOME).await;
    let code = entered(&app.code(house.ctx.clock.now(), 0));
    let answer = challenge::answer(&house.ctx, &asked, code, &origin(HOME)).await.unwrap();
    let challenge::Outcome::Opened(opened) = answer else { panic!("not let in: {answer:?}") };
    let session = live(house, &opened).await;
    house.wait(STEP);
    (jane, app, session)
}

async fn verify(house: &TestHouse, session: &LiveSession, code: &str) -> Outcome {
    // Entries of the history have an order then.
    house.wait(Duration::from_millis(1));
    step_up::answer(&house.ctx, session, None, entered(code), &origin(HOME)).await.unwrap()
}

fn refused(outcome: Outcome) -> Refused {
    match outcome {
        Outcome::Wrong(refused) => refused,
        Outcome::Proved(_) | Outcome::Over => panic!("a refusal is due: {outcome:?}"),
    }
}

async fn mailed_code(house: &TestHouse) -> String {
    house.deliver_mail().await;
    let arrived = house.arrived();
    let mut lines = arrived.iter().flat_map(|letter| letter.text.lines());
    let code = lines.find_map(|line| line.strip_prefix("Verification code: "));
    code.expect("a code has arrived").to_owned()
}

#[tokio::test]
async fn wrong_codes_in_a_session_of_a_known_place_lock_that_place_alone() {
    let house = TestHouse::new().await;
    let (jane, app, session) = jane_at_home(&house).await;

    for _ in 0..10 {
        let wrong = refused(verify(&house, &session, "wrong").await);
        assert_eq!(wrong.refusal, Refusal::CodeWrong);
    }
    let code = app.code(house.ctx.clock.now(), 0);
    let at_home = refused(verify(&house, &session, &code).await);
    let asked = challenged(&house, &jane, ELSEWHERE).await;
    let elsewhere = challenge::answer(&house.ctx, &asked, entered(&code), &origin(ELSEWHERE)).await;

    assert!(matches!(at_home.refusal, Refusal::CodesLockedOut(_)), "{at_home:?}");
    assert!(matches!(elsewhere.unwrap(), challenge::Outcome::Opened(_)));
    let all = places::list(&house.ctx, jane.id).await.unwrap();
    let home = all.iter().find(|place| Some(place.id) == session.place).unwrap();
    assert_eq!(home.code_failures.count, 10);
}

#[tokio::test]
async fn a_right_code_in_a_session_begins_the_count_of_its_place_anew() {
    let house = TestHouse::new().await;
    let (jane, app, session) = jane_at_home(&house).await;
    let _ = verify(&house, &session, "wrong").await;

    let proved = verify(&house, &session, &app.code(house.ctx.clock.now(), 0)).await;

    assert!(matches!(proved, Outcome::Proved(_)), "{proved:?}");
    let all = places::list(&house.ctx, jane.id).await.unwrap();
    assert!(all.iter().all(|place| place.code_failures.count == 0));
}

#[tokio::test]
async fn a_refused_answer_is_kept_with_its_steps_in_a_session_and_at_a_log_in() {
    let house = TestHouse::new().await;
    let (jane, _, session) = jane_at_home(&house).await;
    let explain = async |refused: &Refused| {
        let (reader, id) = (Reader::Owner(jane.id), refused.correlation_id.to_string());
        history::explain_entry(&house.ctx, reader, &id).await.unwrap().steps
    };

    let in_session = refused(verify(&house, &session, "wrong").await);
    let asked = challenged(&house, &jane, ELSEWHERE).await;
    let answer = challenge::answer(&house.ctx, &asked, entered("wrong"), &origin(ELSEWHERE)).await;
    let challenge::Outcome::Wrong { refused: at_log_in, .. } = answer.unwrap() else {
        panic!("a refusal is due")
    };

    let steps = explain(&in_session).await;
    assert_eq!(steps.len(), 3);
    assert_eq!((steps[1].said, steps[2].said), (Said::Demanded, Said::Refused));
    assert_eq!(steps[2].remedy, Refusal::CodeWrong.remedy());
    let steps = explain(&at_log_in).await;
    assert_eq!(steps.len(), Rule::ALL.len());
    let last = steps.last().unwrap();
    assert_eq!((last.rule.as_str(), last.said), (Rule::Place.word(), Said::Refused));
    assert_eq!(last.input, "unknown; answered: code wrong or used before");
}

#[tokio::test]
async fn a_try_in_a_session_counts_also_where_no_secret_can_be_opened() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let asked = challenged(&house, &jane, HOME).await;
    let mailed = mailed_code(&house).await;
    let answer = challenge::answer(&house.ctx, &asked, entered(&mailed), &origin(HOME)).await;
    let challenge::Outcome::Opened(opened) = answer.unwrap() else { panic!("not let in") };
    let session = live(&house, &opened).await;
    let here = origin(HOME);
    let held = step_up::send_code(&house.ctx, &session, None, &here).await.unwrap().unwrap();
    // Her app is enrolled at a node that has a newer key, which this one cannot open.
    house.restarted_with_another_key().enrol(&jane).await;
    let answer =
        async |code| step_up::answer(&house.ctx, &session, Some(&held), entered(code), &here).await;

    for _ in 0..5 {
        assert!(matches!(answer("123456").await, Err(AppError::KeyMissing)));
    }

    let digests = house.ctx.keys.digests(Purpose::Challenge, held.reveal().as_bytes());
    let (purpose, now) = (ChallengePurpose::StepUp, house.ctx.clock.now());
    let mut reader = house.ctx.store.read().await.unwrap();
    let row = challenges::find(&mut reader, purpose, &digests, now).await.unwrap();
    assert_eq!(row.expect("it is open").tries, 5);
}
