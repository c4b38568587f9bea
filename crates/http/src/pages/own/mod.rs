//! Accounts & Settings: what everybody does for themselves.

pub(crate) mod delivery;
pub(crate) mod explanation;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod openpgp;
pub(crate) mod passkeys;
pub(crate) mod personal;
pub(crate) mod personal_forms;
pub(crate) mod places;
pub(crate) mod receipt;
pub(crate) mod reset;
pub(crate) mod reset_confirm;
pub(crate) mod rotation;
pub(crate) mod second_factors;
pub(crate) mod sessions;
pub(crate) mod sharing;
pub(crate) mod token_card;
pub(crate) mod tokens;
pub(crate) mod verify;
