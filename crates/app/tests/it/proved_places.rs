//! Where somebody has proved himself: known there, locked there alone, and mailed codes within bounds.

use std::time::Duration;

use symbolon_app::account::{self, ChangeError};
use symbolon_app::challenges::Entered;
use symbolon_app::hashing::Asker;
use symbolon_app::links::LinkKind;
use symbolon_app::login::challenge::{self, Outcome};
use symbolon_app::login::{Entrance, LoginError, NewSession, Refused, WebLogin, log_in_to_web};
use symbolon_app::places::PlaceKind;
use symbolon_app::users::{self, NewUser, UserView};
use symbolon_app::{Actor, Origin, invitation, janitor, live, places, profiles, sessions};
use symbolon_core::id::{Id, Place};
use symbolon_core::judge::Refusal;
use symbolon_core::names::{EmailAddress, Username};
use symbolon_core::policy::{DAY, Duty, Policy};
use symbolon_core::secret::{ChallengeSecret, Credential, PlaceSecret, SessionSecret, TypedCode};
use symbolon_core::session::SessionKind;

use crate::accounts::mailed_link;
use crate::authenticator_app::AuthenticatorApp;
use crate::house::{PASSWORD, TestHouse, origin, password};

const HOME: &str = "10.1.2.3";
const ELSEWHERE: &str = "10.9.9.9";
const STEP: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);

async fn enter(
    house: &TestHouse,
    name: &str,
    typed: &str,
    held: Option<&PlaceSecret>,
    source: &str,
) -> Result<Entrance, LoginError> {
    let login = WebLogin {
        username: format!("{name}@example.com"),
        password: password(typed),
        places: held.map(|held| PlaceSecret::new(held.reveal().to_owned())).into_iter().collect(),
        origin: origin(source),
    };
    log_in_to_web(&house.ctx, login).await
}

/// The challenge of Jane's log-in.
async fn challenged(
    house: &TestHouse,
    held: Option<&PlaceSecret>,
    source: &str,
) -> ChallengeSecret {
    match enter(house, "jane", PASSWORD, held, source).await.unwrap() {
        Entrance::Challenged(secret) => secret,
        Entrance::Opened(_) => panic!("she is asked"),
    }
}

async fn opened(house: &TestHouse, held: &PlaceSecret) -> NewSession {
    match enter(house, "jane", PASSWORD, Some(held), HOME).await.unwrap() {
        Entrance::Opened(session) => session,
        Entrance::Challenged(_) => panic!("she is known"),
    }
}

async fn answer(house: &TestHouse, secret: &ChallengeSecret, code: &str, source: &str) -> Outcome {
    let entered = Entered {
        code: TypedCode::new(code.to_owned()),
        token: Credential::new(String::new()),
        password: password(""),
    };
    challenge::answer(&house.ctx, secret, entered, &origin(source)).await.unwrap()
}

fn refusal_of(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Wrong { refused, .. } => refused.refusal,
        Outcome::Opened(_) | Outcome::Over => panic!("a refusal is due: {outcome:?}"),
    }
}

fn session_of(outcome: Outcome) -> NewSession {
    match outcome {
        Outcome::Opened(session) => session,
        Outcome::Wrong { .. } | Outcome::Over => panic!("the code is right: {outcome:?}"),
    }
}

/// Every code that was mailed, the last one last.
async fn mailed_codes(house: &TestHouse) -> Vec<String> {
    house.deliver_mail().await;
    let arrived = house.arrived();
    let lines = arrived.iter().flat_map(|letter| letter.text.lines());
    lines.filter_map(|line| line.strip_prefix("Verification code: ").map(str::to_owned)).collect()
}

/// A code that is not `code`.
fn other_than(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

/// Jane with an app, under a duty, and what her known browser holds.
async fn dutiful_jane(house: &TestHouse) -> (UserView, AuthenticatorApp, PlaceSecret) {
    let policy = Policy { duty: Duty::Web, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
    let jane = house.user("jane").await;
    let (app, _) = house.enrol(&jane).await;
    house.wait(STEP);
    let asked = challenged(house, None, HOME).await;
    let code = app.code(house.ctx.clock.now(), 0);
    let session = session_of(answer(house, &asked, &code, HOME).await);
    house.wait(STEP);
    (jane, app, session.place.expect("it is known from now on"))
}

/// Ten wrong codes, in as many challenges as that takes.
async fn guess_ten_codes(house: &TestHouse, held: Option<&PlaceSecret>, source: &str) {
    for _ in 0..2 {
        let asked = challenged(house, held, source).await;
        for _ in 0..5 {
            assert_eq!(
                refusal_of(answer(house, &asked, "wrong", source).await),
                Refusal::CodeWrong
            );
        }
    }
}

async fn lives(house: &TestHouse, kind: SessionKind, secret: &SessionSecret) -> bool {
    sessions::find(&house.ctx, kind, secret).await.unwrap().is_some()
}

#[tokio::test]
async fn a_stranger_who_is_locked_out_does_not_keep_a_known_browser_from_its_duty() {
    let house = TestHouse::new().await;
    let (_, app, held) = dutiful_jane(&house).await;
    let asked = challenged(&house, Some(&held), HOME).await;
    for _ in 0..10 {
        let refused = enter(&house, "jane", "not the right one", None, ELSEWHERE).await;
        assert!(matches!(refused, Err(LoginError::Refused(_))));
    }

    let code = app.code(house.ctx.clock.now(), 0);
    let answered = answer(&house, &asked, &code, HOME).await;

    assert!(
        enter(&house, "jane", PASSWORD, None, ELSEWHERE).await.is_err(),
        "strangers are locked out"
    );
    session_of(answered);
}

#[tokio::test]
async fn a_known_client_of_an_api_gets_in_while_strangers_are_locked_out() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&jane).await);
    let name = jane.username.as_str();
    house.log_in_from(name, &credential, HOME).await.unwrap();
    for _ in 0..10 {
        house.log_in_from(name, "not the right one", ELSEWHERE).await.unwrap_err();
    }

    let stranger = house.log_in_from(name, &credential, ELSEWHERE).await.unwrap_err();
    let known = house.log_in_from(name, &credential, HOME).await;
    let still = house.log_in_from(name, &credential, ELSEWHERE).await.unwrap_err();

    assert!(matches!(stranger.refusal, Refusal::LockedOut(_)), "{stranger:?}");
    assert!(known.is_ok());
    assert!(matches!(still.refusal, Refusal::LockedOut(_)), "it lets nobody else in: {still:?}");
}

#[tokio::test]
async fn wrong_codes_of_many_users_lock_their_address_and_end_what_is_open_there() {
    let house = TestHouse::new().await;
    let mut open = Vec::new();
    for name in ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jane"] {
        house.user(name).await;
        let entered = enter(&house, name, PASSWORD, None, ELSEWHERE).await.unwrap();
        let Entrance::Challenged(secret) = entered else { panic!("nobody is known there") };
        open.push(secret);
    }
    house.deliver_mail().await;
    let to_jane = house.arrived().into_iter().find(|letter| letter.to == "jane@mail.example");
    let text = to_jane.unwrap().text;
    let code = text.lines().find_map(|line| line.strip_prefix("Verification code: ")).unwrap();

    for secret in &open {
        let refusal = refusal_of(answer(&house, secret, "wrong", ELSEWHERE).await);
        assert_eq!(refusal, Refusal::CodeWrong);
    }
    let last = answer(&house, &open[9], code, ELSEWHERE).await;
    let begun_anew = enter(&house, "jane", PASSWORD, None, ELSEWHERE).await;
    let from_home = enter(&house, "jane", PASSWORD, None, HOME).await;

    assert!(matches!(last, Outcome::Over), "{last:?}");
    let locked = matches!(begun_anew, Err(LoginError::Refused(refused)) if refused.refusal == Refusal::SourceLockedOut);
    assert!(locked);
    assert!(from_home.is_ok());
}

#[tokio::test]
async fn a_login_under_duty_from_a_known_browser_makes_no_second_place() {
    let house = TestHouse::new().await;
    let (jane, app, held) = dutiful_jane(&house).await;

    for _ in 0..3 {
        let asked = challenged(&house, Some(&held), HOME).await;
        let code = app.code(house.ctx.clock.now(), 0);
        assert!(session_of(answer(&house, &asked, &code, HOME).await).place.is_none());
        house.wait(STEP);
    }

    assert_eq!(places::list(&house.ctx, jane.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_place_that_is_ended_during_its_challenge_is_not_made_known_by_it() {
    let house = TestHouse::new().await;
    let (jane, app, held) = dutiful_jane(&house).await;
    let asked = challenged(&house, Some(&held), HOME).await;
    let ended = places::list(&house.ctx, jane.id).await.unwrap()[0].id;
    places::end(&house.ctx, jane.id, ended).await.unwrap();

    let code = app.code(house.ctx.clock.now(), 0);
    let session = session_of(answer(&house, &asked, &code, HOME).await);

    assert!(session.place.is_some(), "it is another place now");
    let known = places::list(&house.ctx, jane.id).await.unwrap();
    assert!(known.iter().all(|place| place.id != ended));
}

#[tokio::test]
async fn wrong_codes_of_strangers_lock_strangers_alone() {
    let house = TestHouse::new().await;
    let (_, app, held) = dutiful_jane(&house).await;
    guess_ten_codes(&house, None, ELSEWHERE).await;

    let asked = challenged(&house, Some(&held), HOME).await;
    let code = app.code(house.ctx.clock.now(), 0);
    session_of(answer(&house, &asked, &code, HOME).await);

    house.wait(STEP);
    let asked = challenged(&house, None, ELSEWHERE).await;
    let code = app.code(house.ctx.clock.now(), 0);
    let strangers = refusal_of(answer(&house, &asked, &code, ELSEWHERE).await);
    assert!(matches!(strangers, Refusal::CodesLockedOut(_)), "{strangers}");
}

#[tokio::test]
async fn wrong_codes_from_a_known_browser_lock_it_alone_until_an_administrator_ends_that() {
    let house = TestHouse::new().await;
    let (jane, app, held) = dutiful_jane(&house).await;
    guess_ten_codes(&house, Some(&held), HOME).await;

    let asked = challenged(&house, Some(&held), HOME).await;
    let code = app.code(house.ctx.clock.now(), 0);
    let here = refusal_of(answer(&house, &asked, &code, HOME).await);
    let elsewhere = challenged(&house, None, ELSEWHERE).await;
    session_of(answer(&house, &elsewhere, &code, ELSEWHERE).await);

    assert!(matches!(here, Refusal::CodesLockedOut(_)), "{here}");
    house.wait(STEP);
    users::unlock(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();
    let asked = challenged(&house, Some(&held), HOME).await;
    let code = app.code(house.ctx.clock.now(), 0);
    session_of(answer(&house, &asked, &code, HOME).await);
}

#[tokio::test]
async fn a_mailed_code_does_not_begin_the_count_of_wrong_ones_anew() {
    let house = TestHouse::new().await;
    house.user("jane").await;
    for wrong in [5, 4] {
        let asked = challenged(&house, None, HOME).await;
        let code = mailed_codes(&house).await.pop().unwrap();
        for _ in 0..wrong {
            answer(&house, &asked, &other_than(&code), HOME).await;
        }
        if wrong == 4 {
            session_of(answer(&house, &asked, &code, HOME).await);
        }
    }

    let asked = challenged(&house, None, HOME).await;
    let code = mailed_codes(&house).await.pop().unwrap();
    answer(&house, &asked, &other_than(&code), HOME).await;

    let tenth = refusal_of(answer(&house, &asked, &code, HOME).await);
    assert!(matches!(tenth, Refusal::CodesLockedOut(_)), "{tenth}");
}

#[tokio::test]
async fn one_network_is_mailed_twelve_codes_and_the_page_can_tell_and_another_is_mailed_its_own() {
    let house = TestHouse::new().await;
    house.user("jane").await;
    let owners = challenged(&house, None, HOME).await;
    house.wait(Duration::from_secs(1));
    let mut strangers = Vec::new();
    for _ in 0..13 {
        strangers.push(challenged(&house, None, ELSEWHERE).await);
    }

    let thirteenth = challenge::look(&house.ctx, &strangers[12], &origin(ELSEWHERE)).await.unwrap();
    assert!(thirteenth.unwrap().mailed.is_none());
    let codes = mailed_codes(&house).await;
    assert_eq!(codes.len(), 13, "the owner's letter was not superseded");
    let mut met = 0;
    // Every wrong one counts, and five end the challenge: the owner's letter came first.
    for code in &codes[..1] {
        met += u32::from(matches!(answer(&house, &owners, code, HOME).await, Outcome::Opened(_)));
    }
    assert_eq!(met, 1);
}

#[tokio::test]
async fn no_more_than_sixty_codes_are_mailed_for_logins_within_a_day() {
    let house = TestHouse::new().await;
    house.user("jane").await;
    for network in 0..62 {
        challenged(&house, None, &format!("10.9.{network}.1")).await;
        // A letter whose code has expired is not sent.
        house.deliver_mail().await;
        house.wait(MINUTE);
    }

    assert_eq!(mailed_codes(&house).await.len(), 60);
    house.wait(DAY);
    challenged(&house, None, HOME).await;
    assert_eq!(mailed_codes(&house).await.len(), 61);
}

#[tokio::test]
async fn an_opened_link_proves_the_login_after_it_and_no_later_one() {
    let house = TestHouse::new().await;
    let new = NewUser {
        username: Username::parse("jane@example.com").unwrap(),
        email: EmailAddress::parse("jane@mail.example").unwrap(),
        name: None,
        profile: None,
        administrator: false,
        password: None,
    };
    users::add(&house.ctx, Actor::Operator, Asker::Operator, new).await.unwrap();
    let link = mailed_link(&house, LinkKind::Invitation).await;
    let opened_at = house.ctx.clock.now();
    let held = invitation::accept(&house.ctx, &link, password(PASSWORD), &origin(HOME)).await;
    let held = held.unwrap();
    house.wait(MINUTE);

    let first = opened(&house, &held).await;
    let second = opened(&house, &held).await;

    let proved_at = async |session: &NewSession| {
        let found = sessions::find(&house.ctx, SessionKind::Web, &session.secret).await.unwrap();
        found.unwrap().proved_at
    };
    assert_eq!(proved_at(&first).await, Some(opened_at));
    assert_eq!(proved_at(&second).await, None);
}

#[tokio::test]
async fn a_browser_that_is_known_by_a_code_proves_no_later_login() {
    let house = TestHouse::new().await;
    house.user("jane").await;
    let asked = challenged(&house, None, HOME).await;
    let code = mailed_codes(&house).await.pop().unwrap();
    let held = session_of(answer(&house, &asked, &code, HOME).await).place.unwrap();

    let later = opened(&house, &held).await;

    let found = sessions::find(&house.ctx, SessionKind::Web, &later.secret).await.unwrap();
    assert_eq!(found.unwrap().proved_at, None);
}

#[tokio::test]
async fn to_end_a_place_of_an_api_ends_its_sessions_and_a_login_makes_it_known_again() {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let credential = format!("{PASSWORD}{token}");
    let (name, api) = (jane.username.as_str(), SessionKind::Api);
    let here = house.log_in_from(name, &credential, HOME).await.unwrap();
    let there = house.log_in_from(name, &credential, ELSEWHERE).await.unwrap();
    let known = places::list(&house.ctx, jane.id).await.unwrap();
    let ended = known.iter().find(|place| place.source == HOME).unwrap().id;
    let before = house.revision().await;

    places::end(&house.ctx, jane.id, ended).await.unwrap();

    assert!(!lives(&house, api, &here.secret).await);
    assert!(lives(&house, api, &there.secret).await);
    assert!(house.revision().await > before, "other nodes are told");
    assert_eq!(places::list(&house.ctx, jane.id).await.unwrap().len(), 1);
    house.log_in_from(name, &credential, HOME).await.unwrap();
    assert_eq!(places::list(&house.ctx, jane.id).await.unwrap().len(), 2);
    places::end_others(&house.ctx, jane.id, None).await.unwrap();
    assert!(!lives(&house, api, &there.secret).await);
}

#[tokio::test]
async fn a_place_without_a_login_for_ninety_days_is_forgotten() {
    let house = TestHouse::new().await;
    let (jane, ..) = dutiful_jane(&house).await;
    let place = places::list(&house.ctx, jane.id).await.unwrap()[0].id;
    let is_there = async || {
        let mut reader = house.ctx.store.read().await.unwrap();
        symbolon_store::places::find(&mut reader, place).await.unwrap().is_some()
    };

    house.wait(89 * DAY);
    janitor::tidy(&house.ctx).await.unwrap();
    assert!(is_there().await);
    house.wait(2 * DAY);
    janitor::tidy(&house.ctx).await.unwrap();

    assert!(!is_there().await);
}

/// The known browser of Jane, whatever else is known of her.
async fn browser_of(house: &TestHouse, jane: &UserView) -> Id<Place> {
    let known = places::list(&house.ctx, jane.id).await.unwrap();
    known.iter().find(|place| place.kind == PlaceKind::Browser).unwrap().id
}

#[tokio::test]
async fn neither_a_neighbour_nor_strangers_lock_the_password_prompt_of_a_session() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let asked = challenged(&house, None, HOME).await;
    let code = mailed_codes(&house).await.pop().unwrap();
    session_of(answer(&house, &asked, &code, HOME).await);
    let place = Some(browser_of(&house, &jane).await);
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&jane).await);
    house.wait(MINUTE);
    // Her program beside her is what was used last in her network, and a neighbour calls himself the same.
    house.log_in_from(jane.username.as_str(), &credential, HOME).await.unwrap();
    for source in [HOME, ELSEWHERE] {
        for _ in 0..10 {
            house.log_in_from(jane.username.as_str(), "a guess", source).await.unwrap_err();
        }
    }
    let new = || EmailAddress::parse("jane@new.example").unwrap();
    let change = async |place, source: &str| {
        let from = Origin { place, ..origin(source) };
        account::ask_address_change(&house.ctx, jane.id, password(PASSWORD), new(), &from).await
    };

    assert!(change(place, HOME).await.is_ok());
    assert!(change(place, ELSEWHERE).await.is_ok(), "the browser has moved to another network");
    assert!(
        change(None, HOME).await.is_ok(),
        "of a session without one, the browser in the network"
    );
    let stranger = change(None, ELSEWHERE).await;
    let locked = |refused: &Refused| matches!(refused.refusal, Refusal::LockedOut(_));
    assert!(matches!(stranger, Err(ChangeError::WrongPassword(refused)) if locked(&refused)));
}
