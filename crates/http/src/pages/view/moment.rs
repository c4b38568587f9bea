//! Instants and spans as people read them on pages.

use std::fmt;
use std::time::Duration;

use askama::filters::HtmlSafe;
use symbolon_core::Timestamp;

/// An instant: `23 Nov 2026, 07:00:12 UTC`, in a `time` element that programs can read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Timestamp);

/// Nothing in it comes from outside: digits, letters of months and our own markup.
impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<time datetime=\"{}\">{}</time>", self.0, plain(self.0))
    }
}

/// The instant as a page shows it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
pub(crate) fn moment(at: &Timestamp) -> Moment {
    Moment(*at)
}

/// The instant without markup, for sentences. It breaks between day and time and nowhere else.
pub(crate) fn plain(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.unix_ms()) {
        Ok(at) => at.strftime("%-d\u{a0}%b\u{a0}%Y, %H:%M:%S\u{a0}UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

/// A span to the largest unit that says enough: `3 days`, `1 hour`, `15 minutes`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    counted(count, unit)
}

/// A number with its noun: `1 day`, `2 days`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_to_people_and_told_to_programs() {
        let moment = Moment(Timestamp::from_unix_ms(1_795_417_200_123));

        assert_eq!(
            moment.to_string(),
            "<time datetime=\"2026-11-23T07:00:00Z\">23\u{a0}Nov\u{a0}2026, 07:00:00\u{a0}UTC</time>"
        );
    }

    #[test]
    fn spans_are_told_in_the_largest_unit_that_says_enough() {
        assert_eq!(span(Duration::from_secs(1)), "1 second");
        assert_eq!(span(Duration::from_mins(15)), "15 minutes");
        assert_eq!(span(Duration::from_hours(30)), "30 hours");
        assert_eq!(span(Duration::from_hours(49)), "2 days");
    }
}
