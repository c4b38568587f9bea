//! Every route refuses whom it does not admit.
//!
//! The walk is over the very tables that the router is made of: a route that is added is walked
//! without anybody thinking of it. Beside the refusals stands the proof that the right credential
//! passes, so that no refusal is one for the wrong reason.

use std::collections::BTreeSet;

use http::Method;
use symbolon_http::all_routes;
use symbolon_http::routes::{Admits, Route};

use crate::calls::Answer;
use crate::cast::{Cast, Credential};

fn is_refusal(answer: &Answer) -> bool {
    let to_login = answer.status == 303 && answer.header("location").starts_with("/login");
    to_login || answer.status.is_client_error()
}

#[tokio::test]
async fn every_route_refuses_whom_it_does_not_admit() {
    let cast = Cast::gather().await;
    let routes = all_routes();
    let before = cast.house.mark().await;

    let mut refused = 0;
    for route in &routes {
        for credential in cast.not_admitted(route.admits) {
            let answer = cast.send(route, &credential).await;

            let at = format!("{} {} with {credential:?}", route.method, route.path);
            assert!(is_refusal(&answer), "{at}: {}", answer.status);
            assert_eq!(cast.house.mark().await, before, "{at}");
            refused += 1;
        }
    }
    assert!(refused > 100, "the walk met {refused} refusals only");
}

#[tokio::test]
async fn every_route_that_is_read_lets_in_whom_it_admits() {
    let cast = Cast::gather().await;

    // API clients ask with POST.
    let is_read = |route: &&Route| route.method == Method::GET || route.admits == Admits::ApiClient;
    for route in all_routes().iter().filter(is_read) {
        let Some(credential) = cast.admitted(route.admits) else {
            continue;
        };
        let answer = cast.send(route, &credential).await;

        let at = format!("{} {}", route.method, route.path);
        assert!(!answer.header("location").starts_with("/login"), "{at}");
        assert!(!matches!(answer.status.as_u16(), 401 | 403 | 500), "{at}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_things_of_others_are_refused_to_whoever_is_let_in() {
    let cast = Cast::gather().await;
    let before = cast.house.mark().await;
    let is_owners =
        |route: &Route| route.admits == Admits::LoggedIn && route.path.contains("{token}");

    let mut refused = 0;
    for route in all_routes().iter().filter(|route| is_owners(route)) {
        let credential = cast.admitted(route.admits).unwrap();
        let answer = cast.send(route, &credential).await;

        assert_eq!(answer.status, 404, "{} {}", route.method, route.path);
        assert_eq!(cast.house.mark().await, before);
        refused += 1;
    }
    assert!(refused >= 3);
}

/// ASVS 3.4.5, 3.4.6 and 14.3.2: of every page, also where there is nothing to show.
#[tokio::test]
async fn every_page_is_kept_out_of_caches_frames_and_referrers() {
    let cast = Cast::gather().await;
    let is_page = |route: &&Route| {
        let admits = [Admits::LoggedIn, Admits::Administrator, Admits::LinkBearer];
        let of_visitors = ["/login", "/login/challenge", "/forgot-password", "/"];
        let open = admits.contains(&route.admits) || of_visitors.contains(&route.path);
        open && route.method == Method::GET
    };

    let mut pages = 0;
    for route in all_routes().iter().filter(is_page) {
        let credential = cast.admitted(route.admits).unwrap_or(Credential::None);
        let answer = cast.send(route, &credential).await;

        let at = format!("{} {}: {}", route.method, route.path, answer.status);
        assert_eq!(answer.header("cache-control"), "no-store", "{at}");
        if answer.status.is_redirection() {
            continue;
        }
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{at}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{at}: {policy}");
        pages += 1;
    }
    assert!(pages > 50, "{pages} pages only");
}

#[tokio::test]
async fn an_expired_password_keeps_a_session_out_of_everything_but_its_change() {
    let cast = Cast::gather().await;
    let house = &cast.house;
    let operator = symbolon_app::Actor::Operator;
    let asker = symbolon_app::hashing::Asker::Operator;
    let temporary =
        symbolon_app::users::reset_password(&house.ctx, operator, asker, cast.ada).await;
    let token = house.token("ada").await;
    let credential = format!("{}{token}", temporary.unwrap().reveal());
    let opened = house.soap(crate::calls::login("ada@example.com", &credential)).await;
    let session = opened.element("sessionId");
    let password = format!("/services/data/v59.0/sobjects/User/{}/password", cast.ada);

    assert_eq!(house.get_as(session, &password).await.body, r#"{"isExpired":true}"#);
    for route in all_routes() {
        let is_read = route.method == Method::GET && route.admits == Admits::ApiSession;
        if is_read && !route.path.ends_with("/password") {
            let credential = Credential::Bearer(session.to_owned());
            let refused = cast.send(&route, &credential).await;
            assert!(is_refusal(&refused), "{}", route.path);
            if route.path.starts_with("/api/") {
                assert_eq!(refused.json()["type"], "urn:symbolon:problem:password-expired");
            }
        }
    }
}

#[test]
fn no_route_stands_in_the_table_twice() {
    let routes = all_routes();
    let mut names: Vec<_> = routes.iter().map(|r| (r.path, r.method.to_string())).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();

    assert_eq!(names.len(), count);
}

/// ASVS 6.1.3 and 6.3.4: all ways in are in one table, and there is no other.
#[test]
fn every_way_in_for_strangers_is_in_the_table_of_pathways() {
    let page = include_str!("../../../../docs/security-requirements.md");
    let (_, section) = page.split_once("\n## All ways in\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let words = section.split('`').skip(1).step_by(2);
    let told: BTreeSet<&str> = words.filter(|word| word.starts_with('/')).collect();
    let routes = all_routes();
    let there: BTreeSet<&str> = routes.iter().map(|route| route.path).collect();
    let open = [Admits::Anyone, Admits::LinkBearer, Admits::ApiClient];
    // Proxies are answered whatever credential a stranger brings.
    let is_way_in =
        |route: &&Route| open.contains(&route.admits) || route.path.starts_with("/authz/");
    let ways: BTreeSet<&str> = routes.iter().filter(is_way_in).map(|route| route.path).collect();

    assert!(ways.len() > 20);
    assert_eq!(ways.difference(&told).collect::<Vec<_>>(), Vec::<&&str>::new(), "not in the table");
    assert_eq!(told.difference(&there).collect::<Vec<_>>(), Vec::<&&str>::new(), "no such route");
}

#[tokio::test]
async fn browsers_are_told_to_come_over_tls_alone_for_two_years() {
    let cast = Cast::gather().await;

    let page = cast.house.get("/login").await;

    assert_eq!(page.header("strict-transport-security"), "max-age=63072000");
}
