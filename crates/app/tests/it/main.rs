//! The use cases against a real database in memory, with a clock and a chance that the test holds.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod accounts;
mod api_codes;
mod authenticator_app;
mod breakage;
mod bulk_resets;
mod clients;
#[path = "../../../store/tests/it/database.rs"]
mod database;
mod delivery;
mod device_types;
mod explanations;
mod hash_line;
mod house;
mod it_was_not_me;
mod leaks;
mod letters;
mod live;
mod logins;
mod model;
mod openpgp;
mod other_browsers;
mod own_sessions;
mod passkey_device;
mod passkey_proofs;
mod passkeys;
mod passwords;
mod profiles;
mod proved_places;
mod races;
mod reminders;
mod resets;
mod rotations;
mod rotations_in_browsers;
mod scribe;
mod second_factors;
mod sharing;
mod step_up;
mod tokens;
mod without_mail;
