//! Profiles: what an administrator may set, whom they hold for, and when what they say takes effect.

use std::time::Duration;

use symbolon_app::context::Switch;
use symbolon_app::login::Entrance;
use symbolon_app::profiles::{self, SetError};
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, AppError, Origin, second_factors, sessions};
use symbolon_core::login_hours::LoginHours;
use symbolon_core::names::DisplayName;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{Access, Barrier, DAY, Duty, Policy};
use symbolon_core::session::SessionKind;

use crate::house::{PASSWORD, TestHouse, origin};
use crate::other_browsers::enter;

const MS: Duration = Duration::from_millis(1);

async fn add_profile(house: &TestHouse, name: &str, policy: Policy) {
    let name = DisplayName::parse(name).unwrap();
    profiles::add(&house.ctx, Actor::Operator, name, policy).await.unwrap();
}

async fn policy_of(house: &TestHouse, name: &str) -> Policy {
    let all = profiles::list(&house.ctx).await.unwrap();
    all.into_iter().find(|profile| profile.name == name).unwrap().policy
}

async fn set_by(
    house: &TestHouse,
    admin: &UserView,
    profile: &str,
    policy: Policy,
) -> Result<(), SetError> {
    let here: Origin = origin("10.1.2.3");
    let seen = policy_of(house, profile).await;
    profiles::set_by(&house.ctx, admin.id, &here, profile, (&seen, policy)).await.map(drop)
}

/// What would keep somebody off the pages who sits at 10.1.2.3 at the hour of the house, which is a Monday's.
fn shutting_out() -> [(Policy, Barrier); 3] {
    let hours = LoginHours::parse("sun 00:00-00:01", "UTC").unwrap();
    let ranges = LoginRanges::parse("192.0.2.0/24").unwrap().into_iter().collect();
    let open = Policy::laxest();
    [
        (Policy { access: Access::ApiOnly, ..open.clone() }, Barrier::Access),
        (Policy { login_hours: vec![hours], ..open.clone() }, Barrier::Hours),
        (Policy { login_ranges: ranges, ..open }, Barrier::Ranges),
    ]
}

#[tokio::test]
async fn an_administrator_cannot_shut_himself_out_by_his_own_profile_or_by_everybodys() {
    let house = TestHouse::new().await;
    let admin = house.administrator("root").await;
    for profile in ["Standard", "Organization"] {
        let before = policy_of(&house, profile).await;
        for (policy, barrier) in shutting_out() {
            let outcome = set_by(&house, &admin, profile, policy).await;

            assert!(matches!(outcome, Err(SetError::LocksOut(rule)) if rule == barrier));
        }
        assert_eq!(policy_of(&house, profile).await, before);
    }
}

#[tokio::test]
async fn an_administrator_may_shut_out_others_and_the_operator_everybody() {
    let house = TestHouse::new().await;
    let admin = house.administrator("root").await;
    add_profile(&house, "Robots", Policy::default()).await;
    for (policy, _) in shutting_out() {
        set_by(&house, &admin, "Robots", policy.clone()).await.unwrap();
        profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_user_is_put_under_another_profile_and_it_is_written_down() {
    let house = TestHouse::new().await;
    let (admin, jane) = (house.administrator("root").await, house.user("jane").await);
    add_profile(&house, "Sales", Policy::default()).await;
    let name = jane.username.as_str();
    let before = house.revision().await;

    profiles::assign_by(&house.ctx, admin.id, &origin("10.1.2.3"), name, "Sales").await.unwrap();

    let audited = house.last_audited(1).await.remove(0);
    assert_eq!(audited.action, "user.profile-changed");
    assert_eq!(audited.actor, format!("user:{}", admin.id));
    assert_eq!(audited.details, "from=Standard\nto=Sales");
    assert_eq!(users::show(&house.ctx, name).await.unwrap().profile, "Sales");
    assert_eq!(house.revision().await, before + 1, "the live view is told");

    profiles::assign(&house.ctx, Actor::Operator, name, "Sales").await.unwrap();
    assert_eq!(house.revision().await, before + 1, "nothing was changed again");
}

#[tokio::test]
async fn nobody_is_put_under_the_profile_of_everybody_or_under_none() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let assign = async |profile| {
        let name = jane.username.as_str();
        profiles::assign(&house.ctx, Actor::Operator, name, profile).await
    };

    assert!(matches!(assign("Organization").await, Err(AppError::Invalid(_))));
    assert!(matches!(assign("Nothing").await, Err(AppError::NotFound("profile"))));
    assert_eq!(users::show(&house.ctx, jane.username.as_str()).await.unwrap().profile, "Standard");
}

#[tokio::test]
async fn an_administrator_cannot_put_himself_where_he_is_shut_out_but_may_put_others_there() {
    let house = TestHouse::new().await;
    let (admin, jane) = (house.administrator("root").await, house.user("jane").await);
    add_profile(&house, "Robots", Policy { access: Access::ApiOnly, ..Policy::default() }).await;
    let assign = async |user: &UserView| {
        let (name, here) = (user.username.as_str(), origin("10.1.2.3"));
        profiles::assign_by(&house.ctx, admin.id, &here, name, "Robots").await
    };

    assert!(matches!(assign(&admin).await, Err(SetError::LocksOut(Barrier::Access))));
    assert!(assign(&jane).await.is_ok());
    assert_eq!(users::show(&house.ctx, admin.username.as_str()).await.unwrap().profile, "Standard");
}

#[tokio::test]
async fn the_shorter_idle_time_of_the_organization_ends_a_session() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let session = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();
    let six_minutes = Duration::from_mins(6);
    let everybodys = Policy { session_idle: six_minutes, ..Policy::laxest() };
    profiles::set(&house.ctx, Actor::Operator, "Organization", |known| *known = everybodys)
        .await
        .unwrap();
    let find = async || {
        let found = sessions::find(&house.ctx, SessionKind::Api, &session.secret).await;
        found.unwrap().map(|session| session.session_idle)
    };

    house.wait(six_minutes.saturating_sub(MS));
    assert_eq!(find().await, Some(six_minutes));
    house.wait(six_minutes);

    assert_eq!(find().await, None);
}

#[tokio::test]
async fn a_policy_is_replaced_only_where_it_is_still_the_one_that_was_seen() {
    let house = TestHouse::new().await;
    let admin = house.administrator("root").await;
    let seen = policy_of(&house, "Standard").await;
    let typed = Policy { lockout_failures: 3, ..seen.clone() };
    let shorten = |policy: &mut Policy| policy.token_max_age = 30 * DAY;
    let holds = profiles::set(&house.ctx, Actor::Operator, "Standard", shorten).await.unwrap();

    let here = origin("10.1.2.3");
    let replace = async |seen: &Policy| {
        let policies = (seen, Policy { lockout_failures: 3, ..seen.clone() });
        profiles::set_by(&house.ctx, admin.id, &here, "Standard", policies).await
    };
    let stale = replace(&seen).await;
    let untouched = policy_of(&house, "Standard").await;
    let fresh = replace(&holds.policy).await;

    assert!(matches!(stale, Err(SetError::ChangedMeanwhile)), "{stale:?}");
    assert_eq!(untouched, holds.policy);
    assert_eq!(fresh.unwrap().policy, Policy { token_max_age: 30 * DAY, ..typed });
}

#[tokio::test]
async fn another_profile_gives_no_new_time_for_what_the_organization_demands() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let demanding = Policy { duty: Duty::WebAndApi, ..Policy::laxest() };
    profiles::set(&house.ctx, Actor::Operator, "Organization", |known| *known = demanding)
        .await
        .unwrap();
    add_profile(&house, "Sales", Policy::default()).await;
    let before = second_factors::owed(&house.ctx, jane.id).await.unwrap();
    house.wait(60 * DAY);

    let name = jane.username.as_str();
    profiles::assign(&house.ctx, Actor::Operator, name, "Sales").await.unwrap();

    let after = second_factors::owed(&house.ctx, jane.id).await.unwrap();
    assert!(before.on_the_web.is_some() && before.at_apis.is_some());
    assert_eq!(after, before);
}

#[tokio::test]
async fn where_the_web_is_closed_to_a_profile_its_open_sessions_are_no_good() {
    let house = TestHouse::with_settings(|settings| settings.mail_configured = Switch::Off).await;
    let jane = house.user("jane").await;
    let Entrance::Opened(web) = enter(&house, &jane, PASSWORD, Vec::new()).await else {
        panic!("there is nothing to ask for")
    };
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&jane).await);
    let api = house.log_in(&jane, &credential).await.unwrap();
    let live = async |access| {
        let policy = Policy { access, ..Policy::default() };
        profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy)
            .await
            .unwrap();
        let web = sessions::find(&house.ctx, SessionKind::Web, &web.secret).await.unwrap();
        let api = sessions::find(&house.ctx, SessionKind::Api, &api.secret).await.unwrap();
        (web.is_some(), api.is_some())
    };

    assert_eq!(live(Access::WebAndApi).await, (true, true));
    assert_eq!(live(Access::ApiOnly).await, (false, true));
    assert_eq!(live(Access::WebOnly).await, (true, false));
}
