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

/// Writes `unix_ms` as `2026-11-23T07:00:00Z`, rounded down to the second.
///
/// Instants outside the years 0 to 9999, which RFC 3339 cannot write, are moved to the nearest one
/// that it can.
///
/// Every answer to a proxy has such a text, so it is put together digit by digit: a formatter takes ten
/// times as long.
pub(crate) fn push_iso_seconds(out: &mut Vec<u8>, unix_ms: i64) {
    const YEAR_0: i64 = -62_167_219_200;
    const DAY: i64 = 24 * 3600;
    let second = seconds(unix_ms).clamp(YEAR_0, LAST_SECOND);
    let (year, month, day) = date_of(second.div_euclid(DAY));
    let in_day = second.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00Z";
    for (at, number) in [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, in_day / 3600),
        (14, in_day / 60 % 60),
        (17, in_day % 60),
    ] {
        // No number here has more than two digits, so the lowest byte of each is all of it.
        text[at] += (number / 10).to_le_bytes()[0];
        text[at + 1] += (number % 10).to_le_bytes()[0];
    }
    out.extend_from_slice(&text);
}

/// Year, month and day of a day since the Unix epoch, from year 0 on.
///
/// Counted in years that begin with March, so that the day that leaps comes last (Howard Hinnant's
/// `civil_from_days`).
fn date_of(day: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    const MARCH_OF_YEAR_0: i64 = -719_468;
    let day = day - MARCH_OF_YEAR_0;
    let era = day.div_euclid(DAYS_OF_400_YEARS);
    let of_era = day.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// Seconds since the Unix epoch, rounded down: nothing is said to live longer than it does.
pub(crate) fn seconds(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(1000)
}

/// The last second that [`Timestamp`] knows.
const LAST_SECOND: i64 = 253_402_207_200;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{LAST_SECOND, iso_millis, push_iso_seconds};

    fn iso_seconds(unix_ms: i64) -> String {
        let mut text = Vec::new();
        push_iso_seconds(&mut text, unix_ms);
        String::from_utf8(text).unwrap()
    }

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
        assert_eq!(Timestamp::MAX.as_second(), LAST_SECOND);
        assert_eq!(iso_seconds(i64::MAX), "9999-12-30T22:00:00Z");
        assert_eq!(iso_seconds(i64::MIN), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(iso_seconds(1_795_417_200_000), "2026-11-23T07:00:00Z");
        assert_eq!(iso_seconds(1_795_417_200_999), "2026-11-23T07:00:00Z");
        assert_eq!(iso_seconds(-1), "1969-12-31T23:59:59Z");
    }

    fn written_by_calendar(second: i64) -> String {
        Timestamp::from_second(second).unwrap().to_string()
    }

    #[test]
    fn every_day_of_four_hundred_years_is_written_as_the_calendar_has_it() {
        // They begin on 1 March 2000; the calendar repeats itself after them.
        for day in 11_017..11_017 + 146_097_i64 {
            // Another time of each day.
            let second = day * 86_400 + day % 86_400;

            assert_eq!(iso_seconds(second * 1000), written_by_calendar(second));
        }
    }

    proptest! {
        #[test]
        fn every_second_that_can_be_written_is_written_as_the_calendar_has_it(
            second in -62_167_219_200..=LAST_SECOND,
        ) {
            prop_assert_eq!(iso_seconds(second * 1000), written_by_calendar(second));
        }
    }
}
