//! The second step of a log-in and the step-up before what matters, as a browser sees them.

use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::challenges::MOST_LETTERS_OF_NETWORK;
use symbolon_app::clock::Clock as _;
use symbolon_app::places;
use symbolon_core::lockout::Failures;
use symbolon_http::all_routes;
use symbolon_http::routes::Proof;
use symbolon_store::places::{self as stored_places, Visitor};
use symbolon_store::users;

use crate::calls::{Answer, request};
use crate::house::{PASSWORD, TestHouse};

const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const CHALLENGE: &str = "/login/challenge";
const CONFIRM: &str = "/setup/reset-security-token/confirm";
const VERIFY: &str = "/setup/verify";

/// A browser that keeps its cookies.
#[derive(Default)]
pub(crate) struct Jar(Vec<(String, String)>);

impl Jar {
    fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(held, _)| held.ends_with(&format!("__Host-{name}")))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) async fn send(
        &mut self,
        house: &TestHouse,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let cookies: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request(method.clone(), path);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let body = if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            Body::from(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
        } else {
            Body::empty()
        };
        let answer = house.send(request.body(body).unwrap()).await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.0.retain(|(held, _)| held != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    pub(crate) async fn get(&mut self, house: &TestHouse, path: &str) -> Answer {
        self.send(house, Method::GET, path, &[]).await
    }

    /// Fills in the form of the page at `page` and sends it to `action`.
    pub(crate) async fn post(
        &mut self,
        house: &TestHouse,
        (page, action): (&str, &str),
        fields: &[(&str, &str)],
    ) -> Answer {
        let shown = self.get(house, page).await;
        let nonce = nonce_in(&shown.body);
        let mut form = vec![("csrf", nonce.as_str())];
        form.extend_from_slice(fields);
        self.send(house, Method::POST, action, &form).await
    }

    pub(crate) async fn log_in(&mut self, house: &TestHouse, name: &str) -> Answer {
        self.log_in_then(house, name, None).await
    }

    /// The same browser without its session: what is known of it stays.
    pub(crate) fn anew(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| name.ends_with("place")).cloned().collect())
    }

    async fn log_in_then(&mut self, house: &TestHouse, name: &str, next: Option<&str>) -> Answer {
        let username = format!("{name}@example.com");
        let mut fields = vec![("username", username.as_str()), ("password", PASSWORD)];
        fields.extend(next.map(|next| ("next", next)));
        self.post(house, ("/login", "/login"), &fields).await
    }

    pub(crate) async fn enter(&mut self, house: &TestHouse, code: &str) -> Answer {
        self.post(house, (CHALLENGE, CHALLENGE), &[("code", code)]).await
    }

    /// Logs in with the mailed code.
    pub(crate) async fn come_in(&mut self, house: &TestHouse, name: &str) {
        self.log_in(house, name).await;
        house.deliver_mail().await;
        let entered = self.enter(house, &house.newest_code(name)).await;
        assert_eq!(place(&entered), "/setup");
    }
}

fn nonce_in(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

pub(crate) fn place(answer: &Answer) -> &str {
    let place = answer.headers.get(header::LOCATION);
    place.unwrap_or_else(|| panic!("{}: {}", answer.status, answer.body)).to_str().unwrap()
}

/// A code that is not `code`.
fn other_than(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

#[tokio::test]
async fn an_unknown_browser_is_asked_for_a_mailed_code_and_known_from_then_on() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();

    let asked = jar.log_in(&house, "jane").await;
    assert_eq!(place(&asked), CHALLENGE);
    assert!(jar.value("symbolon").is_none(), "there is no session yet");
    let page = jar.get(&house, CHALLENGE).await;
    assert!(page.body.contains("Verify Your Identity"));
    assert!(page.body.contains("autocomplete=\"one-time-code\""));
    assert!(!page.body.contains("jane@mail.example"), "the address is masked");
    house.deliver_mail().await;
    let entered = jar.enter(&house, &house.newest_code("jane")).await;
    assert_eq!(place(&entered), "/setup");
    let mut later = jar.anew();
    let again = later.log_in(&house, "jane").await;

    assert_eq!(place(&again), "/setup");
    assert_eq!(house.reasons().await[..2], ["password", "password and mailed code"]);
}

#[tokio::test]
async fn a_security_token_can_be_pasted_in_place_of_the_code_and_not_anothers() {
    let house = TestHouse::open().await;
    for name in ["jane", "joe"] {
        house.user(name).await;
    }
    let (own, anothers) = (house.token("jane").await, house.token("joe").await);
    let mut jar = Jar::default();
    jar.log_in(&house, "jane").await;
    let paste = async |jar: &mut Jar, token: &str| {
        jar.post(&house, (CHALLENGE, CHALLENGE), &[("security_token", token)]).await
    };

    assert_eq!(paste(&mut jar, &anothers).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(place(&paste(&mut jar, &own).await), "/setup");
    assert_eq!(house.reasons().await[0], "password and security token");
}

#[tokio::test]
async fn after_five_wrong_codes_the_log_in_begins_anew_and_the_right_one_is_worth_nothing() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();
    jar.log_in(&house, "jane").await;
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    let challenge = jar.0.clone();

    for left in (1..5).rev() {
        let wrong = jar.enter(&house, &other_than(&code)).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{left} left");
        assert_eq!(wrong.body.contains("left."), left <= 2, "{left} left");
    }
    let fifth = jar.enter(&house, &other_than(&code)).await;
    let mut kept = Jar(challenge);
    let nonce = nonce_in(&kept.get(&house, "/login").await.body);
    let form = [("csrf", nonce.as_str()), ("code", code.as_str())];
    let sixth = kept.send(&house, Method::POST, CHALLENGE, &form).await;

    assert!(place(&fifth).starts_with("/login?"));
    assert!(place(&sixth).starts_with("/login?"));
}

#[tokio::test]
async fn guesses_at_once_are_bounded_as_guesses_in_a_row_are() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();
    jar.log_in(&house, "jane").await;
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    let nonce = nonce_in(&jar.get(&house, CHALLENGE).await.body);
    let wrong = other_than(&code);

    let guess = async || {
        let mut same = Jar(jar.0.clone());
        let form = [("csrf", nonce.as_str()), ("code", wrong.as_str())];
        same.send(&house, Method::POST, CHALLENGE, &form).await.status
    };
    tokio::join!(
        guess(),
        guess(),
        guess(),
        guess(),
        guess(),
        guess(),
        guess(),
        guess(),
        guess(),
        guess()
    );

    let reasons = house.reasons().await;
    assert_eq!(reasons.iter().filter(|reason| reason.contains("code")).count(), 5, "{reasons:?}");
}

#[tokio::test]
async fn a_code_is_good_for_its_own_challenge_alone() {
    let house = TestHouse::open().await;
    for name in ["jane", "joe"] {
        house.user(name).await;
    }
    let (mut hers, mut his, mut other) = (Jar::default(), Jar::default(), Jar::default());
    hers.log_in(&house, "jane").await;
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    his.log_in(&house, "joe").await;
    other.log_in(&house, "jane").await;

    assert_eq!(his.enter(&house, &code).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other.enter(&house, &code).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(place(&hers.enter(&house, &code).await), "/setup");
}

#[tokio::test]
async fn a_challenge_lasts_fifteen_minutes_and_no_longer_where_the_clock_jumps_back() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();
    jar.log_in(&house, "jane").await;
    house.deliver_mail().await;

    house.clock.advance(15 * MINUTE);
    let late = jar.get(&house, CHALLENGE).await;
    let mut other = Jar::default();
    other.log_in(&house, "jane").await;
    house.deliver_mail().await;
    let in_time = other.get(&house, CHALLENGE).await;
    // To before it began: whoever sets the clock back gains no time.
    house.clock.turn_back(2 * MINUTE);
    let set_back = other.get(&house, CHALLENGE).await;

    assert!(place(&late).starts_with("/login?"));
    assert_eq!(in_time.status, StatusCode::OK);
    assert!(place(&set_back).starts_with("/login?"));
}

#[tokio::test]
async fn what_a_browser_held_before_is_neither_its_session_nor_its_place_afterwards() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let planted = "A".repeat(96);
    let known = "B".repeat(32);
    let mut jar = Jar(vec![
        ("__Host-symbolon".to_owned(), planted.clone()),
        ("__Host-symbolon-place".to_owned(), known.clone()),
    ]);

    jar.come_in(&house, "jane").await;

    assert_ne!(jar.value("symbolon"), Some(planted.as_str()));
    let mut thief = Jar(vec![("__Host-symbolon-place".to_owned(), known)]);
    assert_eq!(place(&thief.log_in(&house, "jane").await), CHALLENGE);
}

#[tokio::test]
async fn a_form_that_was_not_shown_to_this_browser_meets_no_challenge() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();
    jar.log_in(&house, "jane").await;
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    let foreign = nonce_in(&Jar::default().get(&house, "/login").await.body);

    let form = [("csrf", foreign.as_str()), ("code", code.as_str())];
    let forged = jar.send(&house, Method::POST, CHALLENGE, &form).await;

    assert_eq!(forged.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn neither_step_leads_to_another_site() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();
    let asked = jar.log_in_then(&house, "jane", Some("/setup/tokens")).await;
    assert_eq!(place(&asked), "/login/challenge?then=%2Fsetup%2Ftokens");
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    let fields = [("code", code.as_str()), ("then", "//evil.example/")];

    let entered = jar.post(&house, (CHALLENGE, CHALLENGE), &fields).await;
    let verify = jar.get(&house, "/setup/verify?then=https://evil.example/").await;

    assert_eq!(place(&entered), "/setup");
    assert!(!verify.body.contains("evil.example"));
}

#[tokio::test]
async fn what_matters_is_asked_for_again_after_ten_minutes_and_the_session_gets_a_new_secret() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut jar = Jar::default();
    jar.come_in(&house, "jane").await;
    assert_eq!(jar.get(&house, CONFIRM).await.status, StatusCode::OK);

    house.clock.advance(10 * MINUTE);
    let gated = jar.get(&house, CONFIRM).await;
    assert_eq!(place(&gated), "/setup/verify?then=%2Fsetup%2Freset-security-token%2Fconfirm");
    let sent = jar.post(&house, (VERIFY, "/setup/verify/code"), &[("then", CONFIRM)]).await;
    assert_eq!(place(&sent), place(&gated));
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    let before = jar.value("symbolon").unwrap().to_owned();
    let fields = [("code", code.as_str()), ("then", CONFIRM)];
    let proved = jar.post(&house, (VERIFY, VERIFY), &fields).await;

    assert_eq!(place(&proved), CONFIRM);
    assert_ne!(jar.value("symbolon"), Some(before.as_str()));
    assert_eq!(jar.get(&house, CONFIRM).await.status, StatusCode::OK);
    let mut stolen = Jar(vec![("__Host-symbolon".to_owned(), before)]);
    assert!(place(&stolen.get(&house, "/setup").await).starts_with("/login"));
}

#[tokio::test]
async fn a_code_for_one_session_proves_nobody_in_another() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let (mut here, mut there) = (Jar::default(), Jar::default());
    here.come_in(&house, "jane").await;
    there.come_in(&house, "jane").await;
    house.clock.advance(10 * MINUTE);
    here.post(&house, (VERIFY, "/setup/verify/code"), &[]).await;
    house.deliver_mail().await;
    let code = house.newest_code("jane");
    let carried = here.0.iter().find(|(name, _)| name.ends_with("challenge")).unwrap().clone();
    there.0.push(carried);

    let elsewhere = there.post(&house, (VERIFY, VERIFY), &[("code", &code)]).await;
    let own = here.post(&house, (VERIFY, VERIFY), &[("code", &code)]).await;
    let replayed = here.post(&house, (VERIFY, VERIFY), &[("code", &code)]).await;

    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED);
    assert_eq!(place(&own), "/setup");
    assert_eq!(replayed.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_route_that_wants_a_recent_proof_leads_to_it_and_no_other_does() {
    let house = TestHouse::open().await;
    house.administrator("root").await;
    let mut jar = Jar::default();
    jar.come_in(&house, "root").await;
    house.clock.advance(10 * MINUTE);

    for route in all_routes() {
        if !route.path.starts_with("/setup") {
            continue;
        }
        let path = route.path.replace(['{', '}'], "");
        let answer = Jar(jar.0.clone()).send(&house, route.method.clone(), &path, &[]).await;
        let led = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
        let to_proof = led.is_some_and(|to| to.starts_with("/setup/verify"));
        assert_eq!(to_proof, route.proof == Proof::Recent, "{} {path}: {led:?}", route.method);
    }
}

#[tokio::test]
async fn ending_a_place_ends_its_sessions_and_makes_it_unknown() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let (mut here, mut there) = (Jar::default(), Jar::default());
    here.come_in(&house, "jane").await;
    there.come_in(&house, "jane").await;
    let places = "/setup/known-places";
    assert!(here.get(&house, places).await.body.contains("this one"));

    let ended = here.post(&house, (places, "/setup/known-places/end-others"), &[]).await;

    assert!(place(&ended).starts_with(places));
    assert_eq!(here.get(&house, "/setup").await.status, StatusCode::OK);
    assert!(place(&there.get(&house, "/setup").await).starts_with("/login"));
    assert_eq!(place(&there.log_in(&house, "jane").await), CHALLENGE);
}

#[tokio::test]
async fn a_stranger_who_guesses_does_not_lock_out_the_known_browser() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let mut known = Jar::default();
    known.come_in(&house, "jane").await;
    let mut stranger = Jar::default();
    for _ in 0..10 {
        let fields = [("username", "jane@example.com"), ("password", "not the right one")];
        stranger.post(&house, ("/login", "/login"), &fields).await;
    }

    let strangers = stranger.log_in(&house, "jane").await;
    let mut again = known.anew();
    let owners = again.log_in(&house, "jane").await;

    assert_eq!(strangers.status, StatusCode::UNAUTHORIZED);
    assert_eq!(place(&owners), "/setup");
}

#[tokio::test]
async fn where_no_further_code_is_mailed_the_page_says_so() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    for _ in 0..MOST_LETTERS_OF_NETWORK {
        let mut jar = Jar::default();
        jar.log_in(&house, "jane").await;
        assert!(!jar.get(&house, CHALLENGE).await.body.contains("No further code is mailed"));
    }

    let mut another = Jar::default();
    another.log_in(&house, "jane").await;
    let page = another.get(&house, CHALLENGE).await;

    assert!(page.body.contains("No further code is mailed now"), "{}", page.body);
    // It may be the day's total that is full, and no quarter of an hour helps then.
    assert!(page.body.contains("Try again later, log in from a browser"), "{}", page.body);
    assert!(!page.body.contains("on its way") && !page.body.contains("quarter of an hour"));
}

#[tokio::test]
async fn a_password_that_is_asked_for_in_a_session_counts_at_the_place_of_the_session() {
    let house = TestHouse::open().await;
    let jane = house.user("jane").await;
    let mut jar = Jar::default();
    jar.come_in(&house, "jane").await;
    let locked_until = Some(house.ctx.clock.now() + 15 * MINUTE);
    let failures = Failures { count: 0, last_at: None, locked_until };
    let place = places::list(&house.ctx, jane).await.unwrap().remove(0).id;
    // Strangers are locked out, and by now the browser is known in another network than this one.
    let visitor = Visitor { client: "test", network: "10.9.9.9", source: "10.9.9.9" };
    let mut tx = house.ctx.store.begin().await.unwrap();
    users::set_failures(&mut tx, jane, failures).await.unwrap();
    assert!(stored_places::note_use(&mut tx, place, visitor, house.clock.now()).await.unwrap());
    tx.commit().await.unwrap();
    let email = "/setup/personal-information/email";
    let mut change = async || {
        let fields = [("email", "jane@new.example"), ("current_password", PASSWORD)];
        jar.post(&house, (email, email), &fields).await
    };

    let unlocked = change().await;
    let mut tx = house.ctx.store.begin().await.unwrap();
    stored_places::set_failures(&mut tx, place, failures).await.unwrap();
    tx.commit().await.unwrap();
    let locked = change().await;

    assert_eq!(unlocked.status, StatusCode::SEE_OTHER, "{}", unlocked.body);
    assert!(locked.body.contains("Too many failures: locked out until"), "{}", locked.body);
}
