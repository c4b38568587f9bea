//! Login hours: at which hours of which weekdays a profile's users may log in.

use std::fmt;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::time::Timestamp;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// More windows than anybody's week has.
const MOST_WINDOWS: usize = 32;
/// The seven days as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The hours of one profile, in its time zone. Without a window there is no restriction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginHours {
    windows: Vec<Window>,
    zone: TimeZone,
}

/// From when until when on which days; it reaches into the next day where `until` is not later than
/// `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    first: Weekday,
    last: Weekday,
    from: u16,
    until: u16,
}

/// Why a text is no login hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoginHoursError {
    /// A window is not written as it should be.
    #[error("must be hours such as `mon-fri 08:00-18:00; sat 09:00-12:00`, or empty for any time")]
    Window,
    /// Too many windows.
    #[error("must not have more than {MOST_WINDOWS} windows")]
    TooMany,
    /// There is no such time zone.
    #[error("must name a time zone such as `Europe/Berlin` or `UTC`")]
    Zone,
}

impl LoginHours {
    /// Any time.
    pub const ALWAYS: Self = Self { windows: Vec::new(), zone: TimeZone::UTC };

    /// Reads hours (`mon-fri 08:00-18:00; sat 22:00-06:00`; empty: any time) and the name of an IANA
    /// time zone.
    ///
    /// # Errors
    /// [`LoginHoursError`].
    pub fn parse(hours: &str, zone: &str) -> Result<Self, LoginHoursError> {
        let zone = TimeZone::get(zone.trim()).map_err(|_| LoginHoursError::Zone)?;
        let texts = hours.split(';').map(str::trim).filter(|text| !text.is_empty());
        let windows: Vec<Window> =
            texts.map(parse_window).collect::<Option<_>>().ok_or(LoginHoursError::Window)?;
        if windows.len() > MOST_WINDOWS {
            return Err(LoginHoursError::TooMany);
        }
        Ok(Self { windows, zone })
    }

    /// Whether `now` lies within a window. Hours are those on the wall in the profile's time zone: where
    /// the clock is put on, the hour that is skipped does not come, and where it is put back it comes twice.
    pub fn allow(&self, now: Timestamp) -> bool {
        let Some((day, minute)) = self.on_the_wall(now) else {
            return self.windows.is_empty();
        };
        self.windows.is_empty() || self.windows.iter().any(|window| window.holds(day, minute))
    }

    fn on_the_wall(&self, now: Timestamp) -> Option<(Weekday, u16)> {
        let at = jiff::Timestamp::from_millisecond(now.unix_ms()).ok()?;
        let at = at.to_zoned(self.zone.clone()).datetime();
        let minute = u16::try_from(at.hour()).ok()? * 60 + u16::try_from(at.minute()).ok()?;
        Some((at.weekday(), minute))
    }

    /// The day and hour of `now` on the wall in the profile's time zone, for people.
    pub fn wall_clock(&self, now: Timestamp) -> String {
        let clock = self.on_the_wall(now).map(|(day, minute)| {
            format!("{} {} {}", day_text(day), clock_text(minute), self.zone_name())
        });
        clock.unwrap_or_else(|| now.to_string())
    }

    /// The name of the time zone.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// The hours without the zone, as [`LoginHours::parse`] reads them.
impl fmt::Display for LoginHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, window) in self.windows.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            window.fmt(f)?;
        }
        Ok(())
    }
}

impl Window {
    fn holds(self, day: Weekday, minute: u16) -> bool {
        let on = |day| days_between(self.first, self.last).any(|each| each == day);
        if self.from < self.until {
            return on(day) && (self.from..self.until).contains(&minute);
        }
        on(day) && minute >= self.from || on(day.previous()) && minute < self.until
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(day_text(self.first))?;
        if self.first != self.last {
            write!(f, "-{}", day_text(self.last))?;
        }
        write!(f, " {}-{}", clock_text(self.from), clock_text(self.until))
    }
}

/// The days from `first` to `last`, over Sunday where need be (`sat-mon`).
fn days_between(first: Weekday, last: Weekday) -> impl Iterator<Item = Weekday> {
    let more = usize::try_from(first.until(last)).unwrap_or(0);
    first.cycle_forward().take(more + 1)
}

fn parse_window(text: &str) -> Option<Window> {
    let (days, hours) = text.split_once(' ')?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (from, until) = hours.trim().split_once('-')?;
    let window = Window {
        first: parse_day(first)?,
        last: parse_day(last)?,
        from: parse_clock(from)?,
        until: parse_clock(until)?,
    };
    (window.from < DAY).then_some(window)
}

fn parse_day(text: &str) -> Option<Weekday> {
    let text = text.trim().to_ascii_lowercase();
    DAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day)
}

fn day_text(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, each)| *each == day).map_or("", |(name, _)| name)
}

/// `08:00` up to `24:00`.
fn parse_clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |digits: &str| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hour) || !two(minute) {
        return None;
    }
    if (hour, minute) == ("24", "00") {
        return Some(DAY);
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    Some(hour.parse::<u16>().ok()? * 60 + minute.parse::<u16>().ok()?)
}

fn clock_text(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Monday, 2026-11-23.
    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_unix_ms(at.as_millisecond())
    }

    fn hours(text: &str, zone: &str) -> LoginHours {
        LoginHours::parse(text, zone).unwrap()
    }

    #[test]
    fn office_hours_are_those_on_the_wall_of_the_profile() {
        let berlin = hours("mon-fri 08:00-18:00", "Europe/Berlin");

        assert!(berlin.allow(at("2026-11-23T07:00:00Z")));
        assert!(!berlin.allow(at("2026-11-23T06:59:59Z")));
        assert!(!berlin.allow(at("2026-11-23T17:00:00Z")));
        assert!(!berlin.allow(at("2026-11-22T10:00:00Z")));
        assert!(berlin.allow(at("2026-07-20T06:00:00Z")));
    }

    // Berlin puts the clock on from 02:00 to 03:00 in the night to 2026-03-29, a Sunday, and back from 03:00 to
    // 02:00 in the night to 2026-10-25.

    #[test]
    fn office_hours_stay_where_they_are_on_the_wall_when_summer_time_begins_and_ends() {
        let berlin = hours("mon-sun 08:00-18:00", "Europe/Berlin");

        for (opens, closes) in [
            ("2026-03-28T07:00:00Z", "2026-03-28T17:00:00Z"),
            ("2026-03-29T06:00:00Z", "2026-03-29T16:00:00Z"),
            ("2026-10-24T06:00:00Z", "2026-10-24T16:00:00Z"),
            ("2026-10-25T07:00:00Z", "2026-10-25T17:00:00Z"),
        ] {
            let second = std::time::Duration::from_secs(1);
            assert!(!berlin.allow(at(opens) - second) && berlin.allow(at(opens)), "{opens}");
            assert!(berlin.allow(at(closes) - second) && !berlin.allow(at(closes)), "{closes}");
        }
    }

    #[test]
    fn an_hour_that_the_clock_skips_never_comes_and_one_that_comes_twice_holds_twice() {
        let between_two_and_three = hours("sun 02:00-03:00", "Europe/Berlin");
        let minutes_let_in = |from: &str, hours: i64| {
            let minute = std::time::Duration::from_mins(1);
            let mut now = at(from);
            let mut let_in = 0;
            for _ in 0..hours * 60 {
                let_in += i64::from(between_two_and_three.allow(now));
                now = now + minute;
            }
            let_in
        };

        assert_eq!(minutes_let_in("2026-03-22T00:00:00Z", 24), 60);
        assert_eq!(minutes_let_in("2026-03-29T00:00:00Z", 24), 0);
        assert_eq!(minutes_let_in("2026-10-25T00:00:00Z", 24), 120);
    }

    #[test]
    fn a_night_shift_over_the_change_of_the_clock_ends_at_its_hour_on_the_wall() {
        let night = hours("sat 22:00-06:00", "Europe/Berlin");

        for (last, over) in [
            ("2026-03-29T03:59:59Z", "2026-03-29T04:00:00Z"),
            ("2026-10-25T04:59:59Z", "2026-10-25T05:00:00Z"),
        ] {
            assert!(night.allow(at(last)) && !night.allow(at(over)), "{over}");
        }
    }

    #[test]
    fn a_night_shift_reaches_into_the_next_day() {
        let night = hours("fri 22:00-06:00", "UTC");

        assert!(night.allow(at("2026-11-27T23:00:00Z")));
        assert!(night.allow(at("2026-11-28T05:59:00Z")));
        assert!(!night.allow(at("2026-11-28T06:00:00Z")));
        assert!(!night.allow(at("2026-11-27T05:00:00Z")));
    }

    #[test]
    fn a_range_of_days_may_reach_over_sunday() {
        let weekend = hours("sat-mon 00:00-24:00", "UTC");

        assert!(weekend.allow(at("2026-11-22T12:00:00Z")));
        assert!(weekend.allow(at("2026-11-23T23:59:00Z")));
        assert!(!weekend.allow(at("2026-11-24T00:00:00Z")));
    }

    #[test]
    fn without_hours_any_time_will_do_and_what_is_not_hours_is_refused() {
        assert!(LoginHours::ALWAYS.allow(at("2026-11-22T03:00:00Z")));
        assert!(hours("", "Asia/Tokyo").allow(at("2026-11-22T03:00:00Z")));
        for wrong in [
            "mon",
            "mon 8-18",
            "mon 08:00",
            "xyz 08:00-09:00",
            "mon 24:00-08:00",
            "mon 08:60-09:00",
        ] {
            assert_eq!(LoginHours::parse(wrong, "UTC"), Err(LoginHoursError::Window), "{wrong}");
        }
        assert_eq!(LoginHours::parse("", "Mars/Olympus"), Err(LoginHoursError::Zone));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(hours: String, zone: String, ms: i64) {
            if let Ok(hours) = LoginHours::parse(&hours, &zone) {
                hours.allow(Timestamp::from_unix_ms(ms));
            }
        }

        #[test]
        fn what_is_written_is_read_again(
            first in 0_usize..7, last in 0_usize..7, from in 0_u16..DAY, until in 0_u16..=DAY,
        ) {
            let window = Window { first: DAYS[first].1, last: DAYS[last].1, from, until };
            let text = window.to_string();

            let read = hours(&text, "Europe/Berlin");

            prop_assert_eq!(&read.windows, &vec![window]);
            prop_assert_eq!(read.to_string(), text);
        }
    }
}
