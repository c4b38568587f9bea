//! An instant as people and scripts write it.

use symbolon_core::Timestamp;

/// Reads RFC 3339 (`2026-11-23T08:00:00Z`); a day or an hour without an offset is one in UTC.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let local = || {
        let at: jiff::civil::DateTime = text.parse().ok()?;
        Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let at: jiff::Timestamp = text.parse().ok().or_else(local)?;
    Some(Timestamp::from_unix_ms(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_with_its_offset_and_else_in_utc() {
        let at = |text| read(text).map(|at| at.to_string());

        assert_eq!(at("2026-11-23T08:00:00+01:00").unwrap(), "2026-11-23T07:00:00Z");
        assert_eq!(at("2026-11-23T07:00").unwrap(), "2026-11-23T07:00:00Z");
        assert_eq!(at("2026-11-23").unwrap(), "2026-11-23T00:00:00Z");
        assert_eq!(at("tomorrow"), None);
    }
}
