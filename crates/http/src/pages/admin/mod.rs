//! Administration: what administrators do for the whole organization.

pub(crate) mod add_user;
pub(crate) mod all_tokens;
pub(crate) mod audit;
pub(crate) mod clients;
mod device_type_form;
pub(crate) mod device_types;
pub(crate) mod explain_login;
pub(crate) mod mail;
pub(crate) mod networks;
pub(crate) mod profile_form;
pub(crate) mod profiles;
mod removal;
pub(crate) mod user;
pub(crate) mod user_actions;
pub(crate) mod user_profile;
pub(crate) mod user_sessions;
pub(crate) mod users;
