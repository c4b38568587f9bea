//! Why there is no verdict. None of these says that a credential is good, and none that it is bad.
//!
//! No text in here shows what was asked or answered: both may hold secrets or names.

use std::error::Error;
use std::time::Duration;

/// Why the authority's verdict on a credential is not known.
///
/// Refuse the request that presented the credential, with 503 rather than 401: it may well be good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The authority does not accept *our own* client id and secret. No credential was looked at.
    #[error("the authority does not accept this client's id and secret")]
    Unauthorised,
    /// The authority, or a proxy in front of it, cannot tell at present.
    #[error("the authority cannot tell at present")]
    Unavailable {
        /// When to ask again, if it said so.
        retry_after: Option<Duration>,
    },
    /// We ask too much.
    #[error("the authority is asked too much")]
    TooMany {
        /// When to ask again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The answer was not complete within [`Config::with_timeout`](crate::Config::with_timeout).
    #[error("no complete answer in time")]
    Timeout,
    /// The authority could not be reached, or the connection broke.
    #[error("the authority could not be reached, or the connection broke")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
    /// There was an answer, but not one that can be believed.
    #[error("the answer cannot be used")]
    Answer(#[source] Unreadable),
    /// More credentials in one batch than [`MOST_CREDENTIALS`](crate::MOST_CREDENTIALS). Nothing was sent.
    #[error("{given} credentials are too many for one batch")]
    BatchTooLarge {
        /// How many there were.
        given: usize,
    },
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// A status that means nothing here; redirects among them.
    #[error("unexpected status {0}")]
    Status(u16),
    /// More bytes than any honest answer has.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// How many would have been read.
        limit: usize,
    },
    /// Not JSON, or not of the promised form.
    #[error("not the JSON that was promised")]
    Malformed,
    /// A member that must be there is not, or holds something impossible.
    #[error("`{0}` is missing or impossible")]
    Member(&'static str),
    /// The answer comes from an older state than was demanded.
    #[error("revision {answered}, older than the demanded {demanded}")]
    Stale {
        /// The revision that was demanded.
        demanded: u64,
        /// The revision that the answer comes from.
        answered: u64,
    },
    /// A batch was answered with more or fewer verdicts than there were credentials.
    #[error("{answered} verdicts on {asked} credentials")]
    Count {
        /// How many credentials were asked about.
        asked: usize,
        /// How many verdicts came.
        answered: usize,
    },
}

impl VerifyError {
    /// When to ask again, if the authority said so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } | Self::TooMany { retry_after } => *retry_after,
            Self::Unauthorised
            | Self::Timeout
            | Self::Transport(_)
            | Self::Answer(_)
            | Self::BatchTooLarge { .. } => None,
        }
    }
}
