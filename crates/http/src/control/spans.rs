//! Lengths of time as people write them: `15m`, `365d`.
//!
//! A number and one unit (`ms`, `s`, `m`, `h`, `d`); no sums, no fractions, no months.

use std::time::Duration;

use thiserror::Error;

/// A text that is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a number and a unit, such as 30s, 15m, 2h or 365d")]
pub struct SpanError;

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a length of time.
///
/// # Errors
/// [`SpanError`] for anything but digits and a unit, and for more than 584 million years.
pub fn parse(text: &str) -> Result<Duration, SpanError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| SpanError)?;
    let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(SpanError)?;
    number.checked_mul(*ms).map(Duration::from_millis).ok_or(SpanError)
}

/// Writes a length of time with the largest unit that leaves a whole number.
pub fn written(span: Duration) -> String {
    let all = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let whole = UNITS.iter().find(|(_, ms)| all > 0 && all.is_multiple_of(*ms));
    whole.map_or_else(|| "0s".to_owned(), |(name, ms)| format!("{}{name}", all / ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_survives_being_read_and_written() {
        for text in ["365d", "15m", "2h", "90s", "1500ms", "0s"] {
            assert_eq!(parse(text).map(written).as_deref(), Ok(text));
        }
        assert_eq!(written(Duration::from_hours(2)), "2h");
    }

    #[test]
    fn what_is_not_a_number_and_a_unit_is_refused() {
        for text in ["", "15", "m", "1.5h", "-1s", "1h30m", "15 m", "9999999999999999999d"] {
            assert_eq!(parse(text), Err(SpanError), "{text:?}");
        }
    }
}
