//! What is remembered, and the only place that speaks SQL.
//!
//! [`sql`] is the seam: one portable text per statement on two engines. Above it there is a module per
//! aggregate: `const` statements, and beneath each the function that binds it and states how many rows
//! it may touch. Functions that read take a [`Conn`], those that write a [`Tx`]; which of them belong
//! together in one transaction is the business of `app`.

pub mod address_changes;
pub mod audit;
pub mod authenticators;
pub mod bulk_resets;
pub mod challenges;
pub mod changes;
pub mod clients;
pub mod columns;
pub mod device_types;
pub mod error;
pub mod history;
pub mod inventory;
pub mod leaks;
pub mod letters;
pub mod links;
pub mod live;
pub mod migrate;
pub mod migrations;
pub mod networks;
pub mod nodes;
pub mod openpgp_keys;
pub mod organization;
pub mod passkeys;
pub mod password_history;
pub mod places;
pub mod profiles;
pub mod recovery_codes;
pub mod reminders;
pub mod reset_requests;
pub mod retired_uses;
mod rows;
pub mod sessions;
pub mod sharing_signals;
pub mod source_failures;
pub mod sql;
pub mod tokens;
pub mod users;
pub mod uses;

pub use migrations::migrate_all;
pub use sql::{Conn, DatabaseTarget, Reader, Store, Tx};
