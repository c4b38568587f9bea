//! Whoever presented a credential to a verifier, as the verifier tells: `client_address` and
//! `client_agent`, members of ours beside those of RFC 7662 and of a batch.
//!
//! Without them nobody knows from where the credential is used: the connection is the verifier's own.

use std::net::IpAddr;

use crate::PresentedText;

/// Bytes that `client_agent` may have. Whoever sends more means no kind of client.
pub const MAX_AGENT: usize = 1024;

/// What is told; the default is nothing.
#[derive(Debug, Default)]
pub struct UsedBy<'a> {
    /// Its address.
    pub address: Option<IpAddr>,
    /// What it says it is, as in `User-Agent`; at most [`MAX_AGENT`] bytes.
    pub agent: Option<PresentedText<'a>>,
}

/// Reads an address; one with a port or in brackets is none.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// Whether a text is short enough.
pub(crate) fn is_agent(text: &str) -> bool {
    text.len() <= MAX_AGENT
}
