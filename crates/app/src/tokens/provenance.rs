//! How a token came to be, and what keeps it from being accepted though it lives.

use symbolon_core::Timestamp;
use symbolon_core::issue::IssueCause;
use symbolon_core::names::Username;
use symbolon_core::reset::Scope;
use symbolon_store::tokens::TokenRow;

use crate::reset::TOKENS_FROZEN;

const ACCOUNT_FROZEN: &str = "This account is frozen. An administrator can unfreeze it; then its tokens are \
                              accepted again.";

/// What keeps every token of an account from being accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// An administrator has frozen the account.
    Account(Timestamp),
    /// The tokens are frozen: by their owner's link, or because one looked shared.
    Tokens(Timestamp),
}

impl Freeze {
    /// Since when.
    pub const fn since(self) -> Timestamp {
        match self {
            Self::Account(at) | Self::Tokens(at) => at,
        }
    }

    /// The rule, and who can lift it.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Account(_) => ACCOUNT_FROZEN,
            Self::Tokens(_) => TOKENS_FROZEN,
        }
    }

    pub(super) const fn of(row: &TokenRow) -> Option<Self> {
        match (row.owner_frozen_at, row.tokens_frozen_at) {
            (Some(at), _) => Some(Self::Account(at)),
            (None, Some(at)) => Some(Self::Tokens(at)),
            (None, None) => None,
        }
    }
}

/// How a token came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// What it came of.
    pub cause: IssueCause,
    /// Which earlier tokens it came in the place of.
    pub scope: Scope,
    /// Who wanted it.
    pub by: Issuer,
    /// From where, where that is known.
    pub source: Option<String>,
}

/// Who wanted a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// Its owner.
    Owner,
    /// An administrator of this name.
    Administrator(Username),
    /// Whoever runs the server, by the command line.
    Operator,
}

impl Issuer {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Administrator(_) => "administrator",
            Self::Operator => "operator",
        }
    }
}

impl Provenance {
    pub(super) fn of(row: &TokenRow) -> Self {
        let issue = &row.issue;
        let by = match &issue.issuer {
            Some((user, _)) if *user == row.record.user => Issuer::Owner,
            Some((_, name)) => Issuer::Administrator(name.clone()),
            None => Issuer::Operator,
        };
        Self { cause: issue.cause, scope: issue.scope, by, source: issue.source.clone() }
    }
}
