//! What every page stands on: who asks, what was posted, and how it is answered.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod cookies;
pub(crate) mod csrf;
pub(crate) mod csv;
pub(crate) mod failure;
pub(crate) mod in_path;
pub(crate) mod local_path;
pub(crate) mod posted;
pub(crate) mod pressed;
pub(crate) mod seen;
pub(crate) mod visit;
