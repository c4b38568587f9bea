//! A token as pages show it: what is known of it, never itself.

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::tokens::{TokenState, TokenUse, TokenView};
use symbolon_core::Timestamp;

use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::moment::{moment, span};

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
        let rule = match token.state {
            TokenState::Live => None,
            TokenState::Expired => Some("It has expired: there is nothing left to revoke."),
            TokenState::Retired => Some("It is retired: there is nothing left to revoke."),
        };
        let to = format!("/setup/tokens/{}/revoke", token.token);
        let revoke = FormView::leading_to(to, "Revoke")
            .about(format!("the token {}", token.token))
            .tone(Tone::Quiet)
            .obstacle(rule);
        Self {
            uses: UsesTable { caption, uses },
            revoke,
            age_percent: u8::try_from(lived * 100 / lifetime).unwrap_or(100),
            age_words: format!("{} left", span(left)),
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
