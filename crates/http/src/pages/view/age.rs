//! How much of a token's life is over, as a bar and in words.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::tokens::TokenView;
use symbolon_core::Timestamp;

use crate::pages::view::moment::span;

/// The bar of one token.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "parts/age.html")]
pub(crate) struct Age {
    percent: u8,
    left: String,
}

impl HtmlSafe for Age {}

impl Age {
    /// The age of `token` at `now`.
    pub(crate) fn of(token: &TokenView, now: Timestamp) -> Self {
        let lifetime = token.expires_at.since(token.issued_at).as_millis().max(1);
        let lived = now.since(token.issued_at).as_millis().min(lifetime);
        Self {
            percent: u8::try_from(lived * 100 / lifetime).unwrap_or(100),
            left: span(in_days(token.expires_at.since(now))),
        }
    }
}

/// What is left, to the nearest day where it is days: a token of 365 days begins with 365.
fn in_days(left: Duration) -> Duration {
    const HALF_A_DAY: Duration = Duration::from_hours(12);
    if left > HALF_A_DAY * 4 { left + HALF_A_DAY } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_year_begins_with_all_its_days() {
        let day = Duration::from_hours(24);

        assert_eq!(span(in_days(day * 364 + Duration::from_hours(23))), "365 days");
        assert_eq!(span(in_days(Duration::from_hours(30))), "30 hours");
    }
}
