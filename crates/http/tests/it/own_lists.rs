//! What one's own lists of sessions and known places show of each row.

use std::ops::Range;
use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::login::{ApiLogin, Head, log_in_to_api};
use symbolon_app::places as known_places;
use symbolon_app::{Actor, Origin, history, own_sessions, profiles};
use symbolon_core::id::{Id, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{ClientName, Source};
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{Duty, Policy};
use symbolon_core::secret::Credential;
use symbolon_core::session::SessionKind;
use symbolon_store::places::{self, Visitor};
use symbolon_store::sessions::{self, NewSession};

use crate::calls::{login, request};
use crate::house::{PASSWORD, PEER, TestHouse};
use crate::second_factors::Person;

const SESSIONS: &str = "/setup/sessions";
const PLACES: &str = "/setup/known-places";

async fn see(house: &TestHouse, cookie: &str, path: &str) -> String {
    let request = request(Method::GET, path);
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
    house.send(request.body(Body::empty()).unwrap()).await.body
}

async fn log_in(house: &TestHouse, client: &str, credential: String) {
    let login = ApiLogin {
        head: Head::SoapPartner,
        username: "ada@example.com".to_owned(),
        credential: Credential::new(credential),
        client: None,
        origin: Origin {
            source: Source::new(PEER),
            client: ClientName::sanitised(client),
            place: None,
        },
    };
    log_in_to_api(&house.ctx, login).await.unwrap();
}

/// The cells under their headings, of the one row of the table that has `mark` in it.
#[track_caller]
fn row<'a>(page: &'a str, mark: &str) -> Vec<(&'a str, &'a str)> {
    let rows = page.split("<tr role=\"row\">").filter(|row| row.contains(mark));
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 1, "{mark}: {page}");
    let cells = rows[0].split("data-label=\"").skip(1).map(|cell| {
        let (label, rest) = cell.split_once('"').unwrap();
        let (_, text) = rest.split_once('>').unwrap();
        (label, text.split("</t").next().unwrap())
    });
    cells.collect()
}

#[track_caller]
fn cell<'a>(row: &[(&'a str, &'a str)], label: &str) -> &'a str {
    row.iter().find(|(of, _)| *of == label).unwrap_or_else(|| panic!("no {label}: {row:?}")).1
}

#[tokio::test]
async fn a_session_tells_client_place_and_times_and_what_it_was_truly_opened_by() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    let (app, _) = ada.enrol("Phone").await;
    let token = house.token("ada").await;
    log_in(&house, "by-token/1", format!("{PASSWORD}{token}")).await;
    let ranges = LoginRanges::parse("203.0.113.0/24").unwrap();
    let within = Policy { login_ranges: ranges.into_iter().collect(), ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = within).await.unwrap();
    log_in(&house, "by-ranges/1", PASSWORD.to_owned()).await;
    let dutiful = Policy { duty: Duty::WebAndApi, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = dutiful).await.unwrap();
    house.clock.advance(Duration::from_mins(1));
    let code = app.code(house.ctx.clock.now(), 0);
    log_in(&house, "by-code/1", format!("{PASSWORD}{code}")).await;

    let page = ada.see(SESSIONS).await.body;

    let by_token = row(&page, "by-token/1");
    assert_eq!(cell(&by_token, "Opened by"), "password and security token (device type any)");
    assert_eq!(cell(&by_token, "From"), PEER.to_string());
    assert_eq!(cell(&by_token, "Place"), "203.0.113.9", "the network that failures are counted by");
    assert_eq!(cell(&by_token, "Kind"), "API (soap-partner)");
    assert!(cell(&by_token, "Since").contains("2026-11-23T07:00:"), "{by_token:?}");
    assert!(cell(&by_token, "Last use").contains("2026-11-23T07:00:"), "{by_token:?}");
    let opened_by = |client| cell(&row(&page, client), "Opened by").to_owned();
    assert_eq!(opened_by("by-ranges/1"), "password from within the login IP ranges");
    assert_eq!(opened_by("by-code/1"), "password and authenticator code");
    let reasons = house.reasons().await;
    assert!(reasons.contains(&"password from within the login IP ranges".to_owned()));
}

#[tokio::test]
async fn a_known_place_tells_client_network_and_first_and_last_use() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    log_in(&house, "keeper/1", format!("{PASSWORD}{token}")).await;
    house.clock.advance(Duration::from_hours(26));
    log_in(&house, "keeper/1", format!("{PASSWORD}{token}")).await;
    let cookie = house.web_session("ada").await;

    let page = see(&house, &cookie, PLACES).await;

    let place = row(&page, "data-label=\"Kind\">API client");
    assert_eq!(cell(&place, "Client"), "keeper/1");
    assert_eq!(cell(&place, "Network"), PEER.to_string());
    assert!(cell(&place, "First use").contains("2026-11-23T07:00:"), "{place:?}");
    assert!(cell(&place, "Last use").contains("2026-11-24T09:00:"), "{place:?}");
    assert!(row(&page, "this one").contains(&("Kind", "browser")));
}

/// ASVS 8.2.2, CWE-639: they are answered as if there were none.
#[tokio::test]
async fn sessions_places_factors_and_refusals_of_others_are_not_there() {
    let house = TestHouse::open().await;
    let (ada, eve) = (Person::of(&house, "ada").await, Person::of(&house, "eve").await);
    ada.enrol("Phone").await;
    let token = house.token("ada").await;
    log_in(&house, "keeper/1", format!("{PASSWORD}{token}")).await;
    let session = own_sessions::list(&house.ctx, ada.id).await.unwrap()[0].session;
    let place = known_places::list(&house.ctx, ada.id).await.unwrap()[0].id;
    let app = ada.factors().await.authenticators[0].id;
    house.soap(login("ada@example.com", "a wrong one")).await;
    let refused = history::list(&house.ctx, Some(ada.id), 1, None).await.unwrap().remove(0);
    let apps = format!("/setup/second-factors/authenticators/{app}");
    let before = house.mark().await;

    let looked_at = [
        format!("/setup/login-history/{}", refused.correlation_id),
        format!("{apps}/rename"),
        format!("{apps}/remove"),
    ];
    for path in &looked_at {
        assert_eq!(eve.see(path).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(ada.see(path).await.status, StatusCode::OK, "{path}");
    }
    let posted = [
        format!("{SESSIONS}/{session}/end"),
        format!("{PLACES}/{place}/end"),
        format!("{apps}/remove"),
    ];
    for path in &posted {
        assert_eq!(eve.post(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }

    assert_eq!(house.mark().await, before, "nothing was changed");
    for path in &posted {
        assert_eq!(ada.post(path, &[]).await.status, StatusCode::SEE_OTHER, "{path}");
    }
}

/// ASVS 14.3.1.
#[tokio::test]
async fn a_log_out_clears_what_the_browser_keeps() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;

    let out = ada.post("/logout", &[]).await;

    assert_eq!(out.header("clear-site-data"), r#""cache""#);
    let session = out.header("set-cookie");
    assert!(session.starts_with("__Host-symbolon=;") && session.contains("Max-Age=0"), "{session}");
    assert!(ada.see(SESSIONS).await.header("location").starts_with("/login"));
}

/// Opens sessions and makes places known, as logins of workers `numbers` do.
async fn fill(house: &TestHouse, user: Id<User>, numbers: (Range<u32>, Range<u32>)) {
    let (now, source) = (house.ctx.clock.now(), "192.0.2.7");
    let mut tx = house.ctx.store.begin().await.unwrap();
    for number in numbers.0 {
        let new = NewSession {
            id: house.ctx.chance.with(|mut rng| Id::mint(&mut rng)),
            digest: &house.ctx.keys.digest(Purpose::Session, &number.to_be_bytes()),
            kind: SessionKind::Api,
            user,
            token: None,
            client_id: None,
            head: "soap-partner",
            client: "worker",
            source,
            proof: "password and security token",
            proved_at: None,
            place: None,
            restriction: None,
        };
        sessions::insert(&mut tx, &new, now).await.unwrap();
    }
    for number in numbers.1 {
        let client = format!("worker {number}");
        let visitor = Visitor { client: &client, network: source, source };
        let place = house.ctx.chance.with(|mut rng| Id::mint(&mut rng));
        places::note_api(&mut tx, place, user, visitor, now).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_list_that_is_cut_says_how_many_are_not_shown() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let cookie = house.web_session("ada").await;
    let both = async || [see(&house, &cookie, SESSIONS).await, see(&house, &cookie, PLACES).await];
    // With her own there are 200 sessions and 100 places.
    fill(&house, ada, (0..199, 0..99)).await;

    let full = both().await;
    fill(&house, ada, (199..200, 99..101)).await;
    let [sessions, places] = both().await;

    assert!(full.iter().all(|page| !page.contains("not shown")));
    assert!(sessions.contains("<p>1 older is not shown.</p>"), "{sessions}");
    assert!(places.contains("<p>2 older are not shown.</p>"), "{places}");
}
