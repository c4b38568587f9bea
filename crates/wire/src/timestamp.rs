//! Milliseconds since the Unix epoch as the texts that answers carry.

use jiff::Timestamp;

/// Renders `unix_ms` as `2026-11-23T07:00:00.000Z`.
///
/// Instants outside the years that can be written are moved to the nearest one that can: an answer
/// about a broken row is better than none.
pub(crate) fn iso_millis(unix_ms: i64) -> String {
    let nearest = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let instant = Timestamp::from_millisecond(unix_ms).unwrap_or(nearest);
    instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Renders `unix_ms` as `2026-11-23T07:00:00Z`, rounded down to the second.
///
/// Instants outside the years 0 to 9999, which RFC 3339 cannot write, are moved to the nearest one
/// that it can.
pub(crate) fn iso_seconds(unix_ms: i64) -> String {
    const YEAR_0: i64 = -62_167_219_200;
    let second = seconds(unix_ms).max(YEAR_0);
    Timestamp::from_second(second).unwrap_or(LAST_SECOND).to_string()
}

/// Seconds since the Unix epoch, rounded down: nothing is said to live longer than it does.
pub(crate) fn seconds(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(1000)
}

/// [`Timestamp::MAX`] without its fraction.
const LAST_SECOND: Timestamp = Timestamp::constant(253_402_207_200, 0);

#[cfg(test)]
mod tests {
    use super::{iso_millis, iso_seconds};

    #[test]
    fn milliseconds_always_have_three_digits() {
        assert_eq!(iso_millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_millis(1_795_417_200_000), "2026-11-23T07:00:00.000Z");
        assert_eq!(iso_millis(1_795_417_200_007), "2026-11-23T07:00:00.007Z");
        assert_eq!(iso_millis(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn instants_beyond_the_calendar_are_moved_into_it() {
        assert!(iso_millis(i64::MAX).starts_with("9999-12-3"));
        assert!(iso_millis(i64::MIN).starts_with("-9999-01-0"));
        assert_eq!(iso_seconds(i64::MAX), "9999-12-30T22:00:00Z");
        assert_eq!(iso_seconds(i64::MIN), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(iso_seconds(1_795_417_200_000), "2026-11-23T07:00:00Z");
        assert_eq!(iso_seconds(1_795_417_200_999), "2026-11-23T07:00:00Z");
        assert_eq!(iso_seconds(-1), "1969-12-31T23:59:59Z");
    }
}
