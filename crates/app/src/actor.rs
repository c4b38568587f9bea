//! Who does something, and from where.

use std::fmt;

use symbolon_core::id::{Id, Place, Token, User};
use symbolon_core::names::{ClientName, Source};

/// Who causes a change, as the audit trail names him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A logged-in user.
    User(Id<User>),
    /// Whoever may use the control socket in the data dir.
    Operator,
    /// The bearer of a single-use link that was mailed to this user.
    LinkOf(Id<User>),
    /// Whoever holds this security token.
    Bearer(Id<Token>),
    /// Symbolon itself, by a rule.
    Rule,
}

impl Actor {
    /// The user who causes it: in person, or by a link that was mailed to him.
    pub(crate) const fn user(self) -> Option<Id<User>> {
        match self {
            Self::User(user) | Self::LinkOf(user) => Some(user),
            Self::Operator | Self::Bearer(_) | Self::Rule => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Operator => f.write_str("operator"),
            Self::LinkOf(user) => write!(f, "link-of:{user}"),
            Self::Bearer(token) => write!(f, "bearer-of:{token}"),
            Self::Rule => f.write_str("symbolon"),
        }
    }
}

/// Where a request came from, and what it says it is.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The peer's address, or what a trusted proxy says of it.
    pub source: Source,
    /// The client's name and version, from its own words.
    pub client: ClientName,
    /// The known place of the web session that asks, where one does; a login finds its own.
    pub place: Option<Id<Place>>,
}
