//! The use cases: one module each, one write transaction each.
//!
//! Heads parse what is asked and render what is answered; `core` decides; `store` remembers. What is
//! left is here: in which order things are looked up, decided and written down, and that nothing but
//! the database is awaited while a transaction is open.

pub mod account;
pub mod actor;
pub mod breakage;
mod browsers;
pub mod bulk_reset;
pub mod challenges;
pub mod chance;
pub mod clients;
pub mod clock;
mod contents;
pub mod context;
pub mod courier;
pub mod delivery;
pub mod device_types;
pub mod digest;
mod disuse;
pub mod error;
pub mod explain;
mod facts;
pub mod follow_up;
mod hash_pool;
pub mod hashing;
pub mod history;
pub mod invitation;
pub mod janitor;
pub mod leaks;
pub mod links;
pub mod live;
pub mod login;
pub mod mail_status;
pub mod networks;
pub mod notebook;
pub mod openpgp;
mod outbox;
pub mod own_sessions;
pub mod own_signals;
pub mod owner_freeze;
pub mod passkeys;
pub mod passwords;
pub mod places;
pub mod profiles;
pub mod recovery;
pub mod reminders;
mod requests;
pub mod reset;
mod retirement;
pub mod rotation;
pub mod scribe;
pub mod second_factors;
pub mod sessions;
pub mod setup;
pub mod sharing;
pub mod step_up;
pub mod tokens;
pub mod trail;
pub mod turnstile;
pub mod users;
pub mod verify;
pub mod whole_token;

pub use actor::{Actor, Origin};
pub use context::{Ctx, House, Settings};
pub use error::{AppError, Rule};
