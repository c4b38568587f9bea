//! What a form was filled in from: a digest of it travels with the form, so that whoever saves what he saw an hour
//! ago does not undo what somebody else has changed since.
//!
//! The digest is keyed as the nonce of a form is: it tells nobody anything, and none can be made up.

use std::fmt;

use symbolon_core::keys::{KeyRing, Purpose};

use crate::pages::view::faults::Faults;
use crate::pages::web::csrf::{hex, unhex};

/// The name of the field.
pub(crate) const SEEN: &str = "seen";

/// The digest of what is shown. `Debug` names every value, so that none can be forgotten here.
pub(crate) fn seen_of(keys: &KeyRing, shown: &impl fmt::Debug) -> String {
    hex(keys.digest(Purpose::Form, &subject(shown)).as_bytes())
}

/// Whether `presented` is the digest of `known`, made with any key of the ring; not where there is none.
pub(crate) fn is_as_seen(keys: &KeyRing, known: &impl fmt::Debug, presented: Option<&str>) -> bool {
    let presented = presented.and_then(unhex);
    presented.is_some_and(|seen| keys.digests(Purpose::Form, &subject(known)).contains(&seen))
}

/// What is told above the form, which shows anew what holds.
pub(crate) fn changed_meanwhile() -> Faults {
    let text = "Somebody has changed this since you opened the page, and nothing of yours was saved. Here is what \
                holds now: make your change once more.";
    Faults::one("", text)
}

fn subject(shown: &impl fmt::Debug) -> Vec<u8> {
    format!("seen {shown:?}").into_bytes()
}
