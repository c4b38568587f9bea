//! Pages of profiles: every value in one form, faults at their fields, what holds for everybody, and who is
//! put under which.

use std::time::Duration;

use http::StatusCode;
use symbolon_app::passwords::{self, Expiry};
use symbolon_app::profiles::{self, ProfileView};
use symbolon_app::{Actor, users};
use symbolon_core::policy::{DAY, Duty, MailEncryption, PasswordPolicy, Policy};

use crate::administration::Administrator;
use crate::challenge::Jar;
use crate::house::TestHouse;

const PROFILES: &str = "/setup/profiles";
const ADD: &str = "/setup/add-profile";

/// A form that is filled in, but for `access` and `login_ranges`.
const FILLED_IN: &str = "&login_hours=mon-sun+00:00-24:00&time_zone=Europe/Berlin&duty=web&enrol_grace=7\
    &session_idle=30&web_lifetime=720&password_min_length=15&password_kinds=3&password_history=5\
    &password_max_age=90&token_max_age=100&on_reset=keep&on_password_change=reset&mail_encryption=required\
    &lockout_failures=5&lockout_period=60";

async fn profile(house: &TestHouse, name: &str) -> ProfileView {
    let all = profiles::list(&house.ctx).await.unwrap();
    all.into_iter().find(|profile| profile.name == name).unwrap()
}

#[tokio::test]
async fn every_value_of_a_profile_is_set_on_its_page_and_shown_there() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let path = format!("{PROFILES}/{}", profile(&house, "Standard").await.id);

    let fields = format!("&access=web&login_ranges=0.0.0.0/0,+::/0{FILLED_IN}");
    let saved = root.post(&path, &path, &fields).await;

    assert_eq!(saved.header("location"), "/setup/profiles?done=profile-saved", "{}", saved.body);
    let policy = profile(&house, "Standard").await.policy;
    assert_eq!(policy.login_hours[0].to_string(), "mon-sun 00:00-24:00");
    assert_eq!(policy.login_ranges[0].to_string(), "0.0.0.0/0, ::/0");
    assert_eq!((policy.duty, policy.enrol_grace), (Duty::Web, 7 * DAY));
    assert_eq!(policy.web_lifetime, Duration::from_hours(12));
    assert_eq!(policy.mail_encryption, MailEncryption::Required);
    let max_age = Some(90 * DAY);
    let expected = PasswordPolicy { min_length: 15, kinds: 3, history: 5, max_age };
    assert_eq!(policy.password, expected);
    let shown = root.see(&path).await.body;
    for heading in
        ["Log-in", "Second factor", "Sessions", "Passwords", "Security tokens", "Lockout"]
    {
        assert!(shown.contains(&format!("<legend><h2>{heading}</h2></legend>")), "{heading}");
    }
    for value in [r#"value="mon-sun 00:00-24:00""#, r#"value="Europe/Berlin""#, r#"value="720""#] {
        assert!(shown.contains(value), "{value}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_told_at_each_field_and_nothing_is_saved() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let path = format!("{PROFILES}/{}", profile(&house, "Standard").await.id);

    let wrong = "&access=web-and-api&login_ranges=here&login_hours=8+to+6&time_zone=UTC&duty=web";
    let refused = root.post(&path, &path, wrong).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["login_hours", "login_ranges", "session_idle", "password_kinds"] {
        assert!(refused.body.contains(&format!(r#"id="{field}-fault""#)), "{field}");
    }
    assert!(!refused.body.contains(r#"id="access-fault""#));
    assert_eq!(profile(&house, "Standard").await.policy, Policy::default());
}

#[tokio::test]
async fn an_administrator_who_would_lock_himself_out_is_told_so_at_the_field() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    for name in ["Standard", "Organization"] {
        let before = profile(&house, name).await;
        let path = format!("{PROFILES}/{}", before.id);
        for (access, ranges, field) in
            [("api", "", "access"), ("web", "198.51.100.0/24", "login_ranges")]
        {
            let fields = format!("&access={access}&login_ranges={ranges}{FILLED_IN}");
            let refused = root.post(&path, &path, &fields).await;

            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            let fault = format!(r#"id="{field}-fault">This would lock you out"#);
            assert!(refused.body.contains(&fault), "{}", refused.body);
        }
        assert_eq!(profile(&house, name).await.policy, before.policy);
    }
}

#[tokio::test]
async fn the_page_of_a_profile_says_where_the_organization_is_stricter() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let everybodys = Policy { session_idle: Duration::from_mins(20), ..Policy::laxest() };
    profiles::set(&house.ctx, Actor::Operator, "Organization", |known| *known = everybodys)
        .await
        .unwrap();
    let standard = profile(&house, "Standard").await.id;
    let organization = profile(&house, "Organization").await.id;

    let listed = root.see(PROFILES).await.body;
    let shown = root.see(&format!("{PROFILES}/{standard}")).await.body;
    let everybodys = root.see(&format!("{PROFILES}/{organization}")).await.body;

    assert!(listed.contains("Holds for everybody"));
    let told = "holds for everybody and is stricter; in force is: 20.";
    assert_eq!(shown.matches(told).count(), 1);
    assert_eq!(everybodys.matches("and is stricter").count(), 0);
}

#[tokio::test]
async fn a_profile_is_added_once_and_users_are_put_under_it() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    house.user("ada").await;
    let name = users::list(&house.ctx, 10, None).await.unwrap()[0].username.to_string();
    let page = format!("/setup/users/{name}/profile");
    let sales = format!("&name=Sales&access=web-and-api&login_ranges={FILLED_IN}");

    let added = root.post(ADD, ADD, &sales).await;
    let again = root.post(ADD, ADD, &sales).await;
    let offered = root.see(&page).await.body;
    let moved = root.post(&page, &page, "&profile=Sales").await;
    let nobodys = root.post(&page, &page, "&profile=Organization").await;

    assert_eq!(added.header("location"), "/setup/profiles?done=profile-added", "{}", added.body);
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.body.contains(r#"id="name-fault""#));
    assert!(offered.contains(r#"value="Sales""#) && !offered.contains(r#"value="Organization""#));
    assert_eq!(moved.header("location"), format!("/setup/users/{name}?done=profile-changed"));
    assert_eq!(nobodys.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(users::show(&house.ctx, &name).await.unwrap().profile, "Sales");
}

/// Tries a wrong password so often, and then the right one; tells whether that was let in.
async fn gets_in_after(house: &TestHouse, jar: &Jar, wrong: u32) -> bool {
    let mut jar = jar.anew();
    for _ in 0..wrong {
        let fields = [("username", "ada@example.com"), ("password", "not the right one")];
        jar.post(house, ("/login", "/login"), &fields).await;
    }
    jar.log_in(house, "ada").await.status == StatusCode::SEE_OTHER
}

#[tokio::test]
async fn the_failures_that_lock_somebody_out_are_those_of_his_profile_where_they_are_fewer() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let mut jar = Jar::default();
    jar.come_in(&house, "ada").await;
    let strict = Policy { lockout_failures: 3, ..Policy::default() };

    let ten_lock = gets_in_after(&house, &jar, 3).await;
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = strict).await.unwrap();
    let two = gets_in_after(&house, &jar, 2).await;
    let three = gets_in_after(&house, &jar, 3).await;

    assert_eq!((ten_lock, two, three), (true, true, false));
}

#[tokio::test]
async fn a_lockout_lasts_as_long_as_the_profile_of_the_locked_out_says() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let five = Duration::from_mins(5);
    let brief = Policy { lockout_failures: 3, lockout_period: five, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = brief).await.unwrap();
    let jar = Jar::default();

    let at_once = gets_in_after(&house, &jar, 3).await;
    house.clock.advance(five.saturating_sub(Duration::from_secs(1)));
    let just_before = gets_in_after(&house, &jar, 0).await;
    house.clock.advance(Duration::from_secs(1));
    let then = gets_in_after(&house, &jar, 0).await;

    assert_eq!((at_once, just_before, then), (false, false, true));
}

#[tokio::test]
async fn who_must_change_the_password_is_told_why() {
    let house = TestHouse::open().await;
    let root = house.administrator("root").await;
    let daily = PasswordPolicy { max_age: Some(DAY), ..Policy::default().password };
    let policy = Policy { password: daily, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
    house.clock.advance(DAY);

    let browser = Administrator::logged_in(&house).await;

    assert_eq!(passwords::expiry(&house.ctx, root).await.unwrap(), Some(Expiry::TooOld));
    let led = browser.see(PROFILES).await;
    assert_eq!(led.header("location"), "/setup/personal-information/password");
    let shown = browser.see(led.header("location")).await.body;
    assert!(shown.contains("Your password is older than your profile allows."));
}

#[tokio::test]
async fn a_form_that_was_opened_before_another_change_of_the_profile_does_not_undo_it() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let path = format!("{PROFILES}/{}", profile(&house, "Standard").await.id);
    let fields = format!("&access=web-and-api&login_ranges={FILLED_IN}");
    let opened = root.see(&path).await.body;
    let shorten = |policy: &mut Policy| policy.token_max_age = 30 * DAY;
    profiles::set(&house.ctx, Actor::Operator, "Standard", shorten).await.unwrap();
    let before = profile(&house, "Standard").await.policy;

    let stale = root.post_as_seen(&opened, &path, &fields).await;
    let untouched = profile(&house, "Standard").await.policy;
    let again = root.post_as_seen(&stale.body, &path, &fields).await;

    assert_eq!(stale.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(stale.body.contains("Somebody has changed this since you opened the page"));
    assert_eq!(untouched, before);
    assert_eq!(again.header("location"), "/setup/profiles?done=profile-saved", "{}", again.body);
    assert_eq!(profile(&house, "Standard").await.policy.token_max_age, 100 * DAY);
}
