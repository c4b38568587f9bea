//! A token as pages show it: what is known of it, never itself.

use std::time::Duration;

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::tokens::{TokenState, TokenUse, TokenView};
use symbolon_core::Timestamp;

use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::moment::{moment, span};

/// Why an ended token cannot be revoked.
pub(crate) const HAS_ENDED: &str = "It has ended already: there is nothing left to revoke.";

/// One token.
#[derive(Debug)]
pub(crate) struct TokenCard {
    /// What is known.
    pub(crate) token: TokenView,
    /// Who used it, or still tries to.
    pub(crate) uses: UsesTable,
    /// The way to end it.
    pub(crate) revoke: FormView,
    /// How much of its life is over.
    pub(crate) age_percent: u8,
    /// The same in words.
    pub(crate) age_words: String,
}

/// The clients that used a token.
#[derive(Debug, Template)]
#[template(path = "parts/uses.html")]
pub(crate) struct UsesTable {
    caption: String,
    uses: Vec<TokenUse>,
}

impl HtmlSafe for UsesTable {}

impl TokenCard {
    /// The card of `token` at `now`.
    pub(crate) fn new(mut token: TokenView, now: Timestamp) -> Self {
        let caption = match token.state {
            TokenState::Live | TokenState::Expired => "Clients that used it",
            TokenState::Retired => "Clients that still try it",
        };
        let caption = format!("{caption}, device type {}", token.device_type);
        let uses = std::mem::take(&mut token.uses);
        let left = token.expires_at.since(now);
        let lifetime = token.expires_at.since(token.issued_at).as_millis().max(1);
        let lived = now.since(token.issued_at).as_millis().min(lifetime);
        let revoke =
            FormView::leading_to(format!("/setup/tokens/{}/revoke", token.token), "Revoke")
                .about(format!("the token {}", token.token))
                .tone(Tone::Quiet)
                .obstacle((token.state != TokenState::Live).then_some(HAS_ENDED));
        Self {
            uses: UsesTable { caption, uses },
            revoke,
            age_percent: u8::try_from(lived * 100 / lifetime).unwrap_or(100),
            age_words: format!("{} left", span(in_days(left))),
            token,
        }
    }

    /// Whether any client is known.
    pub(crate) fn has_uses(&self) -> bool {
        !self.uses.uses.is_empty()
    }

    /// Whether it is accepted.
    pub(crate) fn is_live(&self) -> bool {
        self.token.state == TokenState::Live
    }

    /// Its state in a word.
    pub(crate) fn state(&self) -> &'static str {
        match self.token.state {
            TokenState::Live => "live",
            TokenState::Expired => "expired",
            TokenState::Retired => "retired",
        }
    }

    /// Which of the style sheet's badges shows the state.
    pub(crate) fn badge(&self) -> &'static str {
        match self.token.state {
            TokenState::Live => "badge good",
            TokenState::Expired => "badge going",
            TokenState::Retired => "badge",
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
