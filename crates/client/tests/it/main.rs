//! The verifier against an authority of the tests' own, which speaks the contract or breaks it.

#![expect(clippy::unwrap_used, reason = "a test that meets an error here has failed")]

mod answers;
mod authority;
mod connections;
mod tls;

use std::error::Error;

/// An error with all that is behind it, as a careful program logs it.
fn chain(error: &dyn Error) -> String {
    let behind = error.source().map(chain).unwrap_or_default();
    format!("{error} {error:?}\n{behind}")
}
