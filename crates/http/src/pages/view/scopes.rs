//! What each scope of a reset ends, side by side, so that nobody has to guess.

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::breakage::{Breakage, Outlook};
use symbolon_app::tokens::TokenUse;
use symbolon_core::policy::SessionsOnReset;

use crate::pages::view::moment::{counted, moment};

/// Clients that are named of each token; the page Tokens names them all.
const MOST_NAMED: usize = 5;

/// The live tokens with what becomes of them by either choice.
#[derive(Debug, Template)]
#[template(path = "parts/scopes.html")]
pub(crate) struct ScopesTable {
    rows: Vec<Row>,
    sessions_words: &'static str,
}

impl HtmlSafe for ScopesTable {}

#[derive(Debug)]
struct Row {
    device_type: String,
    clients: Vec<TokenUse>,
    more: usize,
    stop_words: String,
}

impl ScopesTable {
    /// `breakage` is that of a reset of the whole account.
    pub(crate) fn new(breakage: Breakage) -> Self {
        let sessions_words = match breakage.sessions {
            SessionsOnReset::End => {
                "Sessions that a token opened end with it. A browser that was proved by a token goes on."
            }
            SessionsOnReset::Keep => {
                "Sessions that a token opened go on until they end by themselves, by policy. A browser that \
                 was proved by a token goes on."
            }
        };
        Self { rows: breakage.tokens.into_iter().map(row).collect(), sessions_words }
    }
}

fn row(outlook: Outlook) -> Row {
    let stop_words = stop_words(outlook.stopping());
    let more = outlook.clients.len().saturating_sub(MOST_NAMED);
    let clients = outlook.clients.into_iter().take(MOST_NAMED).map(|client| client.used);
    Row {
        device_type: outlook.device_type.to_string(),
        clients: clients.collect(),
        more,
        stop_words,
    }
}

/// `2 clients stop`.
fn stop_words(stopping: usize) -> String {
    match stopping {
        0 => "no client stops".to_owned(),
        1 => "1 client stops".to_owned(),
        more => format!("{more} clients stop"),
    }
}

/// `1 time`, `2 times`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
fn times(times: &i64) -> String {
    counted(u64::try_from(*times).unwrap_or(0), "time")
}
