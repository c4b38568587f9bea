//! Secrets that cannot be printed, cloned, compared or serialised by accident.
//!
//! Each has its own type, so that none is taken for another; each is wiped when dropped. The one
//! way to the text is a method whose name is a warning.

use std::fmt;

use rand::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes the text into custody.
            pub fn new(text: String) -> Self {
                Self(Zeroizing::new(text))
            }

            /// The secret in the clear. Never log, store or format what this returns.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

secret_text! {
    /// A password as it was typed: never trimmed, folded or cut.
    Password;
    /// Password and security token in one text, as API clients send them.
    Credential;
    /// The secret part of a single-use link.
    LinkSecret;
    /// The opaque value of a session: a cookie's value or the part of a session id after the `!`.
    SessionSecret;
    /// What a browser holds that a user has proved himself in.
    PlaceSecret;
    /// What a browser holds while a challenge is to be met.
    ChallengeSecret;
    /// The secret of a registered API client.
    ClientSecret;
    /// A code as it was typed: of an authenticator app, from a mail, or a recovery code.
    TypedCode;
}

/// What a secret of a letter is derived from: random, kept in the outbox until the letter is handed
/// over, worthless without the key ring.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Nonce([u8; 32]);

impl Nonce {
    /// Draws a new nonce.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads a nonce back from the outbox; `None` unless it has 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for the outbox.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// The keyed digest of a secret: what is stored in its place. Compared in constant time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Wraps the output of a keyed hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the database.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_shows_itself_in_debug_output() {
        let password = Password::new("correct horse".to_owned());
        let nonce = Nonce([7; 32]);

        assert_eq!(format!("{password:?} {nonce:?}"), "Password(..) Nonce(..)");
    }
}
