//! Asks a Symbolon authority whether a credential is good, and whose it is.
//!
//! A [`Verifier`] is made once and shared. It keeps its connections open and keeps nothing else: each
//! question goes to the authority, so a credential that was reset a moment ago is refused now
//! (RFC 7662 introspection; a batch goes to the authority's own JSON interface).
//!
//! ```no_run
//! use symbolon_client::{Config, Verification, Verifier, VerifyError};
//!
//! # fn secret() -> String { String::new() }
//! # async fn run(presented: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier =
//!     Verifier::new(Config::new("https://tokens.example.com:8443", "my-client", secret()))?;
//!
//! match verifier.verify(presented).await {
//!     Ok(Verification::Active(holder)) => println!("welcome, {}", holder.username),
//!     Ok(Verification::Inactive) => println!("401: not a credential, or no longer one"),
//!     Err(VerifyError::TooMany { .. }) => println!("429: ask less"),
//!     Err(error) => println!("503: {error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Security
//! It fails closed. "Good" is one variant of one type, [`Verification::Active`], and nothing outside
//! this crate can make the [`Holder`] in it: only an answer that was read in full, with every
//! member that must be there, does. All else is [`Verification::Inactive`] or an error.
//!
//! It speaks HTTPS, plain HTTP to loopback alone, follows no redirect and heeds no proxy of the
//! environment. The client's secret and its own copies of credentials are wiped from memory after
//! use and are never printed; what the TLS and HTTP layers copy into their buffers is beyond it.
//!
//! It needs a Tokio runtime with time and I/O enabled.

#![warn(missing_docs)]

mod answer;
mod config;
mod error;
mod question;
mod transport;
mod verifier;

pub use answer::{Holder, Verification};
pub use config::{ClientSecret, Config, ConfigError};
pub use error::{Unreadable, VerifyError};
pub use question::{AtLeast, MOST_CREDENTIALS, Presenter};
pub use verifier::Verifier;
