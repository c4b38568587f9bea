//! The seam between the courier and whatever takes its mail.

use std::fmt;

use async_trait::async_trait;

use crate::compose::Message;

/// How one attempt to deliver a letter ended.
///
/// A `reply` is one line of at most 300 characters, fit to be stored and shown: without control
/// characters and without a token or a link, whatever the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// The mail server has taken it: from here on it is the mail server's.
    HandedOver {
        /// The server's words, such as `250 2.0.0 Ok: queued as 4F2`.
        reply: String,
    },
    /// Not now: nobody answered, the server is busy, or our configuration is wrong.
    TryLater {
        /// The server's words, or what went wrong on the way to it.
        reply: String,
    },
    /// The mail server will never take this letter.
    Refused {
        /// The server's words.
        reply: String,
    },
}

/// Something that takes mail.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Makes one attempt. Returns within four minutes, so within one lease of a letter
    /// ([`symbolon_core::letter::LEASE`]).
    async fn deliver(&self, message: &Message) -> Delivery;

    /// How many letters it takes at a time.
    fn at_once(&self) -> usize {
        1
    }
}
