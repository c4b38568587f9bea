//! Weeks, as the weekly digest counts them: from Monday, 08:00 on the wall, to the next.

use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::time::Timestamp;

const HOUR: i8 = 8;

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// There is no such time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must name a time zone such as `Europe/Berlin` or `UTC`")]
pub struct ZoneError;

/// A week: it begins on a Monday at 08:00 on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week {
    /// Names it, whatever becomes of the zone: days from 1970-01-01 to its Monday.
    pub number: i64,
    /// The instant at which it began.
    pub began_at: Timestamp,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Finds the zone of this IANA name.
    ///
    /// # Errors
    /// [`ZoneError`] where there is none.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        TimeZone::get(name.trim()).map(Self).map_err(|_| ZoneError)
    }

    /// The week that `now` lies in; `None` beyond the calendar.
    ///
    /// An hour that the clock skips counts as the one after it, an hour that comes twice as its first.
    pub fn week_of(&self, now: Timestamp) -> Option<Week> {
        let instant = jiff::Timestamp::from_millisecond(now.unix_ms()).ok()?;
        let today = instant.to_zoned(self.0.clone()).date();
        let since_monday = i64::from(today.weekday().since(Weekday::Monday));
        let monday = back(today, since_monday)?;
        let this = self.beginning_on(monday)?;
        if this.began_at <= now { Some(this) } else { self.beginning_on(back(monday, 7)?) }
    }

    fn beginning_on(&self, monday: Date) -> Option<Week> {
        let began = monday.at(HOUR, 0, 0, 0).to_zoned(self.0.clone()).ok()?;
        let midnight = monday.to_zoned(TimeZone::UTC).ok()?;
        Some(Week {
            number: midnight.timestamp().as_second().div_euclid(24 * 60 * 60),
            began_at: Timestamp::from_unix_ms(began.timestamp().as_millisecond()),
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

fn back(date: Date, days: i64) -> Option<Date> {
    date.checked_sub(jiff::Span::new().try_days(days).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 6] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kolkata",
    ];

    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_unix_ms(at.as_millisecond())
    }

    fn began(zone: &str, now: &str) -> String {
        Zone::parse(zone).unwrap().week_of(at(now)).unwrap().began_at.to_string()
    }

    #[test]
    fn a_week_begins_on_monday_at_eight_on_the_wall() {
        assert_eq!(began("UTC", "2026-11-23T07:59:59Z"), "2026-11-16T08:00:00Z");
        assert_eq!(began("UTC", "2026-11-23T08:00:00Z"), "2026-11-23T08:00:00Z");
        assert_eq!(began("Europe/Berlin", "2026-11-23T07:00:00Z"), "2026-11-23T07:00:00Z");
        assert_eq!(began("Asia/Kolkata", "2026-11-22T12:00:00Z"), "2026-11-16T02:30:00Z");
    }

    #[test]
    fn summer_time_begins_and_ends_without_moving_the_hour_on_the_wall() {
        // Berlin puts the clock on in the night to 2026-03-29 and back in the night to 2026-10-25, both Sundays.
        assert_eq!(began("Europe/Berlin", "2026-03-27T12:00:00Z"), "2026-03-23T07:00:00Z");
        assert_eq!(began("Europe/Berlin", "2026-03-30T05:59:59Z"), "2026-03-23T07:00:00Z");
        assert_eq!(began("Europe/Berlin", "2026-03-30T06:00:00Z"), "2026-03-30T06:00:00Z");
        assert_eq!(began("Europe/Berlin", "2026-10-26T06:59:59Z"), "2026-10-19T06:00:00Z");
        assert_eq!(began("Europe/Berlin", "2026-10-26T07:00:00Z"), "2026-10-26T07:00:00Z");
    }

    #[test]
    fn a_zone_is_known_by_its_name_alone() {
        assert_eq!(Zone::parse(" Europe/Berlin ").unwrap().to_string(), "Europe/Berlin");
        assert_eq!(Zone::parse("Mars/Olympus"), Err(ZoneError));
    }

    proptest! {
        #[test]
        fn weeks_follow_each_other_without_gap_or_overlap(
            zone in proptest::sample::select(&ZONES[..]),
            // From 2000 to 2050.
            seconds in 946_684_800_i64..2_524_608_000,
        ) {
            let zone = Zone::parse(zone).unwrap();
            let now = Timestamp::from_unix_ms(seconds * 1000);

            let week = zone.week_of(now).unwrap();
            let before = zone.week_of(week.began_at - std::time::Duration::from_millis(1)).unwrap();

            prop_assert!(week.began_at <= now);
            prop_assert_eq!(zone.week_of(week.began_at), Some(week));
            prop_assert_eq!(before.number, week.number - 7);
            prop_assert!(now.since(week.began_at) < std::time::Duration::from_hours(7 * 24 + 25));
        }

        #[test]
        fn no_instant_makes_it_panic(ms: i64) {
            let _ = Zone::UTC.week_of(Timestamp::from_unix_ms(ms));
        }
    }
}
