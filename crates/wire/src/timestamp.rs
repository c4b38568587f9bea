//! Milliseconds since the Unix epoch as the text that SOAP and JSON answers carry.

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

#[cfg(test)]
mod tests {
    use super::iso_millis;

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
    }
}
