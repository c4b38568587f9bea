//! A token as pages show it: what is known of it, never itself.

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::Rule;
use symbolon_app::breakage::{Outcome, Outlook};
use symbolon_app::leaks::LeakView;
use symbolon_app::sharing::SignalView;
use symbolon_app::tokens::{
    Issuer, MOST_USES, Provenance, Rotation, TokenState, TokenUse, TokenView,
};
use symbolon_core::Timestamp;
use symbolon_core::issue::IssueCause;
use symbolon_core::leak::Reporter;

use crate::pages::own::sharing::mark_form;
use crate::pages::view::age::Age;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::moment::{moment, plain};

/// Why an ended token cannot be revoked.
pub(crate) const HAS_ENDED: &str = "It has ended already: there is nothing left to revoke.";
/// Why there is nothing to cancel.
pub(crate) const NO_ROTATION: &str = "No rotation of this token is under way.";
const NOT_LIVE: &str = "Only a live token can be rotated. Reset it instead.";

/// One token.
#[derive(Debug)]
pub(crate) struct TokenCard {
    /// What is known.
    pub(crate) token: TokenView,
    /// Who used it, or still tries to.
    pub(crate) uses: UsesTable,
    /// What can be done to it.
    pub(crate) controls: Vec<FormView>,
    /// How much of its life is over.
    pub(crate) age: Age,
    /// Its part in a rotation that is under way.
    pub(crate) rotation_words: Option<String>,
    /// Why it looks shared, each with the button that calls it a false alarm.
    pub(crate) signals: Vec<(SignalView, FormView)>,
    /// Where it was found.
    pub(crate) leaks: Vec<LeakView>,
}

/// The clients that used a token.
#[derive(Debug, Template)]
#[template(path = "parts/uses.html")]
pub(crate) struct UsesTable {
    caption: String,
    rows: Vec<(TokenUse, Option<Outcome>)>,
    tells_outcome: bool,
}

impl HtmlSafe for UsesTable {}

impl UsesTable {
    /// The clients of a live token, with what becomes of each.
    pub(crate) fn of(outlook: Outlook) -> Self {
        let rows = outlook.clients.into_iter();
        Self {
            caption: caption("used it in the last 90 days", outlook.device_type.as_str()),
            rows: rows.map(|client| (client.used, Some(client.outcome))).collect(),
            tells_outcome: true,
        }
    }

    /// Whether nobody is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether there may be others.
    fn is_cut(&self) -> bool {
        self.rows.len() >= MOST_USES
    }
}

fn caption(what: &str, device_type: &str) -> String {
    format!("Clients that {what}, device type {device_type}")
}

/// Where a token was found. The place is a stranger's word: text, and never a link.
pub(crate) fn seen_words(leak: &LeakView) -> &str {
    match leak.seen.as_str() {
        "" => "at a place that its finder did not name",
        seen => seen,
    }
}

/// Who found a token.
pub(crate) fn finder_words(leak: &LeakView) -> &'static str {
    match leak.reporter {
        Reporter::Anyone => "its finder",
        Reporter::GitHub => "GitHub’s secret scanning",
    }
}

/// What becomes of a client.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
fn outcome_words(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Stops => "stops",
        Outcome::StopsAtNextUse => "stops when it next presents the token",
        Outcome::GoesOn => "goes on",
    }
}

impl TokenCard {
    /// The card of `token` at `now`; `outlook` says what becomes of its clients, where it is live, and
    /// `rotation_rule` what forbids its rotation.
    pub(crate) fn new(
        mut token: TokenView,
        outlook: Option<Outlook>,
        rotation_rule: Option<Rule>,
        now: Timestamp,
    ) -> Self {
        let uses = std::mem::take(&mut token.uses);
        let what =
            if token.state.has_ended() { "still try it" } else { "used it in the last 90 days" };
        let uses = outlook.map_or_else(
            || UsesTable {
                caption: caption(what, token.device_type.as_str()),
                rows: uses.into_iter().map(|used| (used, None)).collect(),
                tells_outcome: false,
            },
            UsesTable::of,
        );
        let rotation_words = token.rotation.map(|rotation| match rotation {
            Rotation::Outgoing(new) => format!(
                "It lives on until {new}, the new token, is first used; at the latest until {}.",
                plain(token.expires_at)
            ),
            Rotation::Incoming(old) => format!("With its first use it ends {old}, the old token."),
        });
        Self {
            uses,
            controls: controls(&token, rotation_rule),
            age: Age::of(&token, now),
            rotation_words,
            signals: Vec::new(),
            leaks: Vec::new(),
            token,
        }
    }

    /// The card with what tells of sharing and of leaks; of those of other tokens it takes nothing.
    pub(crate) fn with_dangers(
        mut self,
        signals: &[SignalView],
        leaks: &[LeakView],
        csrf: &str,
    ) -> Self {
        let own = signals.iter().filter(|signal| signal.token == self.token.token);
        self.signals = own.map(|signal| (signal.clone(), mark_form(signal, csrf))).collect();
        let own = leaks.iter().filter(|leak| leak.token == self.token.token);
        self.leaks = own.cloned().collect();
        self
    }

    /// Whether any client is known.
    pub(crate) fn has_uses(&self) -> bool {
        !self.uses.is_empty()
    }

    /// Whether it lives, though it may be frozen.
    pub(crate) fn is_live(&self) -> bool {
        !self.token.state.has_ended()
    }

    /// Since when it is frozen, and who can lift that.
    pub(crate) fn frozen(&self) -> Option<String> {
        let freeze = self.token.freeze?;
        Some(format!("since {}. {}", plain(freeze.since()), freeze.rule()))
    }

    /// How it came to be.
    pub(crate) fn provenance(&self) -> String {
        provenance_words(&self.token.provenance)
    }

    /// Where it is told who has come back with it.
    pub(crate) fn receipt(&self) -> String {
        format!("/setup/reset-security-token/receipt/{}", self.token.token)
    }

    /// Whether it was ended before its time.
    pub(crate) fn is_retired(&self) -> bool {
        self.token.state == TokenState::Retired
    }

    /// Whether a rotation is under way.
    pub(crate) fn is_rotating(&self) -> bool {
        self.token.rotation.is_some()
    }

    /// When it ends of disuse, where that is known and before its time.
    pub(crate) fn ends_unused(&self) -> Option<&Timestamp> {
        let end = self.token.idle_end.as_ref().filter(|_| !self.is_retired())?;
        (*end < self.token.expires_at).then_some(end)
    }

    /// Its state in a word.
    pub(crate) fn state(&self) -> &'static str {
        self.token.state.word()
    }

    /// Which of the style sheet's badges shows the state.
    pub(crate) fn badge(&self) -> &'static str {
        badge_of(self.token.state)
    }
}

/// How a token came to be, in a sentence without its end.
pub(crate) fn provenance_words(provenance: &Provenance) -> String {
    let what = match provenance.cause {
        IssueCause::Reset => "a reset",
        IssueCause::BulkReset => "a reset of the whole profile",
        IssueCause::Rotation => "a rotation",
        IssueCause::PasswordChange => "a change of the password",
    };
    let by = match &provenance.by {
        Issuer::Owner => "its owner".to_owned(),
        Issuer::Administrator(name) => format!("the administrator {name}"),
        Issuer::Operator => "whoever runs this server".to_owned(),
    };
    match &provenance.source {
        Some(source) => format!("{what} by {by}, from {source}"),
        None => format!("{what} by {by}"),
    }
}

/// Which of the style sheet's badges shows a state.
pub(crate) fn badge_of(state: TokenState) -> &'static str {
    match state {
        TokenState::Live => "badge good",
        TokenState::Frozen => "badge bad",
        TokenState::Expired => "badge going",
        TokenState::Retired => "badge",
    }
}

/// What can be done to a token. One that was retired can come back by nothing.
fn controls(token: &TokenView, rotation_rule: Option<Rule>) -> Vec<FormView> {
    let about = format!("the token {}", token.token);
    let here = format!("/setup/tokens/{}", token.token);
    let live = !token.state.has_ended();
    let lead =
        |to: String, button| FormView::leading_to(to, button).about(&*about).tone(Tone::Quiet);
    let revoke = lead(format!("{here}/revoke"), "Revoke").obstacle((!live).then_some(HAS_ENDED));
    if token.state == TokenState::Retired {
        return vec![revoke];
    }
    let reset = lead("/setup/reset-security-token/confirm".to_owned(), "Reset")
        .hidden("scope", "device-type")
        .hidden("device_type", token.device_type.as_str());
    let rule = if live { rotation_rule } else { Some(NOT_LIVE.into()) };
    let rotate = lead(format!("{here}/rotate"), "Rotate").obstacle(rule);
    let rule = token.rotation.is_none().then_some(NO_ROTATION);
    let cancel = lead(format!("{here}/cancel-rotation"), "Cancel Rotation").obstacle(rule);
    vec![reset, rotate, cancel, revoke]
}
