//! Instants and their written forms.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant: milliseconds since the Unix epoch, UTC. It is always passed in, never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `ms` milliseconds after the Unix epoch.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this instant; zero where `earlier` is later (a clock stepped back).
    pub fn since(self, earlier: Self) -> Duration {
        let ms = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// The beginning of the second that it lies in.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1000))
    }

    /// RFC 3339 in UTC with milliseconds, as JSON shapes want it.
    pub fn rfc3339(self) -> String {
        self.civil().map_or_else(String::new, |at| format!("{at:.3}"))
    }

    /// The day in UTC, as in a sentence: `23 November 2026`.
    pub fn day(self) -> String {
        let day = |at: jiff::Timestamp| at.strftime("%-d %B %Y").to_string();
        self.civil().map_or_else(|| self.to_string(), day)
    }

    fn civil(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }
}

/// RFC 3339 in UTC, to the second, as people read it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_second().civil() {
            Some(at) => write!(f, "{at:.0}"),
            None => f.write_str("an instant beyond the calendar"),
        }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_to_the_second_for_people_and_to_the_millisecond_for_programs() {
        let at = Timestamp::from_unix_ms(1_795_417_200_123);

        assert_eq!(at.to_string(), "2026-11-23T07:00:00Z");
        assert_eq!(at.rfc3339(), "2026-11-23T07:00:00.123Z");
        assert_eq!(at.day(), "23 November 2026");
    }

    #[test]
    fn a_clock_that_stepped_back_yields_no_time_at_all() {
        let later = Timestamp::from_unix_ms(10);

        assert_eq!(Timestamp::from_unix_ms(3).since(later), Duration::ZERO);
    }
}
