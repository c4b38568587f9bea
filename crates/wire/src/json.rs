//! JSON bodies, from structs of ours.

use serde::Serialize;

/// Renders `body` without white space.
///
/// Only for structs of strings, numbers and truth values with derived `Serialize`, which cannot
/// fail.
pub(crate) fn render(body: &impl Serialize) -> String {
    serde_json::to_string(body)
        .expect("structs of strings, numbers and truth values always serialise")
}
