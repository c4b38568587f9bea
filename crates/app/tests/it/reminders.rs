//! Reminders and the weekly digest: each once, whoever looks when and how often, and whatever the clock does.

use std::time::Duration;

use symbolon_app::users::UserView;
use symbolon_app::{Actor, delivery, device_types, digest, reminders, users};
use symbolon_core::Timestamp;
use symbolon_core::device_type::ReminderDays;
use symbolon_core::names::{DeviceType, EmailAddress};
use symbolon_core::policy::DAY;
use symbolon_core::weekly::Zone;

use crate::house::{Letter, PASSWORD, T0, TestHouse};

const YEAR: Duration = DAY.saturating_mul(365);

/// Lets a sweep happen and its letters arrive; the subjects of those that are reminders.
async fn swept(house: &TestHouse) -> Vec<String> {
    let before = reminders_in(&house.arrived()).len();
    reminders::sweep(&house.ctx).await.unwrap();
    house.deliver_mail().await;
    reminders_in(&house.arrived()).split_off(before)
}

fn reminders_in(letters: &[Letter]) -> Vec<String> {
    let is_reminder = |letter: &&Letter| letter.subject.contains("expire");
    letters.iter().filter(is_reminder).map(|letter| letter.subject.clone()).collect()
}

/// A house with Jane, whose token is so old that this is left of it.
async fn house_with_left(left: Duration) -> (TestHouse, UserView) {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset_and_read(&jane).await;
    house.wait(YEAR.saturating_sub(left));
    (house, jane)
}

const SOON: &str = "Your Acme security token expires on 23 November 2027";
const EXPIRED: &str = "Your Acme security token has expired";

#[tokio::test]
async fn an_owner_is_reminded_once_on_each_of_the_days() {
    let (house, _) = house_with_left(30 * DAY + Duration::from_millis(1)).await;
    assert!(swept(&house).await.is_empty());

    house.wait(Duration::from_millis(1));
    let mut reminded = Vec::new();
    for _ in 0..(30 * 24) {
        reminded.extend(swept(&house).await);
        house.wait(Duration::from_hours(1));
    }

    assert_eq!(reminded, [SOON; 4]);
}

#[tokio::test]
async fn the_end_of_summer_time_between_two_reminders_moves_neither() {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let house = TestHouse::with_settings(|settings| settings.time_zone = zone).await;
    let jane = house.user("jane").await;
    house.reset_and_read(&jane).await;

    // The token dies on 2027-11-23; Berlin puts the clock back on 2027-10-31.
    let mut waited = Duration::ZERO;
    for days_left in [30, 14] {
        let due = YEAR.saturating_sub(days_left * DAY);
        house.wait(due.saturating_sub(waited).saturating_sub(Duration::from_millis(1)));
        assert!(swept(&house).await.is_empty(), "{days_left} days before");
        house.wait(Duration::from_millis(1));
        assert_eq!(swept(&house).await, [SOON], "{days_left} days before");
        waited = due;
    }
}

#[tokio::test]
async fn a_reminder_names_who_uses_the_token_and_leads_to_the_reset() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    house.wait(325 * DAY);
    house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();
    symbolon_app::scribe::Scribe::default().write_down(&house.ctx).await.unwrap();
    house.wait(10 * DAY);

    swept(&house).await;

    let text = house.arrived().pop().unwrap().text;
    assert!(text.contains("expires in 30 days at most"), "{text}");
    assert!(text.contains("Used by: jsforce/3.10 from 10.1.2.3, last on "), "{text}");
    assert!(text.contains("https://symbolon.example/setup/reset-security-token"), "{text}");
    assert!(!text.contains(&token));
}

#[tokio::test]
async fn the_delivery_contact_is_reminded_as_well_and_both_letters_end_with_the_token() {
    let house = TestHouse::new().await;
    let (jane, joe) = (house.user("jane").await, house.user("joe").await);
    for user in [&jane, &joe] {
        let contact = EmailAddress::parse("integrations@example.com").unwrap();
        let username = user.username.as_str();
        delivery::set_for(&house.ctx, Actor::Operator, username, Some(contact)).await.unwrap();
        house.reset_and_read(user).await;
    }
    house.wait(335 * DAY);
    assert_eq!(reminders::sweep(&house.ctx).await.unwrap(), 2);

    house.reset(&joe).await;
    house.deliver_mail().await;

    let arrived = house.arrived();
    let reminders = arrived.iter().filter(|letter| letter.subject == SOON);
    let mut reminded: Vec<&str> = reminders.map(|letter| letter.to.as_str()).collect();
    reminded.sort_unstable();
    assert_eq!(reminded, ["integrations@example.com", jane.email.as_str()]);
    assert_eq!(reminders::sweep(&house.ctx).await.unwrap(), 0);
}

#[tokio::test]
async fn what_was_missed_while_no_server_ran_comes_as_one_letter() {
    let (house, _) = house_with_left(3 * DAY).await;

    assert_eq!(swept(&house).await, [SOON]);
    assert!(swept(&house).await.is_empty());
    house.wait(2 * DAY);
    assert_eq!(swept(&house).await, [SOON]);
}

#[tokio::test]
async fn a_token_that_died_while_no_server_ran_is_told_of_as_dead_once() {
    let (house, _) = house_with_left(Duration::ZERO).await;

    assert_eq!(swept(&house).await, [EXPIRED]);
    house.wait(DAY);
    assert!(swept(&house).await.is_empty());
}

#[tokio::test]
async fn what_died_long_ago_is_told_of_no_more() {
    let (house, _) = house_with_left(Duration::ZERO).await;
    house.wait(31 * DAY);

    assert!(swept(&house).await.is_empty());
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_and_is_put_back_doubles_nothing() {
    let (house, _) = house_with_left(20 * DAY).await;
    assert_eq!(swept(&house).await.len(), 1);

    house.wait(19 * DAY);
    assert_eq!(swept(&house).await.len(), 1);
    house.put_back(19 * DAY);

    for _ in 0..20 {
        assert!(swept(&house).await.is_empty());
        house.wait(DAY);
    }
}

#[tokio::test]
async fn who_is_frozen_or_has_reset_since_is_not_reminded() {
    let (house, jane) = house_with_left(10 * DAY).await;
    let joe = house.user("joe").await;
    house.reset(&joe).await;
    users::freeze(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();

    assert!(swept(&house).await.is_empty());
    users::unfreeze(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();
    assert_eq!(swept(&house).await, [SOON]);
}

#[tokio::test]
async fn a_reminder_that_still_waits_is_ended_by_the_reset() {
    let (house, jane) = house_with_left(10 * DAY).await;
    reminders::sweep(&house.ctx).await.unwrap();

    house.reset(&jane).await;
    house.deliver_mail().await;

    assert!(reminders_in(&house.arrived()).is_empty());
}

#[tokio::test]
async fn the_days_are_those_of_the_device_type() {
    let (house, _) = house_with_left(60 * DAY).await;
    let any = DeviceType::any();
    let days = ReminderDays::parse("60").unwrap();
    device_types::set(&house.ctx, Actor::Operator, &any, |rules| rules.reminders = days)
        .await
        .unwrap();

    assert_eq!(swept(&house).await, [SOON]);
    house.wait(40 * DAY);
    assert!(swept(&house).await.is_empty());
}

/// Gives so many users, all like this one, a token that was issued now.
async fn copy_tokens(house: &TestHouse, user: &UserView, count: i64) {
    const USER: &str = "
        INSERT INTO user_account (id, username, username_key, email, name, profile_id, profile_since,
                                  password_hash, password_key, epoch, failures, created_at)
        SELECT $1, username, $2, email, name, profile_id, profile_since, password_hash, password_key,
               1, 0, created_at
        FROM user_account WHERE id = $3";
    const TOKEN: &str = "
        INSERT INTO token (id, user_id, device_type, digest, issued_at, expires_at, issued_as, issued_scope)
        VALUES ($1, $1, 'any', $2, $3, $4, 'reset', 'account')";
    let now = T0;
    let end = (Timestamp::from_unix_ms(T0) + YEAR).unix_ms();
    let mut tx = house.ctx.store.begin().await.unwrap();
    for number in 1..=count {
        let key = format!("copy{number}@example.com");
        let copied = [number.into(), key.as_str().into(), user.id.raw().into()];
        tx.execute_one(USER, &copied).await.unwrap();
        let mut digest = [0_u8; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        let token = [number.into(), digest.as_slice().into(), now.into(), end.into()];
        tx.execute_one(TOKEN, &token).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn more_tokens_than_a_page_holds_are_all_reminded_of_and_each_once() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    copy_tokens(&house, &jane, 1203).await;
    house.wait(335 * DAY);

    assert_eq!(reminders::sweep(&house.ctx).await.unwrap(), 1203);
    assert_eq!(reminders::sweep(&house.ctx).await.unwrap(), 0);
}

// The digest. T0 is a Monday, 07:00 in UTC, and the house was founded then.

fn digests_in(letters: &[Letter]) -> usize {
    letters.iter().filter(|letter| letter.subject == "Acme security tokens this week").count()
}

async fn digests(house: &TestHouse) -> usize {
    digest::write_if_due(&house.ctx).await.unwrap();
    house.deliver_mail().await;
    digests_in(&house.arrived())
}

async fn house_with_administrator(zone: &str) -> TestHouse {
    let zone = Zone::parse(zone).unwrap();
    let house = TestHouse::with_settings(|settings| settings.time_zone = zone).await;
    house.administrator("ada").await;
    house.user("jane").await;
    house
}

#[tokio::test]
async fn administrators_get_a_digest_each_monday_at_eight_and_nobody_else_does() {
    let house = house_with_administrator("UTC").await;
    assert_eq!(digests(&house).await, 0);

    house.wait(Duration::from_hours(1));
    assert_eq!(digests(&house).await, 1);
    for _ in 0..(7 * 24 - 1) {
        house.wait(Duration::from_hours(1));
        assert_eq!(digests(&house).await, 1);
    }
    house.wait(Duration::from_hours(1));
    assert_eq!(digests(&house).await, 2);
}

#[tokio::test]
async fn the_digest_keeps_to_the_hour_on_the_wall_over_the_end_of_summer_time() {
    let house = house_with_administrator("Europe/Berlin").await;
    // Sunday, 2027-10-31 is when Berlin puts the clock back; the Monday before and that after.
    let before = Timestamp::from_unix_ms(1_824_444_000_000);
    let after = Timestamp::from_unix_ms(1_825_052_400_000);
    let wait_until = |at: Timestamp| {
        let now = house.ctx.clock.now();
        house.wait(at.since(now));
    };

    wait_until(before - Duration::from_millis(1));
    let count = digests(&house).await;
    wait_until(before);
    assert_eq!(digests(&house).await, count + 1);
    wait_until(after - Duration::from_millis(1));
    assert_eq!(digests(&house).await, count + 1);
    wait_until(after);
    assert_eq!(digests(&house).await, count + 2);
}

#[tokio::test]
async fn a_digest_that_was_missed_comes_once_with_the_next_start() {
    let house = house_with_administrator("UTC").await;
    house.wait(24 * DAY);

    assert_eq!(digests(&house).await, 1);
    house.put_back(DAY);
    assert_eq!(digests(&house).await, 1);
}

#[tokio::test]
async fn the_digest_counts_tokens_and_names_the_next_to_die() {
    let house = house_with_administrator("UTC").await;
    let joe = house.user("joe").await;
    house.reset(&joe).await;
    house.wait(345 * DAY);

    digests(&house).await;

    let text =
        house.arrived().into_iter().rfind(|letter| letter.subject.contains("week")).unwrap().text;
    for line in [
        "Expire within 30 days: 1",
        "Expired within 30 days: 0",
        "Never used in 30 days: 1",
        "Users without second factor: 3",
        "Username: joe@example.com",
        "Device type: any",
        "Expires at: 23 November 2027, 07:00 UTC",
        "Used by: nothing of late",
        "https://symbolon.example/setup/users/joe@example.com/reset-security-token",
        "https://symbolon.example/setup/all-tokens",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(house.ctx.clock.now(), Timestamp::from_unix_ms(T0) + 345 * DAY);
}

#[tokio::test]
async fn the_digest_names_who_logs_in_with_a_token_and_from_where() {
    let house = house_with_administrator("UTC").await;
    let joe = house.user("joe").await;
    let token = house.reset_and_read(&joe).await;
    house.wait(340 * DAY);
    house.log_in(&joe, &format!("{PASSWORD}{token}")).await.unwrap();
    house.wait(5 * DAY);

    digests(&house).await;

    let digest = house.arrived().into_iter().rfind(|letter| letter.subject.contains("week"));
    let text = digest.unwrap().text;
    assert!(text.contains("Used by: jsforce/3.10 from 10.1.2.3, last on "), "{text}");
}

#[tokio::test]
async fn a_new_token_does_not_queue_behind_reminders() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    copy_tokens(&house, &jane, 100).await;
    house.wait(335 * DAY);
    reminders::sweep(&house.ctx).await.unwrap();
    house.wait(Duration::from_mins(1));

    house.reset(&jane).await;
    house.deliver_mail().await;

    let first: Vec<String> =
        house.arrived().into_iter().take(2).map(|letter| letter.subject).collect();
    assert!(first.contains(&"Your new Acme security token".to_owned()), "{first:?}");
    assert_eq!(house.arrived().len(), 102);
}
