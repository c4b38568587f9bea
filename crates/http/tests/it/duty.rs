//! The duty of a second factor as a browser meets it: who is told by when to enrol, what is open to whoever is
//! too late, and what is no second factor.

use std::time::Duration;

use http::{Method, StatusCode};
use symbolon_app::{Actor, profiles};
use symbolon_core::policy::{DAY, Duty, Policy};
use symbolon_http::all_routes;
use symbolon_http::routes::Admits;

use crate::challenge::{CHALLENGE, Jar, place};
use crate::house::TestHouse;
use crate::second_factors::Person;

const PAGE: &str = "/setup/second-factors";
const WEB: &str = "Your profile demands a second factor";
const BOTH: &str = "a second factor, which at APIs is the code of an authenticator app";
const APIS: &str = "Your profile demands the code of an authenticator app at APIs";

async fn demand(house: &TestHouse, duty: Duty, grace: Duration) {
    let policy = Policy { duty, enrol_grace: grace, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
}

#[tokio::test]
async fn who_owes_a_second_factor_is_told_by_when_on_every_page_until_it_is_there() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    assert!(!ada.see("/setup").await.body.contains(WEB), "nothing is demanded yet");
    demand(&house, Duty::Web, 14 * DAY).await;

    let within = ada.see("/setup").await.body;
    house.clock.advance(13 * DAY + Duration::from_hours(23));
    let ada = Person::anew(&house, ada.id, "ada").await;
    let last_hour = ada.see("/setup").await.body;
    house.clock.advance(Duration::from_mins(90));
    let too_late = ada.see("/setup").await.body;
    let ada = Person::anew(&house, ada.id, "ada").await;
    ada.enrol("Phone").await;
    let enrolled = ada.see("/setup").await.body;

    for page in [&within, &last_hour] {
        assert!(
            page.contains(&format!("{WEB}: enrol by 7\u{a0}Dec\u{a0}2026, 07:00:00\u{a0}UTC.")),
            "{page}"
        );
        assert!(page.contains(r#"<a href="/setup/second-factors">Open Second Factors</a>"#));
    }
    assert!(too_late.contains(&format!("{WEB}, and you were to enrol by ")), "{too_late}");
    assert!(!enrolled.contains("Your profile demands"), "{enrolled}");
}

#[tokio::test]
async fn what_is_owed_at_apis_is_an_authenticator_and_told_apart_only_where_its_date_is_another() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    demand(&house, Duty::WebAndApi, 14 * DAY).await;

    let both = ada.see("/setup").await.body;
    demand(&house, Duty::Web, 14 * DAY).await;
    house.clock.advance(Duration::from_hours(1));
    demand(&house, Duty::WebAndApi, 14 * DAY).await;
    let apart = ada.see("/setup").await.body;

    assert_eq!(both.matches("Your profile demands").count(), 1, "{both}");
    assert!(both.contains(BOTH), "{both}");
    assert_eq!(apart.matches("Your profile demands").count(), 2, "{apart}");
    assert!(apart.contains(APIS), "{apart}");
}

#[tokio::test]
async fn who_is_too_late_gets_a_session_to_enrol_in_and_with_that_everything_opens() {
    let house = TestHouse::open().await;
    demand(&house, Duty::Web, Duration::ZERO).await;
    let root = Person::administrator(&house, "root").await;
    let own = [Admits::LoggedIn, Admits::Administrator];

    let (mut shut, mut open) = (0, 0);
    for route in all_routes() {
        if !own.contains(&route.admits) || route.path == "/logout" {
            continue;
        }
        let path = route.path.replace(['{', '}'], "");
        let answer = match route.method {
            Method::GET => root.see(&path).await,
            _ => root.post(&path, &[]).await,
        };
        let to_enrol = answer.status == StatusCode::SEE_OTHER && answer.header("location") == PAGE;
        let spared = path.starts_with(PAGE) || path.starts_with("/setup/verify");
        assert_eq!(to_enrol, !spared, "{} {path}: {}", route.method, answer.status);
        *if spared { &mut open } else { &mut shut } += 1;
    }
    assert!(shut > 80 && open > 15, "{shut} were shut, {open} open");
    root.enrol("Phone").await;

    for path in ["/setup", "/setup/users", "/setup/tokens"] {
        assert_eq!(root.see(path).await.status, StatusCode::OK, "{path}");
    }
    let out = root.post("/logout", &[]).await;
    assert_eq!(out.header("location"), "/login");
}

#[tokio::test]
async fn under_duty_the_field_of_the_security_token_stays_in_sight_with_the_rule() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    ada.enrol("Phone").await;
    let token = house.token("ada").await;
    let mut lax = Jar::default();
    lax.log_in(&house, "ada").await;
    let without_duty = lax.get(&house, CHALLENGE).await.body;
    demand(&house, Duty::Web, Duration::ZERO).await;
    let mut jar = Jar::default();
    assert_eq!(place(&jar.log_in(&house, "ada").await), CHALLENGE);

    let page = jar.get(&house, CHALLENGE).await.body;
    let pasted = jar.post(&house, (CHALLENGE, CHALLENGE), &[("security_token", &token)]).await;

    assert!(!without_duty.contains("security_token-rule"), "{without_duty}");
    let field = page.split_once(r#"<input id="security_token""#).unwrap().1;
    let (field, rest) = field.split_once('>').unwrap();
    assert!(field.ends_with(" disabled"), "{field}");
    assert!(rest.contains("Your profile demands a second factor, and a security token is none."));
    assert!(!page.contains("Enter one of these."), "there is one field to fill in");
    assert_ne!(pasted.status, StatusCode::SEE_OTHER, "a token that is sent all the same is none");
}
