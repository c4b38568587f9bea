//! What a profile demands of log-ins it demands of a security token that stands alone, too, and of sessions
//! whether their owner may use APIs at all: from the next question on.

use std::time::Duration;

use symbolon_app::context::Switch;
use symbolon_app::{Actor, profiles};
use symbolon_core::id::{Id, User};
use symbolon_core::login_hours::LoginHours;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{Access, Duty, Policy};

use crate::asking::{INACTIVE, PROXIES};
use crate::house::{PEER, TestHouse};
use crate::lifetimes::{house_with_bearer, last_reason, set_policy, status};

fn ranges(text: &str) -> Vec<LoginRanges> {
    LoginRanges::parse(text).unwrap().into_iter().collect()
}

#[tokio::test]
async fn who_may_not_use_apis_has_neither_a_token_nor_a_session_that_opens_one() {
    let (house, ada, _) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let token = house.newest_token("ada");
    let client = house.verifier().await;
    assert_eq!((status(&house, &token).await, status(&house, &session).await), (200, 200));

    set_policy(&house, |policy| policy.access = Access::WebOnly).await;

    assert_eq!((status(&house, &token).await, status(&house, &session).await), (401, 401));
    assert_eq!(house.introspect(&client, &session).await.body, INACTIVE);
    assert_eq!(house.get_as(&session, "/services/oauth2/userinfo").await.status, 401);
    assert_eq!(last_reason(&house, ada).await, "the profile does not let in by this way");
    set_policy(&house, |_| {}).await;
    assert_eq!((status(&house, &token).await, status(&house, &session).await), (200, 200));
}

#[tokio::test]
async fn a_token_is_good_within_the_login_hours_alone() {
    let (house, ada, token) = house_with_bearer().await;
    // The clock begins on a Monday at seven.
    let hours = LoginHours::parse("mon 06:00-08:00", "UTC").unwrap();

    set_policy(&house, |policy| policy.login_hours = vec![hours]).await;
    assert_eq!(status(&house, &token).await, 200);
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(status(&house, &token).await, 401);

    assert_eq!(last_reason(&house, ada).await, "outside the login hours of the profile");
}

/// Whom the proxy names; its own address is in no range.
const CLIENT: &str = "198.51.100.7";

/// A house behind a proxy that it believes, with Ada in it, whose token stands alone.
async fn house_behind_a_proxy() -> (TestHouse, Id<User>, String) {
    let trusted = vec![format!("{PEER}/32").parse().unwrap()];
    let house = TestHouse::open_with(|plan| plan.front.trusted_proxies = trusted).await;
    let ada = house.user("ada").await;
    house.set_bearer(Switch::On).await;
    let token = house.token("ada").await;
    (house, ada, token)
}

/// What each head of a proxy tells of a token that this client uses.
async fn status_from_client(house: &TestHouse, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("x-forwarded-for", CLIENT)];
    let mut statuses = Vec::new();
    for uri in PROXIES {
        statuses.push(house.ask(uri, &headers).await.status.as_u16());
    }
    statuses.dedup();
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    statuses[0]
}

#[tokio::test]
async fn a_token_is_good_from_within_the_login_ip_ranges_alone() {
    let (house, ada, token) = house_behind_a_proxy().await;

    set_policy(&house, |policy| policy.login_ranges = ranges("198.51.100.0/24")).await;
    assert_eq!(status_from_client(&house, &token).await, 200);
    set_policy(&house, |policy| policy.login_ranges = ranges("10.0.0.0/8")).await;
    assert_eq!(status_from_client(&house, &token).await, 401);

    assert_eq!(last_reason(&house, ada).await, "outside the login IP ranges of the profile");
}

#[tokio::test]
async fn under_the_duty_of_a_second_factor_at_apis_no_token_stands_alone() {
    let (house, ada, _) = house_with_bearer().await;
    let session = house.api_session("ada").await;
    let token = house.newest_token("ada");

    set_policy(&house, |policy| policy.duty = Duty::Web).await;
    assert_eq!(status(&house, &token).await, 200);
    set_policy(&house, |policy| policy.duty = Duty::WebAndApi).await;
    assert_eq!(status(&house, &token).await, 401);
    assert_eq!(status(&house, &session).await, 200, "it was opened before");

    let reason = "security token alone, where the profile demands a second factor at APIs";
    assert_eq!(last_reason(&house, ada).await, reason);
}

#[tokio::test]
async fn what_the_organization_demands_holds_beside_ones_own_profile() {
    let (house, ada, token) = house_behind_a_proxy().await;
    let everybodys = Policy { login_ranges: ranges(CLIENT), ..Policy::laxest() };
    let set = |policy| {
        profiles::set(&house.ctx, Actor::Operator, "Organization", |known| *known = policy)
    };

    set(everybodys.clone()).await.unwrap();
    assert_eq!(status_from_client(&house, &token).await, 200);
    // Each set must hold the address.
    set_policy(&house, |policy| policy.login_ranges = ranges("10.0.0.0/8")).await;
    assert_eq!(status_from_client(&house, &token).await, 401);
    set_policy(&house, |_| {}).await;
    assert_eq!(status_from_client(&house, &token).await, 200);
    set(Policy { login_ranges: ranges("10.0.0.0/8"), ..everybodys }).await.unwrap();

    assert_eq!(status_from_client(&house, &token).await, 401);
    assert_eq!(last_reason(&house, ada).await, "outside the login IP ranges of the profile");
}
