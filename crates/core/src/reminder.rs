//! Which reminder of a token's death is due: a pure function of its dates and of what was sent.
//!
//! It looks at what has passed and not at the day, so that a server that was down, or a clock that was put
//! on, owes one letter and not several; and at what was sent, so that a clock that was put back owes none
//! twice. Days are 24 hours: the time zone's summer time moves no reminder.

use crate::device_type::ReminderDays;
use crate::policy::DAY;
use crate::time::Timestamp;

/// What [`due`] names the letter that says that the token has expired.
pub const EXPIRED: u16 = 0;

/// The dates of a token, as far as reminders go by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
}

/// The reminder that is due, and the earlier ones that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct DueReminder {
    /// How many days before the token's death it is for; [`EXPIRED`] after that.
    pub days: u16,
    /// The days whose reminders need not be sent any more, whether they were or not.
    pub covers: Vec<u16>,
}

/// The reminder that is due for a token at `now`, if one is.
///
/// Of the days whose instant has passed it is the smallest, unless that one or a smaller one was sent. A day
/// whose instant passed before the token was issued is none of its days: a token that is made for a week is
/// not announced to die within a month on the day of its issue. Where the token has died while a reminder
/// was owed, the letter that says so takes the reminder's place.
pub fn due(
    days: &ReminderDays,
    lifetime: Lifetime,
    sent: &[u16],
    now: Timestamp,
) -> Option<DueReminder> {
    let Lifetime { issued_at, expires_at } = lifetime;
    let instant = |day: u16| expires_at - DAY * u32::from(day);
    let of_this_token = |day: &u16| instant(*day) > issued_at;
    let passed: Vec<u16> = days
        .days()
        .iter()
        .copied()
        .filter(of_this_token)
        .filter(|day| instant(*day) <= now)
        .collect();
    let smallest = *passed.iter().min()?;
    if sent.iter().any(|day| *day <= smallest) {
        return None;
    }
    let days = if now >= expires_at { EXPIRED } else { smallest };
    Some(DueReminder { days, covers: passed.into_iter().filter(|day| *day != days).collect() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const ISSUED_AT: Timestamp = Timestamp::from_unix_ms(1_795_417_200_000);
    const MS: Duration = Duration::from_millis(1);

    fn year() -> Lifetime {
        Lifetime { issued_at: ISSUED_AT, expires_at: ISSUED_AT + 365 * DAY }
    }

    fn days_due(sent: &[u16], before_death: Duration) -> Option<u16> {
        let now = year().expires_at - before_death;
        due(&ReminderDays::default(), year(), sent, now).map(|reminder| reminder.days)
    }

    #[test]
    fn each_reminder_is_due_from_its_instant_on() {
        assert_eq!(days_due(&[], 30 * DAY + MS), None);
        assert_eq!(days_due(&[], 30 * DAY), Some(30));
        assert_eq!(days_due(&[30], 14 * DAY + MS), None);
        assert_eq!(days_due(&[30], 14 * DAY), Some(14));
        assert_eq!(days_due(&[30, 14], 7 * DAY), Some(7));
        assert_eq!(days_due(&[30, 14, 7], DAY), Some(1));
        assert_eq!(days_due(&[30, 14, 7, 1], MS), None);
    }

    #[test]
    fn a_server_that_was_down_owes_one_letter_for_all_that_it_missed() {
        let now = year().expires_at - 3 * DAY;

        let reminder = due(&ReminderDays::default(), year(), &[], now);

        assert_eq!(reminder, Some(DueReminder { days: 7, covers: vec![30, 14] }));
    }

    #[test]
    fn a_token_that_died_with_a_reminder_owed_is_told_of_as_dead() {
        let at_death = |sent: &[u16]| days_due(sent, Duration::ZERO);

        assert_eq!(at_death(&[30, 14, 7]), Some(EXPIRED));
        assert_eq!(at_death(&[30, 14, 7, 1]), None);
        assert_eq!(at_death(&[EXPIRED]), None);
    }

    #[test]
    fn a_clock_that_is_put_back_owes_nothing_twice() {
        assert_eq!(days_due(&[1], 20 * DAY), None);
        assert_eq!(days_due(&[7, 14, 30], 29 * DAY), None);
    }

    #[test]
    fn a_short_lived_token_is_not_reminded_of_on_the_day_of_its_issue() {
        let week = Lifetime { issued_at: ISSUED_AT, expires_at: ISSUED_AT + 7 * DAY };
        let at = |now| due(&ReminderDays::default(), week, &[], now);

        assert_eq!(at(ISSUED_AT), None);
        assert_eq!(at(ISSUED_AT + 5 * DAY), None);
        assert_eq!(at(ISSUED_AT + 6 * DAY), Some(DueReminder { days: 1, covers: vec![] }));
    }

    #[test]
    fn without_days_nobody_is_reminded() {
        let none = ReminderDays::parse("").unwrap();

        assert_eq!(due(&none, year(), &[], year().expires_at - DAY), None);
        assert_eq!(due(&none, year(), &[], year().expires_at + DAY), None);
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_no_day_comes_twice_and_none_after_a_smaller_one(
            looks in proptest::collection::vec(0_i64..370 * 24, 1..40),
        ) {
            let mut sent = Vec::new();
            let mut told = Vec::new();
            for hour in looks {
                let now = Timestamp::from_unix_ms(ISSUED_AT.unix_ms() + hour * 3_600_000);
                if let Some(reminder) = due(&ReminderDays::default(), year(), &sent, now) {
                    prop_assert!(told.iter().all(|earlier| *earlier > reminder.days));
                    told.push(reminder.days);
                    sent.push(reminder.days);
                    sent.extend(reminder.covers);
                }
            }
        }

        #[test]
        fn whoever_looks_at_last_has_nothing_left_to_say(
            looks in proptest::collection::vec(0_i64..370 * 24, 0..20),
        ) {
            let mut sent = Vec::new();
            let mut look = |now| {
                let reminder = due(&ReminderDays::default(), year(), &sent, now);
                if let Some(reminder) = &reminder {
                    sent.push(reminder.days);
                    sent.extend(&reminder.covers);
                }
                reminder.is_some()
            };
            for hour in &looks {
                look(Timestamp::from_unix_ms(ISSUED_AT.unix_ms() + hour * 3_600_000));
            }
            look(year().expires_at);
            prop_assert!(!look(year().expires_at));
        }
    }
}
