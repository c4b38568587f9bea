//! The decision chain of a login: one pure function over facts, and the reasons it refuses for.
//!
//! The order is contract §5: the user exists and is active, is not locked out, the password, then a
//! trusted network or else the token. The outside learns none of it; the owner learns the reason.

use std::fmt;

use crate::id::{Id, Token, User};
use crate::lockout::Failures;
use crate::time::Timestamp;

/// What is known of the user that a login names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who it is.
    pub user: Id<User>,
    /// Whether the invitation was accepted: there is a password.
    pub activated: bool,
    /// Since when an administrator has frozen the user.
    pub frozen_at: Option<Timestamp>,
    /// Since when the owner has frozen the account's tokens ("it wasn't me").
    pub tokens_frozen_at: Option<Timestamp>,
    /// Failures and lockout.
    pub failures: Failures,
}

/// Whether the password was right. Worked out before judging, for every login alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// It was.
    Right,
    /// It was not, or there is none.
    Wrong,
}

/// The token that a login presents, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEvidence {
    /// None was given.
    Absent,
    /// A token's shape with wrong check characters.
    Mistyped,
    /// The right format, but no such token was ever issued.
    Unknown,
    /// A token that we issued.
    Known(TokenRecord),
}

/// What is stored of a token, as far as a decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRecord {
    /// Which token.
    pub token: Id<Token>,
    /// Whose it is.
    pub user: Id<User>,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When and why it was retired.
    pub retired: Option<(Timestamp, RetirementCause)>,
}

/// Why a token was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetirementCause {
    /// Its owner reset it.
    Reset,
    /// An administrator reset it.
    AdminReset,
    /// It was revoked without a successor.
    Revoked,
    /// Its owner's password was changed, under a policy that ties tokens to it.
    PasswordChange,
    /// Its owner forgot the password and recovered the account.
    Recovery,
    /// The user was removed.
    UserRemoved,
}

impl RetirementCause {
    /// All causes, with the word that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Reset, "reset"),
        (Self::AdminReset, "administrator's reset"),
        (Self::Revoked, "revocation"),
        (Self::PasswordChange, "password change"),
        (Self::Recovery, "password recovery"),
        (Self::UserRemoved, "removal of the user"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The cause with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// The word of a value in a table of all values.
pub(crate) fn word_of<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(each, _)| *each == value).map_or("", |(_, word)| word)
}

/// The value of a word in a table of all values.
pub(crate) fn of_word<T: Copy>(all: &[(T, &'static str)], word: &str) -> Option<T> {
    all.iter().find(|(_, each)| *each == word).map(|(value, _)| *value)
}

/// What a login asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The web pages: the password alone (second factors come on top).
    Web,
    /// An API: the password and the token, or the password from a trusted network.
    Api {
        /// Whether the source lies within a trusted network.
        from_trusted_network: bool,
    },
}

/// A login that is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Admission {
    /// Who.
    pub user: Id<User>,
    /// By which token; `None` from a trusted network without one, and on the web.
    pub token: Option<Id<Token>>,
}

/// Why a login is refused. Told to the owner and to administrators, never to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Refusal {
    /// There is no such user.
    UnknownUser,
    /// Too many failures from this address.
    SourceLockedOut,
    /// The invitation has not been accepted yet.
    NotActivated,
    /// An administrator has frozen the user.
    Frozen(Timestamp),
    /// Too many failures for this user.
    LockedOut(Timestamp),
    /// Wrong password.
    WrongPassword,
    /// The owner has frozen the account's tokens.
    TokensFrozen(Timestamp),
    /// The password was right, the token is missing.
    TokenMissing,
    /// The password was right, the token mistyped or cut.
    TokenMistyped,
    /// The password was right; such a token was never issued.
    TokenUnknown,
    /// The password was right; the token is somebody else's.
    TokenOfAnotherUser,
    /// The password was right; the token has been retired.
    TokenRetired(Timestamp, RetirementCause),
    /// The password was right; the token was too old.
    TokenExpired(Timestamp),
    /// This way of logging in is switched off.
    SwitchedOff,
    /// The request could not be read.
    Malformed,
}

/// Decides whether a login is let in.
///
/// A token dies at the first instant that is not earlier than its `expires_at`.
///
/// # Errors
/// The first [`Refusal`] that applies, in the order of contract §5.
///
/// # Security
/// A wrong *yes* opens the account. Every fact is gathered before this is called, whichever of them
/// decides, so that the time taken tells a stranger nothing.
pub fn judge(
    standing: Option<&Standing>,
    password: PasswordVerdict,
    token: TokenEvidence,
    door: Door,
    now: Timestamp,
) -> Result<Admission, Refusal> {
    let standing = standing.ok_or(Refusal::UnknownUser)?;
    if !standing.activated {
        return Err(Refusal::NotActivated);
    }
    if let Some(at) = standing.frozen_at {
        return Err(Refusal::Frozen(at));
    }
    if let Some(until) = standing.failures.locked_at(now) {
        return Err(Refusal::LockedOut(until));
    }
    if password == PasswordVerdict::Wrong {
        return Err(Refusal::WrongPassword);
    }
    match door {
        Door::Web => Ok(Admission { user: standing.user, token: None }),
        Door::Api { from_trusted_network } => {
            let token = judge_token(standing, token, from_trusted_network, now)?;
            Ok(Admission { user: standing.user, token })
        }
    }
}

/// Decides about the half of the credential that complements the password.
fn judge_token(
    standing: &Standing,
    token: TokenEvidence,
    from_trusted_network: bool,
    now: Timestamp,
) -> Result<Option<Id<Token>>, Refusal> {
    if let Some(at) = standing.tokens_frozen_at {
        return Err(Refusal::TokensFrozen(at));
    }
    let record = match token {
        TokenEvidence::Absent if from_trusted_network => return Ok(None),
        TokenEvidence::Absent => return Err(Refusal::TokenMissing),
        TokenEvidence::Mistyped => return Err(Refusal::TokenMistyped),
        TokenEvidence::Unknown => return Err(Refusal::TokenUnknown),
        TokenEvidence::Known(record) => record,
    };
    if record.user != standing.user {
        return Err(Refusal::TokenOfAnotherUser);
    }
    if let Some((at, cause)) = record.retired {
        return Err(Refusal::TokenRetired(at, cause));
    }
    if record.expires_at <= now {
        return Err(Refusal::TokenExpired(record.expires_at));
    }
    Ok(Some(record.token))
}

impl Refusal {
    /// Whether the attempt counts towards lockout.
    ///
    /// A token that used to be right, behind the right password, is a client that nobody has told of
    /// the reset: it must not lock its owner out. A locked, frozen or unknown user has nothing to count.
    pub const fn counts(self) -> bool {
        match self {
            Self::WrongPassword
            | Self::TokenMissing
            | Self::TokenMistyped
            | Self::TokenUnknown
            | Self::TokenOfAnotherUser => true,
            Self::UnknownUser
            | Self::SourceLockedOut
            | Self::NotActivated
            | Self::Frozen(_)
            | Self::LockedOut(_)
            | Self::TokensFrozen(_)
            | Self::TokenRetired(..)
            | Self::TokenExpired(_)
            | Self::SwitchedOff
            | Self::Malformed => false,
        }
    }

    /// Whether the attempt counts against its source address: whatever may be guessing does.
    pub const fn counts_against_source(self) -> bool {
        self.counts() || matches!(self, Self::UnknownUser | Self::NotActivated | Self::Frozen(_))
    }
}

/// The reason as the login history says it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser => f.write_str("no such user"),
            Self::SourceLockedOut => f.write_str("too many failures from this address"),
            Self::NotActivated => f.write_str("invitation not yet accepted"),
            Self::Frozen(at) => write!(f, "user frozen since {at}"),
            Self::LockedOut(until) => write!(f, "locked out until {until}"),
            Self::WrongPassword => f.write_str("wrong password"),
            Self::TokensFrozen(at) => write!(f, "tokens frozen by their owner since {at}"),
            Self::TokenMissing => f.write_str("security token missing"),
            Self::TokenMistyped => f.write_str("security token mistyped or cut"),
            Self::TokenUnknown => f.write_str("security token never issued"),
            Self::TokenOfAnotherUser => f.write_str("security token of another user"),
            Self::TokenRetired(at, cause) => write!(f, "token retired {at} by {}", cause.word()),
            Self::TokenExpired(at) => write!(f, "token expired {at}"),
            Self::SwitchedOff => f.write_str("this way of logging in is switched off"),
            Self::Malformed => {
                f.write_str("request could not be read: an unescaped & or < in the password?")
            }
        }
    }
}

#[cfg(test)]
mod tests;
