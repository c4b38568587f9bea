//! A secret as a stranger presented it: password, security token, session id or client secret.
//!
//! Invariant 4 of the house: what is in the clear lives in a type that cannot be printed, cloned,
//! compared or serialised and that is wiped when it is dropped.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::Presented;

    #[test]
    fn debug_of_a_secret_shows_nothing_of_it() {
        let secret = Presented::new("hunter2".to_owned());

        assert_eq!(format!("{secret:?}"), "Presented(..)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
