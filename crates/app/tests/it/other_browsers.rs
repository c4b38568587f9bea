//! What was proved by less does not outlive a beginning anew: other browsers end, this one goes on.

use symbolon_app::challenges::Entered;
use symbolon_app::hashing::Asker;
use symbolon_app::links::LinkKind;
use symbolon_app::login::challenge::{self, Outcome};
use symbolon_app::login::{Entrance, NewSession, WebLogin, log_in_to_web};
use symbolon_app::second_factors::enrolment::{self, Enrolled, Owner};
use symbolon_app::second_factors::removal::remove_all_of;
use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, account, owner_freeze};
use symbolon_core::names::DisplayName;
use symbolon_core::secret::{Credential, PlaceSecret, SessionSecret, TypedCode};
use symbolon_core::session::SessionKind;

use crate::accounts::mailed_link;
use crate::authenticator_app::{AuthenticatorApp, typed};
use crate::house::{PASSWORD, TestHouse, origin, password};

const OTHER: &str = "crimson walnut harbor 17";

/// A browser in which somebody has proved himself by a code from his mail.
struct Browser {
    opened: NewSession,
    place: PlaceSecret,
}

impl Browser {
    async fn of(house: &TestHouse, user: &UserView) -> Self {
        let Entrance::Challenged(secret) = enter(house, user, PASSWORD, Vec::new()).await else {
            panic!("a browser that nobody knows is asked")
        };
        house.deliver_mail().await;
        let find = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("Verification code: "));
            line.map(str::to_owned)
        };
        let code = house.arrived().iter().rev().find_map(|letter| find(&letter.text));
        let entered = Entered {
            code: TypedCode::new(code.expect("a code has arrived")),
            token: Credential::new(String::new()),
            password: password(""),
        };
        let outcome = challenge::answer(&house.ctx, &secret, entered, &origin("10.1.2.3")).await;
        let Outcome::Opened(mut opened) = outcome.unwrap() else { panic!("the code is right") };
        let place = opened.place.take().expect("it is known from now on");
        Self { opened, place }
    }

    /// Its session, if that lives.
    async fn session(&self, house: &TestHouse) -> Option<LiveSession> {
        find(house, SessionKind::Web, &self.opened.secret).await
    }

    /// Whether a log-in from here is asked for nothing but the password.
    async fn is_known(&self, house: &TestHouse, user: &UserView, password: &str) -> bool {
        let held = PlaceSecret::new(self.place.reveal().to_owned());
        matches!(enter(house, user, password, vec![held]).await, Entrance::Opened(_))
    }
}

pub(crate) async fn enter(
    house: &TestHouse,
    user: &UserView,
    typed: &str,
    places: Vec<PlaceSecret>,
) -> Entrance {
    let username = user.username.to_string();
    let (password, origin) = (password(typed), origin("10.1.2.3"));
    log_in_to_web(&house.ctx, WebLogin { username, password, places, origin }).await.unwrap()
}

async fn find(house: &TestHouse, kind: SessionKind, secret: &SessionSecret) -> Option<LiveSession> {
    sessions::find(&house.ctx, kind, secret).await.unwrap()
}

/// Enrols an app in the session of `browser`; yields the session's new secret.
async fn enrol_in(house: &TestHouse, browser: &Browser) -> SessionSecret {
    let owner = Owner { user: browser.opened.user, session: browser.opened.session };
    let name = enrolment::begin(&house.ctx, owner).await.unwrap();
    let key = enrolment::pending(&house.ctx, owner, &name).await.unwrap().reveal_groups();
    let code = typed(&AuthenticatorApp::with_key(&key).code(house.ctx.clock.now(), 0));
    let (label, origin) = (DisplayName::parse("Phone").unwrap(), origin("10.1.2.3"));
    let done = enrolment::confirm(&house.ctx, owner, &name, label, &code, &origin).await;
    let Enrolled::Done(gains) = done.unwrap() else { panic!("the code is right") };
    gains.session
}

#[tokio::test]
async fn with_the_first_second_factor_other_browsers_end_and_this_one_goes_on() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (here, elsewhere) = (Browser::of(&house, &ada).await, Browser::of(&house, &ada).await);
    let token = house.reset_and_read(&ada).await;
    let api = house.log_in(&ada, &format!("{PASSWORD}{token}")).await.unwrap();

    enrol_in(&house, &here).await;

    assert!(elsewhere.session(&house).await.is_none());
    assert!(!elsewhere.is_known(&house, &ada, PASSWORD).await);
    assert!(here.is_known(&house, &ada, PASSWORD).await);
    assert!(find(&house, SessionKind::Api, &api.secret).await.is_some());
}

#[tokio::test]
async fn a_later_second_factor_ends_nothing() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let here = Browser::of(&house, &ada).await;
    enrol_in(&house, &here).await;
    let held = PlaceSecret::new(here.place.reveal().to_owned());
    let Entrance::Opened(second) = enter(&house, &ada, PASSWORD, vec![held]).await else {
        panic!("this browser is known")
    };

    enrol_in(&house, &here).await;

    assert!(find(&house, SessionKind::Web, &second.secret).await.is_some());
}

#[tokio::test]
async fn a_second_factor_gives_its_session_a_new_secret() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let here = Browser::of(&house, &ada).await;

    let renewed = enrol_in(&house, &here).await;

    assert!(here.session(&house).await.is_none(), "the secret from before opens nothing");
    let session = find(&house, SessionKind::Web, &renewed).await.expect("it lives on");
    assert_eq!(session.session, here.opened.session);
    assert_eq!(session.proved_at, Some(house.ctx.clock.now()));
}

#[tokio::test]
async fn with_another_password_other_browsers_are_known_no_more() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (here, elsewhere) = (Browser::of(&house, &ada).await, Browser::of(&house, &ada).await);

    let (keep, origin) = (Some(here.opened.session), origin("10.1.2.3"));
    let (current, new) = (password(PASSWORD), password(OTHER));
    account::change_password(&house.ctx, ada.id, keep, current, new, &origin).await.unwrap();

    assert!(here.session(&house).await.is_some());
    assert!(here.is_known(&house, &ada, OTHER).await);
    assert!(!elsewhere.is_known(&house, &ada, OTHER).await);
}

#[tokio::test]
async fn the_freeze_link_makes_every_browser_unknown() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let browser = Browser::of(&house, &ada).await;
    house.reset_and_read(&ada).await;
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;

    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();

    assert!(browser.session(&house).await.is_none());
    assert!(!browser.is_known(&house, &ada, PASSWORD).await);
}

#[tokio::test]
async fn whose_second_factors_an_administrator_removes_begins_with_no_known_browser() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let browser = Browser::of(&house, &ada).await;
    let renewed = enrol_in(&house, &browser).await;

    remove_all_of(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();

    assert!(find(&house, SessionKind::Web, &renewed).await.is_none());
    assert!(!browser.is_known(&house, &ada, PASSWORD).await);
    let trail = house.last_audited(2).await;
    let actions: Vec<_> = trail.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["places.ended", "second-factors.reset"]);
}

#[tokio::test]
async fn whose_password_an_administrator_replaces_begins_with_no_known_browser() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let browser = Browser::of(&house, &ada).await;

    let (name, new) = (ada.username.as_str(), password(OTHER));
    users::set_password(&house.ctx, Actor::Operator, Asker::Operator, name, new).await.unwrap();

    assert!(browser.session(&house).await.is_none());
    assert!(!browser.is_known(&house, &ada, OTHER).await);
    let trail = house.last_audited(2).await;
    let actions: Vec<_> = trail.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["places.ended", "password.set"]);
}
