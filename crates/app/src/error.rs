//! What keeps any use case from being done, whatever it is.

use std::borrow::Cow;
use std::time::Duration;

use symbolon_core::names::NameError;
use symbolon_core::password::PasswordFault;
use symbolon_store::error::StoreError;
use thiserror::Error;

/// A rule that forbids something, in words, with who can lift it.
pub type Rule = Cow<'static, str>;

/// Why a use case was not done. What a use case alone can meet is in its own enum.
#[derive(Debug, Error)]
pub enum AppError {
    /// The database cannot be reached, is full or too busy: try later. Nothing was done, or, if the
    /// answer to the commit was lost, the whole was.
    #[error("the database did not answer")]
    Database(#[source] StoreError),
    /// Too many passwords wait to be hashed, in all or from one address. Nothing was looked at.
    #[error("too many logins at once, try again in {}", told(*retry_after))]
    TooMany {
        /// When it may go better: whole seconds, one at least.
        retry_after: Duration,
    },
    /// Others were quicker, time and again: try later. Nothing was done.
    #[error("too much was changed at once")]
    Busy,
    /// A stored row cannot be read: somebody must look at the database.
    #[error("a stored row cannot be read: {0}")]
    Corrupt(&'static str),
    /// The key ring lacks a key that something was made with.
    #[error("the key ring lacks a key")]
    KeyMissing,
    /// There is no such thing, or it is somebody else's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It exists already.
    #[error("this {0} is taken")]
    Taken(&'static str),
    /// The key of this request has named another one, which asked for something else.
    #[error("this request key was used for something else: take another one")]
    KeyUsed,
    /// A name that cannot be one.
    #[error("{field} {fault}")]
    Name {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        fault: NameError,
    },
    /// A password that the rules refuse.
    #[error("{0}")]
    Password(PasswordFault),
    /// A figure or a choice that is out of bounds; the text says which.
    #[error("{0}")]
    Invalid(&'static str),
    /// The state of things forbids it; the text says why and who can lift it.
    #[error("{0}")]
    Forbidden(&'static str),
}

/// `1 second`, `5 seconds`.
fn told(time: Duration) -> String {
    match time.as_secs() {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}
