//! A secret as a stranger presented it: password, security token, session id or client secret.
//!
//! [`Presented`] owns it; [`PresentedText`] leaves it where the request has it, for the paths on which
//! a copy would cost more than the look-up.
//!
//! Invariant 4 of the house: what is in the clear lives in a type that cannot be printed, cloned,
//! compared or serialised and that is wiped when it is dropped.

use std::borrow::Cow;
use std::{fmt, mem};

use zeroize::Zeroizing;

/// A secret in the clear, not yet believed.
///
/// # Security
///
/// There is deliberately no `Display`, `Clone`, `PartialEq` or `Serialize`. Compare digests in
/// constant time, never two of these.
pub struct Presented(Zeroizing<String>);

impl Presented {
    /// Takes over `text`; it is wiped when the value is dropped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Shows the secret in the clear. Never hand the result to a log, an error, an id or a URL.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Says whether nothing at all was presented.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes over `bytes` as text without a copy; what is not UTF-8 is wiped.
pub(crate) fn wiped_text(mut bytes: Zeroizing<Vec<u8>>) -> Option<Zeroizing<String>> {
    match String::from_utf8(mem::take(&mut *bytes)) {
        Ok(text) => Some(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

impl From<Zeroizing<String>> for Presented {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(..)")
    }
}

/// A secret in the clear, not yet believed, that lies in its request where that is possible.
///
/// # Security
///
/// What is borrowed is not wiped: it ends with the buffer of the request. What had to be decoded is a
/// copy of ours and is wiped like any [`Presented`].
pub struct PresentedText<'a>(Place<'a>);

enum Place<'a> {
    Request(&'a str),
    Copy(Presented),
}

impl<'a> PresentedText<'a> {
    /// Leaves `text` where it is.
    pub fn borrowed(text: &'a str) -> Self {
        Self(Place::Request(text))
    }

    /// Takes over a copy; it is wiped when the value is dropped.
    pub fn wiped(text: Presented) -> Self {
        Self(Place::Copy(text))
    }

    /// Shows the secret in the clear. Never hand the result to a log, an error, an id or a URL.
    pub fn reveal(&self) -> &str {
        match &self.0 {
            Place::Request(text) => text,
            Place::Copy(text) => text.reveal(),
        }
    }

    /// Says whether nothing at all was presented.
    pub fn is_empty(&self) -> bool {
        self.reveal().is_empty()
    }

    /// Takes it for text like any other: it has turned out to be no secret.
    pub(crate) fn into_cow(self) -> Cow<'a, str> {
        match self.0 {
            Place::Request(text) => Cow::Borrowed(text),
            Place::Copy(text) => Cow::Owned(text.reveal().to_owned()),
        }
    }

    /// Makes it independent of the request, by a copy where there is none yet.
    pub fn into_owned(self) -> Presented {
        match self.0 {
            Place::Request(text) => Presented::new(text.to_owned()),
            Place::Copy(text) => text,
        }
    }
}

impl fmt::Debug for PresentedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Presented, PresentedText};

    #[test]
    fn debug_of_a_secret_shows_nothing_of_it() {
        let secret = Presented::new("hunter2".to_owned());

        assert_eq!(format!("{secret:?}"), "Presented(..)");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn borrowed_and_copied_secrets_are_read_and_hidden_alike() {
        let copy = PresentedText::wiped(Presented::new("hunter2".to_owned()));

        for secret in [PresentedText::borrowed("hunter2"), copy] {
            assert_eq!(format!("{secret:?}"), "PresentedText(..)");
            assert_eq!(secret.reveal(), "hunter2");
            assert_eq!(secret.into_owned().reveal(), "hunter2");
        }
    }
}
