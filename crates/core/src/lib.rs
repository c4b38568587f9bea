//! What a token, a user and a policy *are*, and every decision about them.
//!
//! The ground floor of the house. Everything here is a plain type or a pure function: no I/O, no
//! async, no clock and no randomness of its own (`now` and `rng` are parameters), no serde. Who
//! reads this crate has read the rules of the product.

pub mod api_rules;
pub mod audit;
pub mod client_kind;
pub mod country;
pub mod device_type;
pub mod factor;
pub mod foreign_text;
pub mod id;
pub mod issue;
pub mod judge;
pub mod key_directory;
pub mod keys;
pub mod leak;
pub mod letter;
pub mod lockout;
pub mod login_hours;
mod mac;
pub mod mailed_code;
pub mod names;
pub mod network;
pub mod password;
pub mod policy;
pub mod public_address;
pub mod recovery_code;
pub mod reminder;
pub mod reset;
pub mod rotation;
pub mod sealed;
pub mod secret;
pub mod session;
pub mod sharing;
pub mod time;
pub mod token;
pub mod token_search;
pub mod totp;
pub mod user_agent;
pub mod verification;
pub mod weekly;
pub mod words;

pub use id::Id;
pub use time::Timestamp;
