//! How a security token came to be: what happened, how far that reached, who wanted it and from where.
//!
//! It is written down with the token and never changed, so that a token whose owner does not remember it
//! explains itself.

use crate::id::{Id, User};
use crate::names::Source;
use crate::reset::Scope;
use crate::words::{of_word, word_of};

/// What a token came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueCause {
    /// A reset of the account or of one device type.
    Reset,
    /// A reset of all users of a profile.
    BulkReset,
    /// A rotation, which let the old one live on.
    Rotation,
    /// A change of the password, which by policy replaces the tokens.
    PasswordChange,
}

impl IssueCause {
    /// All causes, with the words that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Reset, "reset"),
        (Self::BulkReset, "bulk-reset"),
        (Self::Rotation, "rotation"),
        (Self::PasswordChange, "password-change"),
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

/// How a token comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issue {
    /// What it comes of.
    pub cause: IssueCause,
    /// Which earlier tokens it came in the place of.
    pub scope: Scope,
    /// The user who wanted it: its owner or an administrator. `None` is whoever runs the server.
    pub issuer: Option<Id<User>>,
    /// From where, where that is known.
    pub source: Option<Source>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_known_by_its_word() {
        for (cause, word) in IssueCause::ALL {
            assert_eq!((cause.word(), IssueCause::from_word(word)), (word, Some(cause)));
        }
        assert_eq!(IssueCause::from_word("magic"), None);
    }
}
